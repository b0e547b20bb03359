/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/body_registration.h"

/*
 * Bodies of the renewal of NKSK: docs/protocol.md, section 5.2. nksk_chal has the body of reg_chal, nksk_proof and
 * nksk_done that of reg_proof. Slices borrow the decoded input.
 */
struct kgr_nksk_req {
    struct kgr_nid node;
    uint8_t suites;    /* mask */
    uint8_t custodies; /* mask */
    uint8_t topic2[KGR_TOPIC_LEN];
    uint8_t nonce_n[KGR_NONCE_LEN];
    struct kgr_slice storage; /* TPMT_PUBLIC; empty: the storage key stays */
};

KGR_MUST_CHECK enum kgr_error kgr_nksk_req_decode(struct kgr_nksk_req *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_nksk_req_encode(struct kgr_wr *wr, const struct kgr_nksk_req *in);

#define KGR_NKSK_REQ_MAX                                                                           \
    (1 + KGR_NID_MAX + 2 + KGR_TOPIC_LEN + KGR_NONCE_LEN + 2 + KGR_WIRE_PUBLIC_MAX)
