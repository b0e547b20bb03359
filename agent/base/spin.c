/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/spin.h"

#include <sched.h>
#include <stddef.h>
#include <time.h>

/* Waits that are longer than this, on the average, are slept. */
#define LONGEST_NS 50000u
/* A wait that may be very short is spun for so long at least. */
#define SHORTEST_NS 3000u
/* How much one wait counts at most: after a long silence a few short waits are enough to spin again. */
#define COUNTED_NS 200000u
#define FIRST_NS   20000u /* what we expect before we know */
/* Until here nobody is asked whether he wants the processor: to ask costs a system call. */
#define SELFISH_NS 2000u
/*
 * Between two looks at the clock somebody else had the processor for so long: not whom we wait for, who is quick, and he will want it
 * again. To sleep is better then, since who is woken is preferred to who only gave way.
 */
#define DISPLACED_NS 150000u
#define PAUSE_NS     4000000u

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

void kgr_spin_init(struct kgr_spin *spin)
{
    cpu_set_t set;

    *spin = (struct kgr_spin){.expected_ns = FIRST_NS};
    spin->never = sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < 2;
}

static void learn(struct kgr_spin *spin, uint64_t waited_ns)
{
    uint32_t waited = waited_ns > COUNTED_NS ? COUNTED_NS : (uint32_t)waited_ns;

    spin->expected_ns -= spin->expected_ns / 8;
    spin->expected_ns += waited / 8;
}

bool kgr_spin_wait(struct kgr_spin *spin, bool (*ready)(void *arg), void *arg)
{
    uint64_t now = now_ns();
    uint64_t limit = 2 * (uint64_t)spin->expected_ns;

    spin->began_ns = now;
    if (spin->never || spin->expected_ns > LONGEST_NS || now < spin->pause_ns)
        return false;
    if (limit < SHORTEST_NS)
        limit = SHORTEST_NS;
    while (now - spin->began_ns < limit) {
        uint64_t before = now;

        if (now - spin->began_ns > SELFISH_NS)
            (void)sched_yield();
        else
            relax();
        if (ready(arg)) {
            learn(spin, now - spin->began_ns);
            return true;
        }
        now = now_ns();
        if (now - before > DISPLACED_NS) {
            spin->pause_ns = now + PAUSE_NS;
            break;
        }
    }
    return false;
}

void kgr_spin_slept(struct kgr_spin *spin)
{
    learn(spin, now_ns() - spin->began_ns);
}
