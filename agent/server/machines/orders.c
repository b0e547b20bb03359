/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/orders.h"

#include <string.h>

static const struct {
    enum kgr_error err;
    const char *word;
    const char *text;
} reasons[KGR_ORDERS_NUM_REASONS] = {
    [KGR_ORDERS_FINE] = {KGR_OK, "fine", ""},
    [KGR_ORDERS_MALFORMED] = {KGR_ERR_CORRUPT, "malformed", "this is no order, or it was damaged"},
    [KGR_ORDERS_FORGED] = {KGR_ERR_NOT_AUTHORIZED, "forged",
                           "the order is not signed by the AC that this KS obeys"},
    [KGR_ORDERS_FORMER_KEY] = {KGR_ERR_NOT_AUTHORIZED, "former key",
                               "the order is signed by a key that the AC of this KS has no more"},
    [KGR_ORDERS_OTHER_KS] = {KGR_ERR_NOT_AUTHORIZED, "other KS", "the order is for another KS"},
    [KGR_ORDERS_REPLAY] = {KGR_ERR_REPLAY, "replay",
                           "the number of the order, or a later one, was accepted before"},
    [KGR_ORDERS_EXPIRED] = {KGR_ERR_EXPIRED, "expired",
                            "the order has expired; compare the clocks of the AC and the KS"},
    [KGR_ORDERS_EXPIRY] = {KGR_ERR_INVALID, "expiry",
                           "the order is good for longer than an hour; compare the clocks of the "
                           "AC and the KS"},
};

enum kgr_error kgr_orders_error(enum kgr_orders_reason reason)
{
    return reasons[reason].err;
}

const char *kgr_orders_text(enum kgr_orders_reason reason)
{
    return reasons[reason].text;
}

const char *kgr_orders_word(enum kgr_orders_reason reason)
{
    return reasons[reason].word;
}

static struct kgr_orders_entry *find(struct kgr_orders *orders, uint64_t number)
{
    size_t num = orders->num < KGR_ORDERS_KEPT ? orders->num : KGR_ORDERS_KEPT;

    for (size_t i = 0; i < num; i++)
        if (orders->kept[i].number == number)
            return &orders->kept[i];
    return NULL;
}

static void put(struct kgr_orders *orders, uint64_t number, const uint8_t *hash, bool done)
{
    struct kgr_orders_entry *entry = &orders->kept[orders->num++ % KGR_ORDERS_KEPT];

    entry->number = number;
    memcpy(entry->hash, hash, sizeof entry->hash);
    entry->done = done;
}

enum kgr_orders_verdict kgr_orders_judge(struct kgr_orders *orders,
                                         enum kgr_orders_reason *out_reason, const uint8_t self[32],
                                         const struct kgr_orders_claim *claim, uint64_t now_s)
{
    const struct kgr_orders_entry *known = find(orders, claim->number);

    *out_reason = KGR_ORDERS_FINE;
    if (memcmp(claim->ks, self, sizeof claim->ks) != 0)
        *out_reason = KGR_ORDERS_OTHER_KS;
    else if (known != NULL && memcmp(known->hash, claim->hash, sizeof claim->hash) == 0)
        return known->done ? KGR_ORDERS_REPEAT : KGR_ORDERS_WAIT;
    else if (claim->number <= orders->highest)
        *out_reason = KGR_ORDERS_REPLAY;
    else if (claim->expires_s <= now_s)
        *out_reason = KGR_ORDERS_EXPIRED;
    else if (claim->expires_s - now_s > KGR_ORDERS_AHEAD_S)
        *out_reason = KGR_ORDERS_EXPIRY;
    if (*out_reason != KGR_ORDERS_FINE)
        return KGR_ORDERS_REFUSE;
    orders->highest = claim->number;
    put(orders, claim->number, claim->hash, false);
    return KGR_ORDERS_CARRY_OUT;
}

void kgr_orders_done(struct kgr_orders *orders, uint64_t number)
{
    struct kgr_orders_entry *entry = find(orders, number);

    if (entry != NULL)
        entry->done = true;
}

void kgr_orders_restore(struct kgr_orders *orders, uint64_t number, const uint8_t hash[32])
{
    put(orders, number, hash, true);
}
