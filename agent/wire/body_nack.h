/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"

/*
 * Body of frame 14 (docs/protocol.md, "nack"). For encoders and decoders see
 * agent/wire/body_registration.h.
 */

enum kgr_nack_reason {
    KGR_NACK_NOT_AUTHORIZED = 1,
    KGR_NACK_BUSY = 2,
    KGR_NACK_EXPIRED = 3,
    KGR_NACK_SUITE = 4,
    KGR_NACK_CUSTODY = 5,
    KGR_NACK_QUOTA = 6,
    KGR_NACK_GENERATION = 7,
    KGR_NACK_SUPERSEDED = 8,
    KGR_NACK_REVOKED = 9,
    KGR_NACK_ABORTED = 10,
};

struct kgr_nack {
    uint8_t type;           /* of the refused frame */
    uint64_t sequence;      /* of the refused frame */
    uint8_t reason;         /* enum kgr_nack_reason */
    uint32_t retry_after_s; /* with busy and quota, otherwise 0 */
    uint64_t generation;    /* concerned, or highest known; otherwise 0 */
};

KGR_MUST_CHECK enum kgr_error kgr_nack_encode(struct kgr_wr *wr, const struct kgr_nack *m);
KGR_MUST_CHECK enum kgr_error kgr_nack_decode(struct kgr_nack *out, struct kgr_slice body);

/* kgr_nack_error translates a reason to what applications are told; never KGR_OK. */
enum kgr_error kgr_nack_error(uint8_t reason);
/* kgr_nack_name returns the word of docs/protocol.md ("not_authorised") for logs. */
const char *kgr_nack_name(uint8_t reason);
