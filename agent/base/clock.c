/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t kgr_clock_boot_ms(void)
{
    struct timespec ts;

    /* Fails only on a kernel older than 2.6.39 or with a bad pointer. */
    if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
        abort();
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t kgr_clock_wall_s(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
        abort();
    return (int64_t)ts.tv_sec;
}

void kgr_random(void *out, size_t len)
{
    uint8_t *p = out;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        /* An identifier or IV that is not random is worse than no process. */
        if (n <= 0)
            abort();
        p += n;
        len -= (size_t)n;
    }
}

void kgr_bucket_init(struct kgr_bucket *b, uint32_t rate, uint32_t burst, uint64_t now_ms)
{
    b->rate = rate;
    b->burst = burst;
    b->milli = (uint64_t)burst * 1000;
    b->last_ms = now_ms;
}

bool kgr_bucket_take(struct kgr_bucket *b, uint64_t now_ms)
{
    uint64_t full = (uint64_t)b->burst * 1000;

    if (now_ms > b->last_ms) {
        /* rate tokens a second are rate thousandths a millisecond. */
        uint64_t elapsed = now_ms - b->last_ms;
        uint64_t room = full - b->milli;

        if (b->rate != 0 && elapsed > room / b->rate)
            b->milli = full;
        else
            b->milli += elapsed * b->rate;
        b->last_ms = now_ms;
    }
    if (b->milli < 1000)
        return false;
    b->milli -= 1000;
    return true;
}
