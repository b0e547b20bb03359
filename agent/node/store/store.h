/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/keys/blobs.h"
#include "agent/keys/ring.h"
#include "agent/node/machines/exchange.h"
#include "agent/node/machines/records.h"
#include "agent/wire/window.h"
#include "agent/store/state.h"
#include "agent/wire/common.h"

/*
 * What a node keeps on disk. Every function is one statement on an open database; the caller decides what is one
 * transaction. A row that does not decode is KGR_ERR_CORRUPT, with a diag that names it.
 */

/* The tables of agent.db. */
extern const struct kgr_db_schema kgr_node_schema;
/*
 * kgr_node_store_open opens the sealed database in the state folder dir, creating it with create. KGR_ERR_NO_KEY if it is not
 * there (agent/store/state.h).
 */
KGR_MUST_CHECK enum kgr_error kgr_node_store_open(struct kgr_state *out, const char *dir,
                                                  const struct kgr_page_keys *keys,
                                                  uint64_t counter, bool create,
                                                  struct kgr_diag *diag);

/* Single values. */
#define KGR_META_NODE           "node" /* N_ID */
#define KGR_META_TOPIC0         "topic0"
#define KGR_META_TOPIC1         "topic1"
#define KGR_META_TOPIC2         "topic2"
#define KGR_META_KS_PUBLIC      "ks-public" /* pinned signing key of the KS */
#define KGR_META_BROKER_HOST    "broker-host"
#define KGR_META_BROKER_PORT    "broker-port"
#define KGR_META_EXPIRES        "credential-expires"
#define KGR_META_STORAGE_HANDLE "storage-handle"
#define KGR_META_STORAGE_PUBLIC "storage-public"
#define KGR_META_NEXT_HANDLE    "storage-next-handle" /* of a renewal with a new storage key */
#define KGR_META_NEXT_PUBLIC    "storage-next-public"
#define KGR_META_DEAD_HANDLE    "storage-dead-handle" /* a storage key to be evicted */
#define KGR_META_DEAD_PUBLIC    "storage-dead-public"
#define KGR_META_NTAG_PUBLIC    "ntag-public"
#define KGR_META_NTAG_PRIVATE   "ntag-private"
#define KGR_META_NTAG_KEY_ID    "ntag-key-id"
#define KGR_META_REGISTRATION   "registration" /* state of the machine */
#define KGR_META_REG_REQ        "reg-req"      /* body, sent again as it was */
#define KGR_META_NKSK_KEY_ID    "nksk-key-id"
#define KGR_META_RENEWAL        "nksk-renewal" /* state of the machine */
#define KGR_META_NKSK_REQ       "nksk-req"     /* body, sent again as it was */
#define KGR_META_AUDIT_PUBLIC   "audit-public" /* the key that signs the audit log */
#define KGR_META_AUDIT_PRIVATE  "audit-private"
#define KGR_META_REVOKED        "revoked" /* the word that ended this node */

/* kgr_meta_get copies a value; KGR_ERR_NO_KEY (without diag) when there is none, KGR_ERR_CORRUPT when it is longer than cap. */
KGR_MUST_CHECK enum kgr_error kgr_meta_get(struct kgr_db *db, const char *name, void *out,
                                           size_t cap, size_t *out_len, struct kgr_diag *diag);
/* kgr_meta_get_exact wants exactly len bytes. */
KGR_MUST_CHECK enum kgr_error kgr_meta_get_exact(struct kgr_db *db, const char *name, void *out,
                                                 size_t len, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_meta_get_u64(struct kgr_db *db, const char *name, uint64_t *out,
                                               struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_meta_set(struct kgr_db *db, const char *name,
                                           struct kgr_slice value, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_meta_set_u64(struct kgr_db *db, const char *name, uint64_t value,
                                               struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_meta_erase(struct kgr_db *db, const char *name,
                                             struct kgr_diag *diag);

/* NKSK and NKSKsign. */
struct kgr_nksk_row {
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t suite;
    uint8_t custody;
    struct kgr_key_blobs blobs;
};
KGR_MUST_CHECK enum kgr_error kgr_nksk_save(struct kgr_db *db, const struct kgr_nksk_row *row,
                                            struct kgr_diag *diag);
/* kgr_nksk_load: KGR_ERR_NO_KEY when there is none of that key_id. */
KGR_MUST_CHECK enum kgr_error kgr_nksk_load(struct kgr_db *db, struct kgr_nksk_row *out,
                                            const uint8_t key_id[KGR_KEY_ID_LEN],
                                            struct kgr_diag *diag);

/* kgr_nksk_erase erases the row and the window of a key_id. */
KGR_MUST_CHECK enum kgr_error
kgr_nksk_erase(struct kgr_db *db, const uint8_t key_id[KGR_KEY_ID_LEN], struct kgr_diag *diag);

/* Receive windows by key_id. kgr_window_load gives an empty one where nothing stands. */
KGR_MUST_CHECK enum kgr_error kgr_window_save(struct kgr_db *db,
                                              const uint8_t key_id[KGR_KEY_ID_LEN],
                                              const struct kgr_window *window,
                                              struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_window_load(struct kgr_db *db, struct kgr_window *out,
                                              const uint8_t key_id[KGR_KEY_ID_LEN],
                                              struct kgr_diag *diag);

/* Pairs. */
struct kgr_pair_row {
    struct kgr_exchange_state state; /* without self */
    uint8_t status; /* what the KS said last: 0 nothing, 1 allowed, 2 revoked, 3 denied */
    uint64_t word;  /* number of that (docs/protocol.md, section 5.1) */
    uint64_t floor; /* generations up to this one are revoked */
};
KGR_MUST_CHECK enum kgr_error kgr_pair_save(struct kgr_db *db, const struct kgr_pair_row *row,
                                            struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_pair_erase(struct kgr_db *db, const struct kgr_nid *peer,
                                             struct kgr_diag *diag);
/* kgr_pair_each calls fn for every pair in the order of N_IDs, until it fails. */
KGR_MUST_CHECK enum kgr_error kgr_pair_each(struct kgr_db *db,
                                            enum kgr_error (*fn)(void *arg,
                                                                 const struct kgr_pair_row *row,
                                                                 struct kgr_diag *diag),
                                            void *arg, struct kgr_diag *diag);

/* Generations: the keys of pairs, at most one a place. */
struct kgr_generation_row {
    struct kgr_nid peer;
    enum kgr_ring_place place;
    struct kgr_exchange_offer offer;
    struct kgr_key_blobs blobs;
    uint64_t send_ceiling;
    uint64_t recv_ceiling;
    uint64_t blocks; /* reserved of the budget */
    bool has_seen;   /* a clean stop stored the window too */
    uint64_t seen[KGR_RECORD_WINDOW / 64];
};
KGR_MUST_CHECK enum kgr_error kgr_generation_insert(struct kgr_db *db,
                                                    const struct kgr_generation_row *row,
                                                    struct kgr_diag *diag);
/*
 * kgr_generation_promote makes the candidate the current key and that the previous one, and erases the previous one
 * before; offer replaces what stood beside the candidate.
 */
KGR_MUST_CHECK enum kgr_error kgr_generation_promote(struct kgr_db *db, const struct kgr_nid *peer,
                                                     const struct kgr_exchange_offer *offer,
                                                     struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_generation_erase(struct kgr_db *db, const struct kgr_nid *peer,
                                                   enum kgr_ring_place place,
                                                   struct kgr_diag *diag);
/* kgr_generation_erase_to erases every generation of the peer up to this one. */
KGR_MUST_CHECK enum kgr_error kgr_generation_erase_to(struct kgr_db *db, const struct kgr_nid *peer,
                                                      uint64_t generation, struct kgr_diag *diag);
/* kgr_generation_ceilings stores both; seen not NULL only at a clean stop. */
KGR_MUST_CHECK enum kgr_error kgr_generation_ceilings(struct kgr_db *db, const struct kgr_nid *peer,
                                                      uint64_t generation, uint64_t send_ceiling,
                                                      uint64_t recv_ceiling, const uint64_t *seen,
                                                      struct kgr_diag *diag);
/* kgr_generation_blocks stores how much of the budget is reserved. */
KGR_MUST_CHECK enum kgr_error kgr_generation_blocks(struct kgr_db *db, const struct kgr_nid *peer,
                                                    uint64_t generation, uint64_t blocks,
                                                    struct kgr_diag *diag);
/* kgr_generation_each: of each peer the current key, the previous, the candidate, as a ring takes them; row is borrowed for the call. */
KGR_MUST_CHECK enum kgr_error kgr_generation_each(
    struct kgr_db *db,
    enum kgr_error (*fn)(void *arg, const struct kgr_generation_row *row, struct kgr_diag *diag),
    void *arg, struct kgr_diag *diag);
/* kgr_generation_forget_seen drops the windows of the last clean stop: from now on they grow old. */
KGR_MUST_CHECK enum kgr_error kgr_generation_forget_seen(struct kgr_db *db, struct kgr_diag *diag);

/* kgr_generation_erase_all: every key of every pair. */
KGR_MUST_CHECK enum kgr_error kgr_generation_erase_all(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_node_store_drop_all erases every key, window and state, but for what status and wipe need. */
KGR_MUST_CHECK enum kgr_error kgr_node_store_drop_all(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_node_store_drop_pairs erases every key and state of pairs: after a rollback of the database. */
KGR_MUST_CHECK enum kgr_error kgr_node_store_drop_pairs(struct kgr_db *db, struct kgr_diag *diag);
