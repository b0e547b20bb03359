/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint64_t kgr_clock_boot_ns(void)
{
    struct timespec ts;

    /* Fails only on a kernel older than 2.6.39 or with a bad pointer. */
    if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
        abort();
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint64_t kgr_clock_boot_ms(void)
{
    return kgr_clock_boot_ns() / 1000000;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void kgr_clock_boot_id(uint8_t out[KGR_BOOT_ID_LEN])
{
    char text[2 * KGR_BOOT_ID_LEN + 4]; /* a UUID */
    size_t digits = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

    memset(out, 0, KGR_BOOT_ID_LEN);
    if (fd >= 0)
        (void)close(fd); /* only read */
    for (ssize_t i = 0; i < n && digits < (size_t)2 * KGR_BOOT_ID_LEN; i++) {
        int digit = hex_digit(text[i]);

        if (digit >= 0) {
            out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | digit);
            digits++;
        }
    }
    if (digits != (size_t)2 * KGR_BOOT_ID_LEN)
        memset(out, 0, KGR_BOOT_ID_LEN);
}

int64_t kgr_clock_wall_s(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
        abort();
    return (int64_t)ts.tv_sec;
}

int64_t kgr_clock_jump(struct kgr_clock_look *last, const struct kgr_clock_look *now)
{
    int64_t passed_s = (int64_t)((now->boot_ms - last->boot_ms) / 1000);
    int64_t jump_s = last->boot_ms == 0 ? 0 : now->wall_s - last->wall_s - passed_s;

    *last = *now;
    return jump_s > KGR_CLOCK_JUMP_S || jump_s < -KGR_CLOCK_JUMP_S ? jump_s : 0;
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
