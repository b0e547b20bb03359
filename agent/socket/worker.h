/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/futex.h"
#include "agent/base/spin.h"
#include "agent/daemon/loop.h"
#include "agent/socket/ring.h"

/* The parts that workers.c, worker.c and ring.c share. */

#define KGR_RINGS_MAX         64 /* below KGR_FUTEX_MANY: one worker may have them all */
#define KGR_RINGS_MAX_PER_UID 32

struct kgr_worker {
    struct kgr_workers *workers;
    unsigned int index;
    pthread_t thread;
    bool started;
    _Atomic uint32_t bell; /* 1: look at what the loop wants; slept on */
    atomic_bool stop;
    /* Odd while a request is with the handler. */
    _Atomic uint64_t turn;
    _Atomic uint64_t num_requests, num_handed, num_sleeps;
    /* Guarded memory, owned: */
    uint8_t *in;  /* the request */
    uint8_t *out; /* the body of its reply */
    void *scratch;
    pthread_mutex_t lock; /* of arrivals */
    struct kgr_served_ring *arrivals[KGR_RINGS_MAX];
    unsigned int num_arrivals;
    /* The thread's own: */
    struct kgr_served_ring *rings[KGR_RINGS_MAX];
    unsigned int num_rings;
    struct kgr_spin spin;
};

/* On its way from a worker to the loop. */
struct kgr_handed {
    struct kgr_handed *next;
    struct kgr_served_ring *ring; /* holds a reference */
    bool breach;                  /* no request but the end of the ring */
    struct kgr_ipc_header header;
    size_t len;
    uint8_t body[];
};

struct kgr_retired {
    struct kgr_retired *next;
    kgr_loop_fn *fn;
    void *arg;
    uint64_t turns[KGR_WORKERS_MAX]; /* of each worker when it was retired */
};

struct kgr_workers {
    struct kgr_workers_options options;
    struct kgr_wakeup *wakeup;
    unsigned int num;
    struct kgr_worker worker[KGR_WORKERS_MAX];
    pthread_mutex_t lock; /* of the requests handed on */
    struct kgr_handed *first, *last;
    atomic_bool retiring; /* the loop waits for the end of a turn */
    /* The loop's own: */
    struct kgr_retired *retired, *last_retired;
    struct kgr_served_ring *rings[KGR_RINGS_MAX]; /* those that are not ended */
    uint64_t num_breaches;
};

/* kgr_worker_run is the thread. */
void *kgr_worker_run(void *arg);
/* kgr_worker_ring makes the worker look at what changed. Any thread. */
void kgr_worker_ring(struct kgr_worker *worker);
/* kgr_workers_hand takes item over for the loop. The workers' threads. */
void kgr_workers_hand(struct kgr_workers *workers, struct kgr_handed *item);
/* kgr_workers_attach finds a worker for ring: KGR_ERR_QUOTA. The loop's thread, as the next one. */
KGR_MUST_CHECK enum kgr_error kgr_workers_attach(struct kgr_workers *workers, uid_t uid,
                                                 struct kgr_served_ring *ring,
                                                 struct kgr_worker **out);
void kgr_workers_detach(struct kgr_workers *workers, const struct kgr_served_ring *ring);

uid_t kgr_served_ring_uid(const struct kgr_served_ring *ring);
struct kgr_worker *kgr_served_ring_worker(const struct kgr_served_ring *ring);
/* kgr_served_ring_take gives what a worker handed on to the ring's owner, unless heed is false: then it is forgotten. */
void kgr_served_ring_take(struct kgr_served_ring *ring, const struct kgr_handed *item, bool heed);
