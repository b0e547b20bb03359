/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/page.h"
#include "agent/base/text.h"
#include "agent/keys/blobs.h"
#include "agent/tpm/types.h"
#include "agent/wire/window.h"

/*
 * What the AC keeps on disk, sealed (agent/store/state.h): where its keys stand in the TPM and what their Names are, and the
 * KS that it has pinned.
 */
struct kgr_ac_state;
struct kgr_db_schema;

/* The tables of ac.db. */
extern const struct kgr_db_schema kgr_ac_schema;

/* A key or counter of the AC's TPM. */
struct kgr_ac_anchor {
    uint32_t handle;
    struct kgr_tpm_name name;
};

/* The AC's keys for frames: docs/protocol.md, sections 9.2 and 10. */
struct kgr_ac_nksk {
    uint8_t key_id[16];
    uint8_t topic1[KGR_TOPIC_LEN]; /* where the KS listens */
    uint8_t topic2[KGR_TOPIC_LEN]; /* where the AC listens */
    struct kgr_key_blobs blobs;
    struct kgr_window window; /* of what the KS sends */
};

struct kgr_ac_broker {
    char host[256];
    uint16_t port;
};

struct kgr_ac_identity {
    struct kgr_tpm_public signing;
    struct kgr_tpm_public storage;
    struct kgr_tpm_public ek;
};

/*
 * kgr_ac_state_open opens FOLDER/ac.db, or makes it with create; the folder is locked by the caller. KGR_ERR_NO_KEY when it is not
 * there.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_open(struct kgr_ac_state **out, const char *folder,
                                                const struct kgr_page_keys *keys, uint64_t counter,
                                                bool create, struct kgr_diag *diag);
/* kgr_ac_state_close accepts NULL. */
void kgr_ac_state_close(struct kgr_ac_state *state);

/*
 * A new epoch: kgr_ac_state_leave before the TPM's counter moves, kgr_ac_state_enter with what it became. A database that
 * was put back forgets its order under way, and *out_restored tells.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_leave(struct kgr_ac_state *state, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_enter(struct kgr_ac_state *state, uint64_t epoch,
                                                 bool *out_restored, struct kgr_diag *diag);

/*
 * The next keys of the AC (docs/protocol.md, section 9.4). Until the KS granted them they stand beside the present ones; from then
 * on everything here that is asked for is theirs, until kgr_ac_state_promote makes them the present ones.
 */
enum kgr_ac_stage {
    KGR_AC_SETTLED,   /* there are none */
    KGR_AC_ANNOUNCED, /* made, and perhaps ordered */
    KGR_AC_GRANTED,
};
KGR_MUST_CHECK enum kgr_error kgr_ac_state_stage(struct kgr_ac_state *state, enum kgr_ac_stage *out,
                                                 struct kgr_diag *diag);
/* The number of the present keys, from 0: a part of their authorisation values. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_generation(struct kgr_ac_state *state, uint32_t *out,
                                                      struct kgr_diag *diag);
struct kgr_ac_next {
    uint32_t generation;
    struct kgr_ac_anchor storage;
    struct kgr_ac_anchor signing;
    const struct kgr_ac_identity *identity;
};
KGR_MUST_CHECK enum kgr_error kgr_ac_state_announce(struct kgr_ac_state *state,
                                                    const struct kgr_ac_next *next,
                                                    struct kgr_diag *diag);
/* kgr_ac_state_grant stores what the KS granted to the next keys, and that the order for it is done. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_grant(struct kgr_ac_state *state,
                                                 const struct kgr_ac_nksk *nksk,
                                                 struct kgr_diag *diag);
/* kgr_ac_state_promote keeps only the anchors of what was there before. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_promote(struct kgr_ac_state *state,
                                                   struct kgr_diag *diag);
/* kgr_ac_state_has_retired tells whether there are such keys, which are to be evicted; then kgr_ac_state_evicted. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_has_retired(struct kgr_ac_state *state, bool *out,
                                                       struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_evicted(struct kgr_ac_state *state,
                                                   struct kgr_diag *diag);

/* What init stores, all of it in one transaction. */
struct kgr_ac_founding {
    struct kgr_ac_anchor storage;
    struct kgr_ac_anchor signing;
    const struct kgr_ac_identity *identity;
};
KGR_MUST_CHECK enum kgr_error kgr_ac_state_found(struct kgr_ac_state *state,
                                                 const struct kgr_ac_founding *founding,
                                                 struct kgr_diag *diag);

/* The readers: KGR_ERR_STATE, with the remedy, when the thing is not there. */
enum kgr_ac_which {
    KGR_AC_STORAGE,
    KGR_AC_SIGNING,
    KGR_AC_NEXT_STORAGE, /* while they are announced only */
    KGR_AC_NEXT_SIGNING,
    KGR_AC_RETIRED_STORAGE, /* to be evicted */
    KGR_AC_RETIRED_SIGNING,
};
KGR_MUST_CHECK enum kgr_error kgr_ac_state_anchor(struct kgr_ac_state *state,
                                                  struct kgr_ac_anchor *out,
                                                  enum kgr_ac_which which, struct kgr_diag *diag);

/* kgr_ac_state_anchors finds everything of the AC that may stand in its TPM, of all generations. */
#define KGR_AC_ANCHORS_MAX 6
KGR_MUST_CHECK enum kgr_error kgr_ac_state_anchors(struct kgr_ac_state *state,
                                                   struct kgr_ac_anchor out[KGR_AC_ANCHORS_MAX],
                                                   size_t *out_num, struct kgr_diag *diag);

/* kgr_ac_state_identity is the AC's own, as init made it or rekey. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_identity(struct kgr_ac_state *state,
                                                    struct kgr_ac_identity *out,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_next_identity(struct kgr_ac_state *state,
                                                         struct kgr_ac_identity *out,
                                                         struct kgr_diag *diag);
/* kgr_ac_state_pin stores the KS and what it granted, in one transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_pin(struct kgr_ac_state *state,
                                               const struct kgr_ac_identity *ks,
                                               const struct kgr_ac_nksk *nksk,
                                               const struct kgr_ac_broker *broker,
                                               struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_nksk(struct kgr_ac_state *state, struct kgr_ac_nksk *out,
                                                struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_set_window(struct kgr_ac_state *state,
                                                      const struct kgr_window *window,
                                                      struct kgr_diag *diag);
/* kgr_ac_state_broker is the address that ks.pub named. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_broker(struct kgr_ac_state *state,
                                                  struct kgr_ac_broker *out, struct kgr_diag *diag);

/*
 * The order that may be on its way: signed, sent or not, its result not taken. *out_len is 0 when there is none; out has room for
 * KGR_ORDER_MAX bytes. An empty order clears it.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_pending(struct kgr_ac_state *state, uint8_t *out,
                                                   size_t *out_len, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_ac_state_set_pending(struct kgr_ac_state *state, struct kgr_slice order, struct kgr_diag *diag);
/* The newest record of the KS's audit log that was verified; *out_id is 0 when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_audit(struct kgr_ac_state *state, uint64_t *out_id,
                                                 uint8_t out_hash[KGR_TPM_HASH_LEN],
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_set_audit(struct kgr_ac_state *state, uint64_t id,
                                                     const uint8_t hash[KGR_TPM_HASH_LEN],
                                                     struct kgr_diag *diag);
/* kgr_ac_state_ks: KGR_ERR_STATE when none is pinned. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_ks(struct kgr_ac_state *state,
                                              struct kgr_ac_identity *out, struct kgr_diag *diag);
