/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* Bodies of notice and notice_ack: docs/protocol.md, section 5.1. */

/* The first three are the statuses of a pair in sync_ans too. */
enum kgr_notice_kind {
    KGR_NOTICE_ALLOWED = 1,
    KGR_NOTICE_REVOKED = 2,
    KGR_NOTICE_DENIED = 3,
    KGR_NOTICE_NODE_REVOKED = 4, /* the node that reads it */
};

struct kgr_notice {
    uint64_t word;
    uint8_t kind;
    uint64_t floor;      /* generations up to this one are revoked */
    struct kgr_nid peer; /* empty for NODE_REVOKED */
};
#define KGR_NOTICE_MAX (8 + 1 + 8 + 1 + KGR_NID_MAX)

KGR_MUST_CHECK enum kgr_error kgr_notice_decode(struct kgr_notice *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_notice_encode(struct kgr_wr *wr, const struct kgr_notice *in);
KGR_MUST_CHECK enum kgr_error kgr_notice_ack_decode(uint64_t *out_word, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_notice_ack_encode(struct kgr_wr *wr, uint64_t word);
