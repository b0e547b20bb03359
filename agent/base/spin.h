/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * A short wait that burns the processor, where that is cheaper than to sleep and be woken: only while waits have lately been
 * short, and while nobody else wants the processor. What it knows belongs to one thread at a time.
 */
struct kgr_spin {
    bool never;           /* one processor: whom we wait for cannot run meanwhile */
    uint32_t expected_ns; /* a running mean of waits */
    uint64_t began_ns;    /* the wait that is under way */
    uint64_t
        pause_ns; /* no spinning before, but for a moment: somebody else wanted the processor */
    uint64_t pause_len_ns;
};

/* kgr_spin_init asks how many processors there are. */
void kgr_spin_init(struct kgr_spin *spin);
/*
 * kgr_spin_wait begins a wait, and spins for as long as it is worth it: true once ready(arg); false: sleep now, look again
 * after that, and call kgr_spin_slept when there is something.
 */
KGR_MUST_CHECK bool kgr_spin_wait(struct kgr_spin *spin, bool (*ready)(void *arg), void *arg);
/* kgr_spin_slept ends a wait that spinning did not. */
void kgr_spin_slept(struct kgr_spin *spin);
