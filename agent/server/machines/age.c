/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/age.h"

#include <stdbool.h>
#include <string.h>

static bool same_boot(const struct kgr_ks_age_mark *then, const struct kgr_ks_age_mark *now)
{
    static const uint8_t unknown[KGR_BOOT_ID_LEN];

    return memcmp(then->boot_id, now->boot_id, KGR_BOOT_ID_LEN) == 0 &&
           memcmp(now->boot_id, unknown, KGR_BOOT_ID_LEN) != 0 && now->boot_ms >= then->boot_ms;
}

static uint64_t elapsed_s(const struct kgr_ks_age_mark *then, const struct kgr_ks_age_mark *now,
                          uint64_t bound_s)
{
    uint64_t sure_s = now->boot_ms / 1000; /* since the boot, which came later */
    uint64_t most_s;
    uint64_t wall_s;

    if (same_boot(then, now))
        return (now->boot_ms - then->boot_ms) / 1000;
    if (now->wall_s <= then->wall_s)
        return sure_s;
    wall_s = (uint64_t)now->wall_s - (uint64_t)then->wall_s;
    most_s = sure_s > UINT64_MAX - bound_s ? UINT64_MAX : sure_s + bound_s;
    if (wall_s < sure_s)
        return sure_s;
    return wall_s < most_s ? wall_s : most_s;
}

void kgr_ks_age_start(struct kgr_ks_age *out, uint64_t stored_s, const struct kgr_ks_age_mark *then,
                      const struct kgr_ks_age_mark *now, uint64_t bound_s)
{
    out->boot_ms = now->boot_ms;
    if (stored_s == 0)
        out->now_s = now->wall_s > 0 ? (uint64_t)now->wall_s : 1;
    else
        out->now_s = stored_s + elapsed_s(then, now, bound_s);
}

uint64_t kgr_ks_age_now(struct kgr_ks_age *age, uint64_t boot_ms)
{
    if (boot_ms > age->boot_ms) {
        uint64_t s = (boot_ms - age->boot_ms) / 1000;

        age->now_s += s;
        age->boot_ms += s * 1000;
    }
    return age->now_s;
}
