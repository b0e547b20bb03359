/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/retry.h"

uint64_t kgr_jitter_ms(uint64_t delay_ms, uint32_t random)
{
    uint64_t quarter = delay_ms / 4;

    return delay_ms - quarter + random % (2 * quarter + 1);
}

uint32_t kgr_retry_delay_ms(struct kgr_retry *retry, uint32_t random)
{
    uint32_t delay = KGR_RETRY_MAX_MS;

    if (retry->attempts < 6) /* 1, 2, 4, 8, 16, 32 s; then the limit */
        delay = KGR_RETRY_FIRST_MS << retry->attempts;
    if (retry->attempts < UINT32_MAX)
        retry->attempts++;
    return (uint32_t)kgr_jitter_ms(delay, random);
}

void kgr_retry_reset(struct kgr_retry *retry)
{
    retry->attempts = 0;
}
