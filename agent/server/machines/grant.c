/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/grant.h"

static struct kgr_grant deny(uint8_t reason, uint32_t retry_after_s)
{
    return (struct kgr_grant){.reason = reason, .retry_after_s = retry_after_s};
}

struct kgr_grant kgr_grant_decide(const struct kgr_grant_parties *parties)
{
    const uint8_t resident = 1u << 0, sealed = 1u << 2; /* masks of what a node can do */
    uint8_t common = parties->suites[0] & parties->suites[1] & parties->own_suites;
    uint8_t suite = 0, custody;

    if (!parties->allowed)
        return deny(KGR_REASON_NOT_AUTHORIZED, 0);
    if (!parties->peer_ready)
        return deny(KGR_REASON_BUSY, 15);
    if (parties->held)
        return deny(KGR_REASON_BUSY, 5);
    for (uint8_t s = 1; s <= 8; s++)
        if ((common & (1u << (s - 1))) != 0 && s >= parties->min_suite)
            suite = s;
    if (suite == 0)
        return deny(KGR_REASON_BAD_SUITE, 0);
    if ((parties->custodies[0] & parties->custodies[1] & parties->own_custodies & resident) != 0)
        custody = 1;
    else if (((parties->custodies[0] | parties->custodies[1]) & resident) != 0)
        custody = 2;
    else
        custody = 3;
    if ((parties->custodies[0] & (resident | sealed)) == 0 ||
        (parties->custodies[1] & (resident | sealed)) == 0 ||
        (parties->own_custodies & (1u << (custody - 1))) == 0 ||
        (parties->min_custody != 0 && custody > parties->min_custody))
        return deny(KGR_REASON_BAD_CUSTODY, 0);
    return (struct kgr_grant){
        .suite = suite, .custody = custody, .lifetime_s = parties->lifetime_s};
}
