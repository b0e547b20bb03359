/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/settings.h"
#include "agent/authority/state.h"
#include "agent/daemon/lockfile.h"
#include "agent/keys/vault.h"
#include "agent/tpm/types.h"
#include "agent/wire/order.h"

struct kgr_tpm;
struct kgr_auth_root;

/*
 * The AC at work: its state folder locked, its TPM open under a session salted with its own storage key,
 * its keys found with the Names that init pinned. Begin with KGR_AC_INIT; kgr_ac_close on every path.
 */
struct kgr_ac {
    const struct kgr_ac_settings *settings; /* borrowed */
    struct kgr_lockfile lock;
    struct kgr_tpm *tpm;
    struct kgr_vault vault;
    struct kgr_ac_state *state;
    struct kgr_auth_root *root;    /* of the vault */
    struct kgr_tpm_auth *auths[2]; /* by enum kgr_ac_which */
    struct kgr_tpm_object storage;
    struct kgr_tpm_object signing;
    uint32_t epoch;   /* of this run; 0: not taken yet */
    uint32_t counter; /* of the last order of this run */
};

#define KGR_AC_INIT                                                                                \
    {                                                                                              \
        .lock = {.fd = -1 }                                                                        \
    }

/*
 * kgr_ac_open_state locks the folder and opens TPM, vault and database; with create it makes what is not there. KGR_ERR_STATE when it
 * is not and shall not be made.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_open_state(struct kgr_ac *ac,
                                                const struct kgr_ac_settings *settings, bool create,
                                                struct kgr_diag *diag);
/* kgr_ac_open is that and the AC's keys: for every command but init. */
KGR_MUST_CHECK enum kgr_error kgr_ac_open(struct kgr_ac *ac, const struct kgr_ac_settings *settings,
                                          struct kgr_diag *diag);
void kgr_ac_close(struct kgr_ac *ac);

/* kgr_ac_found makes the keys of a new AC, after kgr_ac_open_state of a state without any. */
KGR_MUST_CHECK enum kgr_error kgr_ac_found(struct kgr_ac *ac, struct kgr_ac_identity *out,
                                           struct kgr_diag *diag);

/* kgr_ac_epoch is the epoch of this run's numbers and frames, taken from the TPM at the first call. */
KGR_MUST_CHECK enum kgr_error kgr_ac_epoch(struct kgr_ac *ac, uint32_t *out, struct kgr_diag *diag);
/* kgr_ac_brokers is where orders at a distance go: as configured, else as ks.pub said; *out borrows from *room. */
KGR_MUST_CHECK enum kgr_error kgr_ac_brokers(struct kgr_ac *ac, struct kgr_brokers *out,
                                             struct kgr_ac_broker *room, struct kgr_diag *diag);

/* kgr_ac_auth derives the authorisation value of a key of that generation; the caller's to free. */
KGR_MUST_CHECK enum kgr_error kgr_ac_auth(const struct kgr_ac *ac, struct kgr_tpm_auth **out,
                                          enum kgr_ac_which which, uint32_t generation,
                                          struct kgr_diag *diag);
struct kgr_ac_anchor kgr_ac_anchor_of(const struct kgr_tpm_object *object);

/*
 * kgr_ac_order signs an order, has the KS carry it out, and checks the signature of the result. *out_body
 * borrows buf (KGR_FRAME_MAX bytes). A refusal by the KS is its error, with its words. An order that changes something stands on
 * the disk before it is sent; one that an earlier run gave, and got no result of, is sent again instead of a new one.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_order(struct kgr_ac *ac, struct kgr_slice *out_body,
                                           uint8_t *buf, enum kgr_order_kind kind,
                                           struct kgr_slice body, struct kgr_diag *diag);

/* kgr_ac_order_taken says that nothing is needed any more of what the last order brought: after node_add, its credential is written. */
KGR_MUST_CHECK enum kgr_error kgr_ac_order_taken(struct kgr_ac *ac, struct kgr_diag *diag);

/*
 * kgr_ac_open_credential opens the sealed credential that node_add returns, and checks that it is whole, for
 * node and of the KS that is pinned: else KGR_ERR_CORRUPT. out stands in the arena and has room
 * for KGR_CREDENTIAL_MAX bytes.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_open_credential(struct kgr_ac *ac, uint8_t *out,
                                                     size_t *out_len, const struct kgr_nid *node,
                                                     struct kgr_slice sealed,
                                                     struct kgr_diag *diag);
