/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/workers.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/socket/worker.h"

_Static_assert(KGR_RINGS_MAX < KGR_FUTEX_MANY, "a worker sleeps on all of its rings at once");

/* From the workers to the loop */

void kgr_workers_hand(struct kgr_workers *workers, struct kgr_handed *item)
{
    bool first;

    (void)pthread_mutex_lock(&workers->lock);
    first = workers->first == NULL;
    item->next = NULL;
    if (first)
        workers->first = item;
    else
        workers->last->next = item;
    workers->last = item;
    (void)pthread_mutex_unlock(&workers->lock);
    if (first)
        kgr_wakeup_signal(workers->wakeup);
}

static void free_handed(struct kgr_handed *item)
{
    kgr_served_ring_unref(item->ring);
    kgr_cleanse(item->body, item->len);
    free(item);
}

static void take_handed(struct kgr_workers *workers, bool heed)
{
    struct kgr_handed *item;

    (void)pthread_mutex_lock(&workers->lock);
    item = workers->first;
    workers->first = workers->last = NULL;
    (void)pthread_mutex_unlock(&workers->lock);
    while (item != NULL) {
        struct kgr_handed *next = item->next;

        workers->num_breaches += item->breach ? 1 : 0;
        kgr_served_ring_take(item->ring, item, heed);
        free_handed(item);
        item = next;
    }
}

/* What no worker can still be looking at */

static bool has_passed(const struct kgr_workers *workers, const struct kgr_retired *r)
{
    for (unsigned int i = 0; i < workers->num; i++)
        if (r->turns[i] % 2 == 1 && atomic_load(&workers->worker[i].turn) == r->turns[i])
            return false;
    return true;
}

static void free_retired(struct kgr_workers *workers, bool all)
{
    while (workers->retired != NULL && (all || has_passed(workers, workers->retired))) {
        struct kgr_retired *r = workers->retired;

        workers->retired = r->next;
        r->fn(r->arg);
        free(r);
    }
    atomic_store(&workers->retiring, workers->retired != NULL);
}

enum kgr_error kgr_workers_retire(struct kgr_workers *workers, kgr_loop_fn *fn, void *arg)
{
    struct kgr_retired *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return KGR_ERR_NO_MEMORY;
    r->fn = fn;
    r->arg = arg;
    /* Before the turns are read: a worker whose turn ends after that sees it, and wakes us. */
    atomic_store(&workers->retiring, true);
    for (unsigned int i = 0; i < workers->num; i++)
        r->turns[i] = atomic_load(&workers->worker[i].turn);
    if (workers->retired != NULL)
        workers->last_retired->next = r;
    else
        workers->retired = r;
    workers->last_retired = r;
    free_retired(workers, false);
    return KGR_OK;
}

static void on_wakeup(void *arg)
{
    struct kgr_workers *workers = arg;

    take_handed(workers, true);
    free_retired(workers, false);
}

/* Rings */

enum kgr_error kgr_workers_attach(struct kgr_workers *workers, uid_t uid,
                                  struct kgr_served_ring *ring, struct kgr_worker **out)
{
    unsigned int load[KGR_WORKERS_MAX] = {0};
    struct kgr_served_ring **place = NULL;
    struct kgr_worker *w = &workers->worker[0];
    unsigned int of_uid = 0;

    for (unsigned int i = 0; i < KGR_RINGS_MAX; i++) {
        const struct kgr_served_ring *other = workers->rings[i];

        if (other == NULL) {
            place = &workers->rings[i];
            continue;
        }
        load[kgr_served_ring_worker(other)->index]++;
        of_uid += kgr_served_ring_uid(other) == uid ? 1 : 0;
    }
    if (place == NULL || of_uid >= KGR_RINGS_MAX_PER_UID)
        return KGR_ERR_QUOTA;
    for (unsigned int i = 1; i < workers->num; i++)
        if (load[i] < load[w->index])
            w = &workers->worker[i];
    (void)pthread_mutex_lock(&w->lock);
    /* Arrivals that ended before the worker woke up may still take their places. */
    if (w->num_arrivals == KGR_RINGS_MAX) {
        (void)pthread_mutex_unlock(&w->lock);
        return KGR_ERR_QUOTA;
    }
    *place = ring;
    *out = w;
    kgr_served_ring_ref(ring);
    w->arrivals[w->num_arrivals++] = ring;
    (void)pthread_mutex_unlock(&w->lock);
    kgr_worker_ring(w);
    return KGR_OK;
}

void kgr_workers_detach(struct kgr_workers *workers, const struct kgr_served_ring *ring)
{
    for (unsigned int i = 0; i < KGR_RINGS_MAX; i++)
        if (workers->rings[i] == ring)
            workers->rings[i] = NULL;
}

/* Start and stop */

static unsigned int count_cores(void)
{
    cpu_set_t set;
    int num = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return num < 1 ? 1 : num > KGR_WORKERS_UNASKED ? KGR_WORKERS_UNASKED : (unsigned int)num;
}

static enum kgr_error start_worker(struct kgr_workers *workers, unsigned int index)
{
    struct kgr_worker *w = &workers->worker[index];

    w->workers = workers;
    w->index = index;
    w->in = kgr_secret_alloc(KGR_IPC_PACKET_MAX);
    w->out = kgr_secret_alloc(KGR_IPC_PACKET_MAX);
    if (workers->options.scratch_len != 0)
        w->scratch = kgr_secret_alloc(workers->options.scratch_len);
    if (w->in == NULL || w->out == NULL ||
        (workers->options.scratch_len != 0 && w->scratch == NULL))
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&w->lock, NULL) != 0)
        return KGR_ERR_NO_MEMORY;
    if (pthread_create(&w->thread, NULL, kgr_worker_run, w) != 0) {
        (void)pthread_mutex_destroy(&w->lock);
        return KGR_ERR_NO_MEMORY;
    }
    w->started = true;
    return KGR_OK;
}

/* Signals are the loop's. */
static enum kgr_error start_all(struct kgr_workers *workers)
{
    enum kgr_error err = KGR_OK;
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned int i = 0; i < workers->num && err == KGR_OK; i++)
        err = start_worker(workers, i);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

enum kgr_error kgr_workers_start(struct kgr_workers **out, struct kgr_loop *loop,
                                 const struct kgr_workers_options *options, struct kgr_diag *diag)
{
    struct kgr_workers *workers;
    enum kgr_error err;

    if (!kgr_futex_can_wait_many())
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "rings need futex_waitv: Linux 5.16, and a filter that allows it");
    workers = calloc(1, sizeof(*workers));
    if (workers == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    workers->options = *options;
    workers->num = options->num == 0                ? count_cores()
                   : options->num > KGR_WORKERS_MAX ? KGR_WORKERS_MAX
                                                    : options->num;
    if (pthread_mutex_init(&workers->lock, NULL) != 0) {
        free(workers);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    }
    err = kgr_wakeup_new(&workers->wakeup, loop, on_wakeup, workers);
    if (err == KGR_OK)
        err = start_all(workers);
    if (err != KGR_OK) {
        kgr_workers_stop(workers);
        return kgr_diag_set(diag, err,
                            "crypto workers cannot start: memory, locked memory or threads");
    }
    *out = workers;
    return KGR_OK;
}

static void stop_worker(struct kgr_worker *w)
{
    if (w->started) {
        atomic_store(&w->stop, true);
        kgr_worker_ring(w);
        (void)pthread_join(w->thread, NULL);
        for (unsigned int i = 0; i < w->num_arrivals; i++)
            kgr_served_ring_unref(w->arrivals[i]);
        (void)pthread_mutex_destroy(&w->lock);
    }
    kgr_secret_free(w->in);
    kgr_secret_free(w->out);
    kgr_secret_free(w->scratch);
}

void kgr_workers_stop(struct kgr_workers *workers)
{
    if (workers == NULL)
        return;
    for (unsigned int i = 0; i < workers->num; i++)
        stop_worker(&workers->worker[i]);
    take_handed(workers, false);
    free_retired(workers, true);
    kgr_wakeup_free(workers->wakeup);
    (void)pthread_mutex_destroy(&workers->lock);
    free(workers);
}

unsigned int kgr_workers_num(const struct kgr_workers *workers)
{
    return workers->num;
}

void kgr_workers_stats(const struct kgr_workers *workers, struct kgr_workers_stats *out)
{
    *out = (struct kgr_workers_stats){.breaches = workers->num_breaches};
    for (unsigned int i = 0; i < workers->num; i++) {
        const struct kgr_worker *w = &workers->worker[i];

        out->requests += atomic_load_explicit(&w->num_requests, memory_order_relaxed);
        out->handed += atomic_load_explicit(&w->num_handed, memory_order_relaxed);
        out->sleeps += atomic_load_explicit(&w->num_sleeps, memory_order_relaxed);
    }
    for (unsigned int i = 0; i < KGR_RINGS_MAX; i++)
        out->rings += workers->rings[i] != NULL ? 1 : 0;
}
