/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/daemon/loop.h"
#include "agent/socket/access.h"

/*
 * Crypto workers: threads that serve the shared-memory rings of clients (docs/protocol.md, 11.1) beside the loop. Each owns
 * some of the rings. Give them to a server in its options; without them a server has no rings, and its clients use the socket.
 *
 * The functions here belong to the loop's thread; the handler runs on the workers'.
 */
struct kgr_workers;

#define KGR_WORKERS_MAX 16
/* Without a wish no more than these: each takes 150 KB of guarded memory beside its scratch. */
#define KGR_WORKERS_UNASKED 8

/* A request that came through a ring. */
struct kgr_worker_request {
    unsigned int worker; /* index of the thread that calls: 0 to kgr_workers_num - 1 */
    void *
        scratch; /* the worker's own scratch_len bytes; keep their content from one request to the next */
    struct kgr_peercred peer; /* fd is -1 */
    uint32_t slot;            /* slot and generation of the connection, as in struct kgr_call */
    uint32_t generation;
    uint16_t op;
    /*
     * The worker's own copy in guarded memory: the client cannot change it any more, and the handler may, unless
     * its verdict is KGR_WORKER_LOOP. Wiped after the call.
     */
    uint8_t *body;
    size_t body_len;
};

enum kgr_worker_verdict {
    KGR_WORKER_DONE, /* status and reply answer it */
    KGR_WORKER_LOOP, /* the server's handler gets it on the loop's thread, and answers it as any other */
};

/*
 * Handles a request on the thread of a worker, and never waits. On KGR_WORKER_DONE *status (KGR_OK when it is not set) and
 * reply are the answer; reply is guarded memory of the worker's, room for the longest body, and wiped after the call. An error
 * is answered with the text of diag when nothing was written to reply.
 */
typedef enum kgr_worker_verdict kgr_worker_handler(void *arg,
                                                   const struct kgr_worker_request *request,
                                                   struct kgr_wr *reply, enum kgr_error *status,
                                                   struct kgr_diag *diag);

struct kgr_workers_options {
    unsigned int
        num; /* threads; 0: one for each core that we may use, at most KGR_WORKERS_UNASKED */
    size_t scratch_len; /* of each; zeroed guarded memory, 0: none */
    kgr_worker_handler *handler;
    void *arg;
};

struct kgr_workers_stats {
    uint64_t requests;  /* handled by the workers */
    uint64_t handed;    /* of these, handed on to the loop */
    uint64_t sleeps;    /* times that a worker went to sleep: an idle agent's do not grow */
    uint64_t breaches;  /* rings that ended because their client broke the rules */
    unsigned int rings; /* now */
};

/* kgr_workers_start: KGR_ERR_UNSUPPORTED where the kernel lacks what rings need, KGR_ERR_NO_MEMORY (the arena is full, too). */
KGR_MUST_CHECK enum kgr_error kgr_workers_start(struct kgr_workers **out, struct kgr_loop *loop,
                                                const struct kgr_workers_options *options,
                                                struct kgr_diag *diag);
/*
 * kgr_workers_stop ends the threads, runs what kgr_workers_retire holds, and frees. After the server that uses them was
 * freed; accepts NULL.
 */
void kgr_workers_stop(struct kgr_workers *workers);
unsigned int kgr_workers_num(const struct kgr_workers *workers);

/*
 * kgr_workers_retire calls fn(arg) on the loop's thread once no worker is in a request that began before this call: what
 * handlers could find until now, and those that begin from now on cannot, may be freed there. In the order of the calls, within
 * this call if nobody is in one. KGR_ERR_NO_MEMORY: fn will not be called.
 *
 *     publish the new snapshot by atomic_store; handlers atomic_load it, once
 *     kgr_workers_retire(workers, free_snapshot, old);
 */
KGR_MUST_CHECK enum kgr_error kgr_workers_retire(struct kgr_workers *workers, kgr_loop_fn *fn,
                                                 void *arg);
void kgr_workers_stats(const struct kgr_workers *workers, struct kgr_workers_stats *out);
