/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * When to repeat a frame (docs/protocol.md, section 3.3): after 1 s, then twice as long each time up to
 * 60 s, each delay with a jitter of -25 % to +25 %. Pure: the caller brings time and randomness.
 */
#define KGR_RETRY_FIRST_MS 1000u
#define KGR_RETRY_MAX_MS   60000u

struct kgr_retry {
    uint32_t attempts; /* frames sent since the last reset */
};

/* kgr_retry_delay_ms returns the delay after the next attempt, and counts it. */
uint32_t kgr_retry_delay_ms(struct kgr_retry *retry, uint32_t random);
/* kgr_retry_reset starts again at the shortest delay. */
void kgr_retry_reset(struct kgr_retry *retry);
/* kgr_jitter_ms spreads delay_ms over -25 % to +25 % by the bits of random. */
uint64_t kgr_jitter_ms(uint64_t delay_ms, uint32_t random);
