/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_MAX 65536u /* of any machine that we run on */

/* A page of this, which the kernel empties in every child. Part of the library, so that it goes with it. */
static uint8_t room[2 * PAGE_MAX];
static _Atomic uint32_t *word; /* NULL: the kernel cannot */

static void find_page(void)
{
    size_t len = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *page = room + (len - (uintptr_t)room % len) % len;

    if (len <= PAGE_MAX && madvise(page, len, MADV_WIPEONFORK) == 0)
        word = (_Atomic uint32_t *)(void *)page;
}

/* The next one: that of the process that we were forked from is known from its memory. */
static uint32_t make_mark(void)
{
    static atomic_uint last;
    uint32_t mark = 0;
    uint32_t next = atomic_fetch_add(&last, 1) + 1;

    return atomic_compare_exchange_strong(word, &mark, next) ? next : mark;
}

uint32_t kgr_process_mark(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint32_t mark;

    (void)pthread_once(&once, find_page);
    if (word == NULL)
        return (uint32_t)getpid();
    mark = atomic_load(word);
    return mark != 0 ? mark : make_mark();
}
