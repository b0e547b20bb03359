/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/server/machines/coordinator.h"
#include "agent/store/db.h"

/* The tables of pairs: what the AC allows, what the coordinator remembers, and duplicates. */

struct kgr_ks_policy {
    bool known; /* the AC ordered something about this pair */
    bool allowed;
    bool revoked;        /* not only denied: a node of the pair was revoked or removed */
    uint64_t floor;      /* generations up to this one are revoked */
    uint64_t word;       /* number of the order (docs/protocol.md, section 5.1) */
    uint8_t min_suite;   /* 0: any */
    uint8_t min_custody; /* 0: any, 1 resident, 2 mixed */
};

/* A pair as lists show it; nids in the order of roles. */
struct kgr_ks_pair_row {
    struct kgr_nid nids[2];
    struct kgr_ks_policy policy;
    uint64_t highest; /* generation ever allotted */
    uint64_t generation;
    uint64_t current[2]; /* in force at each end, as it said last */
    uint64_t born_s;     /* KS time */
    uint32_t lifetime_s;
    uint8_t suite;
    uint8_t custody;
};

/* nids always in the order of roles: state->nids. An unknown pair is forbidden, with an empty state.
 * On failure *out is undefined. */
KGR_MUST_CHECK enum kgr_error kgr_ks_pairs_load(struct kgr_db *db, struct kgr_ks_policy *out_policy,
                                                struct kgr_coordinator_state *out,
                                                const struct kgr_nid nids[2],
                                                struct kgr_diag *diag);
/* kgr_ks_pairs_save writes a coordinator's state; a pair the AC never named stays forbidden. */
KGR_MUST_CHECK enum kgr_error kgr_ks_pairs_save(struct kgr_db *db,
                                                const struct kgr_coordinator_state *state,
                                                struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_policy_save(struct kgr_db *db, const struct kgr_nid nids[2],
                                                 const struct kgr_ks_policy *policy,
                                                 struct kgr_diag *diag);

typedef enum kgr_error kgr_ks_pairs_fn(void *arg, const struct kgr_ks_pair_row *row);
/*
 * kgr_ks_pairs_each calls fn with the pairs that were ever allowed or hold a generation, in the order of roles and
 * N_IDs: those of one node, or all when nid is NULL.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_pairs_each(struct kgr_db *db, const struct kgr_nid *nid,
                                                kgr_ks_pairs_fn *fn, void *arg,
                                                struct kgr_diag *diag);
/* kgr_ks_pairs_engaged calls fn with every pair that has exchanges. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_pairs_engaged(struct kgr_db *db, enum kgr_error (*fn)(void *arg, const struct kgr_nid *nids),
                     void *arg, struct kgr_diag *diag);

/* kgr_ks_pairs_rekeyed forgets the sequences of a node's frames: those under its new key_id begin at 1. */
KGR_MUST_CHECK enum kgr_error kgr_ks_pairs_rekeyed(struct kgr_db *db, const struct kgr_nid *nid,
                                                   struct kgr_diag *diag);

/* kgr_ks_topic_known: these bytes are a topic of a node or of an exchange that the KS remembers. */
KGR_MUST_CHECK enum kgr_error kgr_ks_topic_known(struct kgr_db *db, bool *out,
                                                 const uint8_t topic[KGR_TOPIC_LEN],
                                                 struct kgr_diag *diag);

/* Duplicates: two objects as a frame carries them, for one side of one generation. */
KGR_MUST_CHECK enum kgr_error kgr_ks_duplicate_save(struct kgr_db *db, const struct kgr_nid nids[2],
                                                    uint64_t generation, uint8_t side,
                                                    struct kgr_slice objects,
                                                    struct kgr_diag *diag);
/* kgr_ks_duplicate_load allocates *out for the caller; KGR_ERR_NO_KEY when it was erased. */
KGR_MUST_CHECK enum kgr_error kgr_ks_duplicate_load(struct kgr_db *db, const struct kgr_nid nids[2],
                                                    uint64_t generation, uint8_t side,
                                                    uint8_t **out, size_t *out_len,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_duplicate_erase(struct kgr_db *db,
                                                     const struct kgr_nid nids[2],
                                                     uint64_t generation, uint8_t side,
                                                     struct kgr_diag *diag);
/* kgr_ks_duplicates_count: exchanges of which the database holds a duplicate. */
KGR_MUST_CHECK enum kgr_error kgr_ks_duplicates_count(struct kgr_db *db, uint32_t *out,
                                                      struct kgr_diag *diag);
