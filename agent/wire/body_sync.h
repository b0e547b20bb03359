/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/frame.h"

/*
 * Bodies of frames 5 and 6 (docs/protocol.md, "Sync"). The structs are about 20 kB: for the heap. For
 * encoders and decoders see agent/wire/body_registration.h.
 */

#define KGR_SYNC_ENTRIES_MAX 200 /* in each list of a page */

struct kgr_sync_peer {
    struct kgr_nid peer;
    uint64_t current; /* generation; 0: none */
    uint64_t highest; /* generation ever seen */
};

struct kgr_sync_req {
    uint8_t nonce[KGR_NONCE_LEN];
    uint32_t epoch;
    uint16_t page;
    uint16_t num_peers;
    uint16_t num_open;
    struct kgr_sync_peer peers[KGR_SYNC_ENTRIES_MAX];
    uint8_t open[KGR_SYNC_ENTRIES_MAX][KGR_XID_LEN];
};

KGR_MUST_CHECK enum kgr_error kgr_sync_req_encode(struct kgr_wr *wr, const struct kgr_sync_req *m);
KGR_MUST_CHECK enum kgr_error kgr_sync_req_decode(struct kgr_sync_req *out, struct kgr_slice body);

enum kgr_sync_status {
    KGR_SYNC_ALLOWED = 1,
    KGR_SYNC_REVOKED = 2,
};

struct kgr_sync_pair {
    struct kgr_nid peer;
    uint8_t status;      /* enum kgr_sync_status */
    uint64_t generation; /* last committed; 0: none */
    uint32_t age_s;
    uint32_t lifetime_s;
    uint8_t suite;   /* 0 without a generation */
    uint8_t custody; /* 0 without a generation */
};

enum kgr_sync_outcome_kind {
    KGR_OUTCOME_UNKNOWN = 0,
    KGR_OUTCOME_OPEN = 1,
    KGR_OUTCOME_COMMITTED = 2,
    KGR_OUTCOME_ABORTED = 3,
};

struct kgr_sync_outcome {
    uint8_t xid[KGR_XID_LEN];
    uint8_t outcome; /* enum kgr_sync_outcome_kind */
    uint64_t generation;
};

struct kgr_sync_ans {
    uint8_t nonce[KGR_NONCE_LEN];
    uint32_t epoch;
    uint16_t page;      /* below num_pages */
    uint16_t num_pages; /* at least 1 */
    uint32_t lease_s;
    uint16_t num_pairs;
    uint16_t num_outcomes;
    struct kgr_sync_pair pairs[KGR_SYNC_ENTRIES_MAX];
    struct kgr_sync_outcome outcomes[KGR_SYNC_ENTRIES_MAX];
};

KGR_MUST_CHECK enum kgr_error kgr_sync_ans_encode(struct kgr_wr *wr, const struct kgr_sync_ans *m);
KGR_MUST_CHECK enum kgr_error kgr_sync_ans_decode(struct kgr_sync_ans *out, struct kgr_slice body);
