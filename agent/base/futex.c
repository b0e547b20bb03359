/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Debian 12's headers have them all; the layout is the kernel's. */
#ifndef FUTEX_32
#define FUTEX_32 2
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

void kgr_futex_wait(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms)
{
    const struct timespec limit = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};

    (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

bool kgr_futex_wait_many(const struct kgr_futex_wait *waits, size_t num)
{
    struct waitv v[KGR_FUTEX_MANY];
    long rc;

    if (num == 0 || num > KGR_FUTEX_MANY)
        return false;
    for (size_t i = 0; i < num; i++)
        v[i] = (struct waitv){waits[i].value, (uint64_t)(uintptr_t)waits[i].word, FUTEX_32, 0};
    rc = syscall(SYS_futex_waitv, v, (unsigned int)num, 0, NULL, 0);
    return rc >= 0 || errno == EAGAIN || errno == EINTR;
}

bool kgr_futex_can_wait_many(void)
{
    _Atomic uint32_t word = 1;
    struct waitv v = {0, (uint64_t)(uintptr_t)&word, FUTEX_32, 0};

    /* The word has another value: it returns at once, if it can at all. */
    return syscall(SYS_futex_waitv, &v, 1u, 0, NULL, 0) < 0 && errno == EAGAIN;
}

void kgr_futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
