/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether a pair may have new keys, and of which kind. Pure. */

/* Numbers of nack, docs/protocol.md section 7. */
enum kgr_grant_reason {
    KGR_REASON_NOT_AUTHORIZED = 1,
    KGR_REASON_BUSY = 2,
    KGR_REASON_EXPIRED = 3,
    KGR_REASON_BAD_SUITE = 4,
    KGR_REASON_BAD_CUSTODY = 5,
    KGR_REASON_QUOTA = 6,
    KGR_REASON_BAD_GENERATION = 7,
    KGR_REASON_SUPERSEDED = 8,
    KGR_REASON_REVOKED = 9,
    KGR_REASON_ABORTED = 10,
};

/* The decision about a request. */
struct kgr_grant {
    uint8_t reason; /* 0: granted; otherwise the nack */
    uint32_t retry_after_s;
    uint8_t suite;
    uint8_t custody;
    uint32_t lifetime_s;
};

/* What two nodes can do and the AC accepts, for the choice of suite and custody. */
struct kgr_grant_parties {
    bool allowed;          /* the AC allows the pair */
    bool peer_ready;       /* the destined node is registered */
    bool held;             /* no key may be born now: a required source of entropy is not good */
    uint8_t suites[2];     /* masks: bit (suite - 1) */
    uint8_t custodies[2];  /* masks: bit 0 resident, bit 2 sealed */
    uint8_t min_suite;     /* 0: any */
    uint8_t min_custody;   /* 0: any, 1: resident, 2: mixed or better */
    uint8_t own_suites;    /* what this KS can make */
    uint8_t own_custodies; /* mask: bit (custody - 1) */
    uint32_t lifetime_s;
};
/*
 * kgr_grant_decide decides: the best suite and custody that both ends can do and all accept, or
 * the reason of a nack. An unknown peer and one that is not allowed look the same.
 */
struct kgr_grant kgr_grant_decide(const struct kgr_grant_parties *parties);
