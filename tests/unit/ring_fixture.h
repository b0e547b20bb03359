/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/socket/server.h"

/*
 * A server with workers on a thread of its own. The operations are KGR_IPC_CIPHER and its like, as libkgr speaks them: what is
 * done with one is said by the peer that it names, and data comes back with every bit inverted.
 */
#define RING_PEER_WORKER "worker" /* answered by the worker */
#define RING_PEER_LOOP   "loop"   /* by the loop, at once */
#define RING_PEER_TICKET "ticket" /* by whom the loop gave a ticket */
#define RING_PEER_HELD   "held"   /* by the loop, when ring_fixture_release is called */
#define RING_PEER_ERROR  "error"  /* by the worker: STATE, "not now" */
#define RING_PEER_STUCK  "stuck"  /* by the worker, once `unstick` was posted */

#define RING_HELD_MAX 256

struct ring_fixture {
    char dir[64];
    char path[96];
    struct kgr_loop *loop;
    struct kgr_workers *workers;
    struct kgr_server *server;
    struct kgr_wakeup *errand; /* runs `run` on the loop's thread */
    void (*_Atomic run)(struct ring_fixture *f);
    sem_t ran;
    pthread_t thread;
    sem_t stuck, unstick;
    struct kgr_call held[RING_HELD_MAX];
    atomic_uint num_held;
    atomic_uint num_released; /* of all that were ever held */
    atomic_uint num_by_loop;  /* requests that the loop's handler saw */
    atomic_uint num_retired;
    struct kgr_server_stats server_stats;
    struct kgr_workers_stats stats;
};

/* ring_fixture_start serves; with num_workers 0 there are no rings. stop and start are an agent that goes and comes. */
void ring_fixture_init(struct ring_fixture *f);
void ring_fixture_start(struct ring_fixture *f, unsigned int num_workers);
void ring_fixture_stop(struct ring_fixture *f);
void ring_fixture_deinit(struct ring_fixture *f);

/* ring_fixture_do runs fn on the loop's thread and waits for it. */
void ring_fixture_do(struct ring_fixture *f, void (*fn)(struct ring_fixture *f));
/* These do: read both stats; answer all that is held, the last first. */
void ring_fixture_look(struct ring_fixture *f);
void ring_fixture_release(struct ring_fixture *f);
/* ring_fixture_await waits until `holds` says so, looking again and again; it gives up after 20 s, and the test fails. */
void ring_fixture_await(struct ring_fixture *f, bool (*holds)(struct ring_fixture *f));
