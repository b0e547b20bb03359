/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/worker.h"

#include "agent/base/log.h"

/* Requests of one client before the next has its turn. */
#define MAX_REQUESTS_A_TURN 4

void kgr_worker_ring(struct kgr_worker *worker)
{
    if (atomic_exchange(&worker->bell, 1) == 0)
        kgr_futex_wake(&worker->bell);
}

static void take_arrivals(struct kgr_worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
    /* There is room: no more than KGR_RINGS_MAX are attached, and those that ended have been let go of. */
    while (w->num_arrivals > 0 && w->num_rings < KGR_RINGS_MAX)
        w->rings[w->num_rings++] = w->arrivals[--w->num_arrivals];
    (void)pthread_mutex_unlock(&w->lock);
}

static void drop_ended(struct kgr_worker *w)
{
    unsigned int kept = 0;

    for (unsigned int i = 0; i < w->num_rings; i++) {
        if (kgr_served_ring_is_over(w->rings[i]))
            kgr_served_ring_unref(w->rings[i]);
        else
            w->rings[kept++] = w->rings[i];
    }
    w->num_rings = kept;
}

/* What the loop wants. */
static void answer_bell(struct kgr_worker *w)
{
    if (atomic_load(&w->bell) == 0)
        return;
    atomic_store(&w->bell, 0);
    drop_ended(w);
    take_arrivals(w);
}

static bool serve_all(struct kgr_worker *w)
{
    bool served = false;

    for (unsigned int i = 0; i < w->num_rings; i++)
        for (unsigned int n = 0; n < MAX_REQUESTS_A_TURN; n++) {
            if (!kgr_served_ring_turn(w->rings[i]))
                break;
            served = true;
        }
    return served;
}

static bool is_wanted(void *arg)
{
    struct kgr_worker *w = arg;

    if (atomic_load(&w->bell) != 0)
        return true;
    for (unsigned int i = 0; i < w->num_rings; i++)
        if (kgr_served_ring_ready(w->rings[i]))
            return true;
    return false;
}

static void sleep_until_wanted(struct kgr_worker *w)
{
    struct kgr_futex_wait waits[KGR_RINGS_MAX + 1] = {{&w->bell, 0}};
    size_t num = 1;

    for (unsigned int i = 0; i < w->num_rings; i++) {
        uint32_t bits = kgr_served_ring_arm(w->rings[i]);

        if (bits != 0)
            waits[num++] = (struct kgr_futex_wait){kgr_served_ring_bell(w->rings[i]), bits};
    }
    if (!is_wanted(w)) {
        atomic_fetch_add_explicit(&w->num_sleeps, 1, memory_order_relaxed);
        if (!kgr_futex_wait_many(waits, num))
            kgr_futex_wait(&w->bell, 0, 1);
    }
    for (unsigned int i = 0; i < w->num_rings; i++)
        kgr_served_ring_disarm(w->rings[i]);
}

void *kgr_worker_run(void *arg)
{
    struct kgr_worker *w = arg;

    kgr_spin_init(&w->spin);
    while (!atomic_load(&w->stop)) {
        answer_bell(w);
        if (serve_all(w) || kgr_spin_wait(&w->spin, is_wanted, w))
            continue;
        sleep_until_wanted(w);
        kgr_spin_slept(&w->spin);
    }
    for (unsigned int i = 0; i < w->num_rings; i++)
        kgr_served_ring_unref(w->rings[i]);
    w->num_rings = 0;
    return NULL;
}
