/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/*
 * Bodies of the synchronisation: docs/protocol.md, section 5. The arrays are the caller's; a decoder
 * fills at most KGR_SYNC_PAGE_MAX entries of each.
 */
#define KGR_SYNC_PAGE_MAX 200

struct kgr_sync_peer {
    struct kgr_nid peer;
    uint64_t current; /* generation; 0: none */
    uint64_t highest;
};

struct kgr_sync_req {
    uint8_t nonce[KGR_NONCE_LEN];
    uint32_t epoch;
    uint16_t page;
    uint16_t num_peers;
    uint16_t num_open;
    struct kgr_sync_peer peers[KGR_SYNC_PAGE_MAX];
    uint8_t open[KGR_SYNC_PAGE_MAX][KGR_XID_LEN];
};

enum kgr_sync_status { KGR_SYNC_ALLOWED = 1, KGR_SYNC_REVOKED = 2, KGR_SYNC_DENIED = 3 };

struct kgr_sync_pair {
    struct kgr_nid peer;
    uint8_t status;
    uint64_t word;            /* number of the AC's last order about the pair */
    uint64_t floor;           /* generations up to this one are revoked */
    uint64_t generation;      /* last committed; 0: none, then suite and custody are 0 */
    uint64_t peer_generation; /* in force at the peer, as it said last; 0: unknown */
    uint32_t age_s;
    uint32_t lifetime_s;
    uint8_t suite;
    uint8_t custody;
};

enum kgr_sync_outcome {
    KGR_SYNC_UNKNOWN = 0,
    KGR_SYNC_OPEN = 1,
    KGR_SYNC_COMMITTED = 2,
    KGR_SYNC_ABORTED = 3,
};

struct kgr_sync_result {
    uint8_t xid[KGR_XID_LEN];
    uint8_t outcome;
    uint64_t generation;
};

struct kgr_sync_ans {
    uint8_t nonce[KGR_NONCE_LEN];
    uint32_t epoch;
    uint16_t page;
    uint16_t num_pages; /* at least 1 */
    uint32_t lease_s;
    uint32_t nksk_age_s;
    uint8_t rekey; /* KGR_REKEY_*: what the AC ordered */
    uint16_t num_pairs;
    uint16_t num_results;
    struct kgr_sync_pair pairs[KGR_SYNC_PAGE_MAX];
    struct kgr_sync_result results[KGR_SYNC_PAGE_MAX];
};

/* On failure out is undefined: these structures are large and live on the heap. */
KGR_MUST_CHECK enum kgr_error kgr_sync_req_decode(struct kgr_sync_req *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_sync_req_encode(struct kgr_wr *wr, const struct kgr_sync_req *in);
KGR_MUST_CHECK enum kgr_error kgr_sync_ans_decode(struct kgr_sync_ans *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_sync_ans_encode(struct kgr_wr *wr, const struct kgr_sync_ans *in);
