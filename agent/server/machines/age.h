/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/clock.h"

/*
 * KS time: seconds by which the KS measures ages and lifetimes (docs/protocol.md, section 6.3). Pure. It begins as
 * Unix time and then goes on by itself: by CLOCK_BOOTTIME while the host runs, over a reboot by the wall clock
 * within bounds. It never goes back, and a wall clock that jumps moves it by at most the bound.
 */
struct kgr_ks_age {
    uint64_t now_s; /* at boot_ms */
    uint64_t boot_ms;
};

/* What was stored beside a KS time, and what is the case now. */
struct kgr_ks_age_mark {
    uint8_t boot_id[KGR_BOOT_ID_LEN]; /* all zero: unknown */
    uint64_t boot_ms;
    int64_t wall_s;
};

/*
 * kgr_ks_age_start goes on from stored_s, which was the KS time at `then`; stored_s 0: the first start ever. Of the
 * time between, only what CLOCK_BOOTTIME shows is sure. What the wall clock shows more counts up to bound_s.
 */
void kgr_ks_age_start(struct kgr_ks_age *out, uint64_t stored_s, const struct kgr_ks_age_mark *then,
                      const struct kgr_ks_age_mark *now, uint64_t bound_s);
/* kgr_ks_age_now is the KS time at boot_ms of CLOCK_BOOTTIME. */
uint64_t kgr_ks_age_now(struct kgr_ks_age *age, uint64_t boot_ms);
