/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders.h"

#include <inttypes.h>
#include <string.h>

enum kgr_error kgr_orders_accept(struct kgr_orders *orders, const uint8_t self[32],
                                 const struct kgr_orders_claim *claim, uint64_t now_s,
                                 struct kgr_diag *diag)
{
    if (memcmp(claim->ks, self, sizeof claim->ks) != 0)
        return kgr_diag_set(diag, KGR_ERR_NOT_AUTHORIZED, "the order is for another KS");
    if (claim->expires_s <= now_s)
        return kgr_diag_set(diag, KGR_ERR_EXPIRED,
                            "the order has expired; compare the clocks of the AC and the KS");
    if (claim->expires_s - now_s > KGR_ORDERS_AHEAD_S)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "the order is good for longer than %u s; compare the clocks of the AC "
                            "and the KS",
                            KGR_ORDERS_AHEAD_S);
    if (claim->number <= orders->highest)
        return kgr_diag_set(diag, KGR_ERR_REPLAY,
                            "order %" PRIu64 " or a later one was accepted before", claim->number);
    orders->highest = claim->number;
    return KGR_OK;
}
