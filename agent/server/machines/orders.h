/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * The order book: which orders of the AC the KS carries out, which it answers by what it decided before, and which it
 * refuses (docs/protocol.md, section 9.1). Pure. Who signed the order was found out before; the owner persists what
 * was accepted in the transaction that carries the order out.
 */
#define KGR_ORDERS_AHEAD_S 3600u /* an order may be good for so long */
#define KGR_ORDERS_KEPT    32u   /* orders whose results are kept */

/* Why an order is refused; also how refusals are told apart in the audit log. */
enum kgr_orders_reason {
    KGR_ORDERS_FINE,
    KGR_ORDERS_MALFORMED,
    KGR_ORDERS_FORGED,
    KGR_ORDERS_FORMER_KEY,
    KGR_ORDERS_OTHER_KS,
    KGR_ORDERS_REPLAY,
    KGR_ORDERS_EXPIRED,
    KGR_ORDERS_EXPIRY,
    KGR_ORDERS_NUM_REASONS
};

/* An order that was accepted. */
struct kgr_orders_entry {
    uint64_t number;
    uint8_t hash[32]; /* of the whole order */
    bool done;        /* its result is stored */
};

struct kgr_orders {
    uint64_t highest;                              /* number accepted */
    struct kgr_orders_entry kept[KGR_ORDERS_KEPT]; /* a ring */
    size_t num;                                    /* ever put into it */
};

struct kgr_orders_claim {
    uint8_t ks[32]; /* whom the order is for */
    uint8_t hash[32];
    uint64_t number;
    uint64_t expires_s; /* Unix time */
};

enum kgr_orders_verdict {
    KGR_ORDERS_CARRY_OUT,
    KGR_ORDERS_REPEAT, /* answer by the stored result */
    KGR_ORDERS_WAIT,   /* it is being carried out */
    KGR_ORDERS_REFUSE,
};

/*
 * kgr_orders_judge: an order to be carried out is in the book from now on. *out_reason is KGR_ORDERS_FINE unless the verdict
 * is KGR_ORDERS_REFUSE. now_s is the wall clock.
 */
KGR_MUST_CHECK enum kgr_orders_verdict
kgr_orders_judge(struct kgr_orders *orders, enum kgr_orders_reason *out_reason,
                 const uint8_t self[32], const struct kgr_orders_claim *claim, uint64_t now_s);
/* kgr_orders_done says that the result of an order is stored. */
void kgr_orders_done(struct kgr_orders *orders, uint64_t number);
/* kgr_orders_restore puts an order back whose result is stored, lowest number first. */
void kgr_orders_restore(struct kgr_orders *orders, uint64_t number, const uint8_t hash[32]);

/* The error that answers a refusal, and the words for it; static. */
enum kgr_error kgr_orders_error(enum kgr_orders_reason reason);
const char *kgr_orders_text(enum kgr_orders_reason reason);
/* A word or two for the log. */
const char *kgr_orders_word(enum kgr_orders_reason reason);
