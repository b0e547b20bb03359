/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/* Milliseconds of CLOCK_BOOTTIME: counts through suspend, jumps for nobody. */
uint64_t kgr_clock_boot_ms(void);
/* The same clock in nanoseconds. */
uint64_t kgr_clock_boot_ns(void);
#define KGR_BOOT_ID_LEN 16
/* kgr_clock_boot_id tells one boot of the host from another: within one, kgr_clock_boot_ms goes on. All zero: unknown. */
void kgr_clock_boot_id(uint8_t out[KGR_BOOT_ID_LEN]);
/* Seconds of CLOCK_REALTIME: shown and written, never decided on. */
int64_t kgr_clock_wall_s(void);
/* Both clocks at one moment; zeroed: none yet. */
struct kgr_clock_look {
    uint64_t boot_ms;
    int64_t wall_s;
};
/*
 * kgr_clock_jump tells by how many seconds the wall clock was set between the last look and now, which takes its place; 0 for less
 * than a minute: it is being kept. Pure.
 */
#define KGR_CLOCK_JUMP_S 60
int64_t kgr_clock_jump(struct kgr_clock_look *last, const struct kgr_clock_look *now);

/* kgr_random fills out from the kernel's generator; for identifiers, nonces and IVs. Aborts if the kernel has none. */
void kgr_random(void *out, size_t len);

/* A token bucket; pure, the caller brings the time. */
struct kgr_bucket {
    uint32_t rate;  /* tokens a second */
    uint32_t burst; /* most tokens held */
    uint64_t milli; /* thousandths of a token held */
    uint64_t last_ms;
};

void kgr_bucket_init(struct kgr_bucket *b, uint32_t rate, uint32_t burst, uint64_t now_ms);
/* kgr_bucket_take takes one token; false when there is none. */
KGR_MUST_CHECK bool kgr_bucket_take(struct kgr_bucket *b, uint64_t now_ms);
