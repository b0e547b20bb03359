/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/spin.h"

#include <sched.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/*
 * Waits that are longer than this, on the average, are slept; and no spin is longer: it is about what it costs to be woken on a
 * processor that has gone to sleep, so that we never lose much more than by sleeping at once.
 */
#define LONGEST_NS 50000u
/* How much one wait counts at most: after a long silence a few short waits are enough to spin again. */
#define COUNTED_NS 200000u
#define FIRST_NS   20000u /* what we expect before we know */
/* Where we expect less than SHORT, nobody is asked for SELFISH whether he wants the processor: to ask costs a system call. */
#define SHORT_NS   4000u
#define SELFISH_NS 2000u
/*
 * Between two looks at the clock somebody else had the processor for so long: not whom we wait for, who is quick, and he will want it
 * again. To sleep is better then, since who is woken is preferred to who only gave way.
 */
#define DISPLACED_NS 150000u
#define PAUSE_MIN_NS 4000000u
#define PAUSE_MAX_NS 512000000u
#define FORGOTTEN_NS 1000000000u

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
    *spin = (struct kgr_spin){.expected_ns = FIRST_NS};
    /* Of the machine, not those of this thread: whoever is bound to one still waits for somebody on another. */
    spin->never = sysconf(_SC_NPROCESSORS_ONLN) < 2;
}

static void learn(struct kgr_spin *spin, uint64_t waited_ns)
{
    uint32_t waited = waited_ns > COUNTED_NS ? COUNTED_NS : (uint32_t)waited_ns;

    spin->expected_ns -= spin->expected_ns / 8;
    spin->expected_ns += waited / 8;
}

/* Longer each time, as long as it goes on. */
static void pause_spinning(struct kgr_spin *spin, uint64_t now)
{
    bool again = spin->pause_ns != 0 && now - spin->pause_ns < FORGOTTEN_NS;

    spin->pause_len_ns = again ? 2 * spin->pause_len_ns : PAUSE_MIN_NS;
    if (spin->pause_len_ns > PAUSE_MAX_NS)
        spin->pause_len_ns = PAUSE_MAX_NS;
    spin->pause_ns = now + spin->pause_len_ns;
}

bool kgr_spin_wait(struct kgr_spin *spin, bool (*ready)(void *arg), void *arg)
{
    uint64_t now = now_ns();
    uint64_t selfish = spin->expected_ns < SHORT_NS ? now + SELFISH_NS : now;
    uint64_t end = now < spin->pause_ns ? selfish : now + LONGEST_NS;

    spin->began_ns = now;
    if (spin->never || spin->expected_ns > LONGEST_NS)
        return false;
    while (now < end) {
        uint64_t before = now;

        if (now < selfish)
            relax();
        else
            (void)sched_yield();
        if (ready(arg)) {
            learn(spin, now - spin->began_ns);
            return true;
        }
        now = now_ns();
        if (now - before > DISPLACED_NS) {
            pause_spinning(spin, now);
            break;
        }
    }
    return false;
}

void kgr_spin_slept(struct kgr_spin *spin)
{
    learn(spin, now_ns() - spin->began_ns);
}
