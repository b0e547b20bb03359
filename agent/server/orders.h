/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * Which orders of the AC the KS takes (docs/protocol.md, section 9). Pure. The signature is verified
 * before; the owner persists the state in the transaction that carries the order out.
 */
#define KGR_ORDERS_AHEAD_S 3600u /* an order may be good for so long */

struct kgr_orders {
    uint64_t highest; /* number accepted */
};

struct kgr_orders_claim {
    uint8_t ks[32]; /* whom the order is for */
    uint64_t number;
    uint64_t expires_s; /* Unix time */
};

/*
 * kgr_orders_accept takes an order once. KGR_ERR_NOT_AUTHORIZED: for another KS; KGR_ERR_EXPIRED; KGR_ERR_INVALID: good
 * for too long; KGR_ERR_REPLAY: its number is not above the highest accepted. now_s is the wall clock.
 */
KGR_MUST_CHECK enum kgr_error kgr_orders_accept(struct kgr_orders *orders, const uint8_t self[32],
                                                const struct kgr_orders_claim *claim,
                                                uint64_t now_s, struct kgr_diag *diag);
