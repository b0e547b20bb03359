/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/keys/ring.h"
#include "agent/node/machines/budget.h"
#include "agent/node/machines/exchange.h"
#include "agent/node/machines/mailbox.h"
#include "agent/node/machines/records.h"
#include "agent/node/machines/renewal.h"
#include "agent/node/store/store.h"

struct kgr_anchor;

/*
 * The pairs of this node: for each peer its exchange, what the KS says of it, and the sequences of records. The keys
 * stand in the ring. A pair, once made, stays where it is until kgr_pairs_remove or kgr_pairs_deinit.
 */
#define KGR_PAIRS_MAX          65536 /* in all */
#define KGR_PAIRS_UNNAMED_MAX  256   /* of them asked for here and never named by the KS */
#define KGR_PAIRS_FIRST_KEY_ID (UINT64_C(1) << 32) /* below: the node's own */

/* Of the pair, as notices and sync_ans number them. Revoked: its keys are destroyed; denied: only unused. */
enum kgr_pair_status {
    KGR_PAIR_UNNAMED = 0,
    KGR_PAIR_ALLOWED = 1,
    KGR_PAIR_REVOKED = 2,
    KGR_PAIR_DENIED = 3,
};

/*
 * What is counted under one generation, by the loop and by the workers (agent/node/service/views.h), which hold it as long as they
 * may use it.
 */
struct kgr_pair_records {
    atomic_uint holders;
    uint64_t generation;
    struct kgr_record_send send;
    struct kgr_record_recv recv;
    struct kgr_budget budget;
    struct kgr_reserve reserve_send; /* the loop's, as the next two */
    struct kgr_reserve reserve_recv;
    struct kgr_reserve reserve_budget;
    atomic_bool dropped; /* the generation was destroyed: nothing begins under it any more */
    atomic_bool heard;   /* a record of the peer was opened under it */
    atomic_bool wanted;  /* the loop shall look at it: something is low, or heard is new */
};

/* What subscribers of events know of a pair. */
struct kgr_pair_told {
    uint64_t generation;
    enum kgr_pair_status status;
    enum kgr_error error;
};

struct kgr_pair {
    struct kgr_exchange ex;
    enum kgr_pair_status status;
    uint64_t word;               /* number of what the KS said last */
    uint64_t floor;              /* generations up to this one are revoked */
    bool named;                  /* by the synchronisation under way */
    unsigned jobs;               /* of the TPM for this pair, under way */
    uint64_t requested_ms;       /* of the exchange under way */
    bool told_busy;              /* the KS's last word on it was: later */
    struct kgr_ring_key *staged; /* imported, not yet a candidate; owned */
    struct kgr_key_blobs *blobs; /* of staged; owned */
    struct kgr_pair_records *records[KGR_RING_NUM_PLACES]; /* held; NULL: none */
    struct kgr_renewal renewal;
    uint64_t peer_generation;    /* the latest under which the peer is known to send; 0: unknown */
    uint64_t confirmed;          /* the latest that the KS said is confirmed by both ends */
    uint64_t skipped;            /* a crash made records of this generation unreadable; 0: none */
    struct kgr_mailbox *mailbox; /* owned; NULL until a message comes */
    struct kgr_pair_told told;
};

struct kgr_pairs {
    struct kgr_nid self;
    struct kgr_ring *ring;  /* owned */
    struct kgr_pair **list; /* owned, in the order of N_IDs */
    size_t num;
    size_t cap;
    uint64_t next_key_id; /* for the slot cache */
};

KGR_MUST_CHECK enum kgr_error kgr_pairs_init(struct kgr_pairs *out, const struct kgr_nid *self);
/* kgr_pairs_deinit after kgr_tpm_worker_stop: keys are then in use no more. */
void kgr_pairs_deinit(struct kgr_pairs *pairs);
/* kgr_pairs_load reads pairs and keys from the database. */
KGR_MUST_CHECK enum kgr_error kgr_pairs_load(struct kgr_pairs *pairs, struct kgr_db *db,
                                             const struct kgr_anchor *anchor, uint64_t now_ms,
                                             struct kgr_diag *diag);

/* kgr_pairs_find: NULL when the peer is unknown. */
struct kgr_pair *kgr_pairs_find(const struct kgr_pairs *pairs, const struct kgr_nid *peer);
/* kgr_pairs_find_xid finds the pair whose open exchange has this id. */
struct kgr_pair *kgr_pairs_find_xid(const struct kgr_pairs *pairs, const uint8_t xid[KGR_XID_LEN]);
/*
 * kgr_pairs_ensure finds or makes; nothing is written. KGR_ERR_INVALID for this node itself, KGR_ERR_QUOTA when
 * there are too many (unnamed: too many that the KS never named).
 */
KGR_MUST_CHECK enum kgr_error kgr_pairs_ensure(struct kgr_pairs *pairs, struct kgr_pair **out,
                                               const struct kgr_nid *peer, bool unnamed);

/* kgr_pairs_remove frees a pair without keys and jobs. */
void kgr_pairs_remove(struct kgr_pairs *pairs, struct kgr_pair *pair);

/*
 * kgr_pairs_close_unusable takes out of memory what may not be used now: in sealed custody the keys of pairs that are not
 * allowed, or of all when there is no lease.
 */
void kgr_pairs_close_unusable(struct kgr_pairs *pairs, bool lease);

/* kgr_pair_row_of is what the database keeps of pair. */
void kgr_pair_row_of(const struct kgr_pair *pair, struct kgr_pair_row *out);

/* kgr_pair_auths derives the authorisation values of a generation; the caller frees both (kgr_secret_free). */
KGR_MUST_CHECK enum kgr_error kgr_pair_auths(const struct kgr_anchor *anchor,
                                             const struct kgr_nid *peer, uint64_t generation,
                                             struct kgr_tpm_auth **out_enc,
                                             struct kgr_tpm_auth **out_mac);
/* kgr_pair_make_key makes the key of an offer from its blobs, for the ring; the caller owns *out. */
KGR_MUST_CHECK enum kgr_error kgr_pair_make_key(struct kgr_pairs *pairs, struct kgr_ring_key **out,
                                                const struct kgr_exchange_state *state,
                                                const struct kgr_exchange_offer *offer,
                                                const struct kgr_key_blobs *blobs,
                                                const struct kgr_anchor *anchor, uint64_t now_ms);

/* kgr_pair_records finds the sequences of a generation, NULL when it is none of the pair's. */
struct kgr_pair_records *kgr_pair_find_records(struct kgr_pair *pair, uint64_t generation);
/* kgr_pair_add_records makes those of a new generation; NULL: no memory, or no room. */
struct kgr_pair_records *kgr_pair_add_records(struct kgr_pair *pair, uint64_t generation);
void kgr_pair_drop_records(struct kgr_pair *pair, uint64_t generation);
/* kgr_pair_records_hold makes one more holder; kgr_pair_records_free ends one, the last frees. free accepts NULL. */
struct kgr_pair_records *kgr_pair_records_hold(struct kgr_pair_records *records);
void kgr_pair_records_free(struct kgr_pair_records *records);

/* kgr_ring_key_age_s and kgr_ring_key_rest_s: seconds since birth, seconds to expiry (0 when over). */
uint64_t kgr_ring_key_age_s(const struct kgr_ring_key *key, uint64_t now_ms);
uint64_t kgr_ring_key_rest_s(const struct kgr_ring_key *key, uint64_t now_ms);
/* kgr_ring_key_opens tells whether what the peer sent may still be opened: overlap_s longer than the lifetime. */
bool kgr_ring_key_opens(const struct kgr_ring_key *key, uint32_t overlap_s, uint64_t now_ms);
