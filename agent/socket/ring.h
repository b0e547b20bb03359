/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/socket/tally.h"
#include "agent/socket/workers.h"
#include "agent/wire/lane.h"

/*
 * The agent's end of the rings of one client (docs/protocol.md, 11.1). Its worker takes requests and answers them; those that
 * are for the loop go there, and come back by kgr_served_ring_reply. Its memory goes when the last of the connection, the
 * worker and the requests that are on their way to the loop has let go of it.
 */
struct kgr_served_ring;

struct kgr_served_ring_options {
    struct kgr_peercred peer; /* its principal is counted in while there are rings */
    uint32_t slot;
    uint32_t generation;
    uint32_t max_in_flight;
    struct kgr_tally
        *tally; /* of what workers answer by themselves; borrowed; NULL: nobody counts */
    enum kgr_door door;
    /*
     * On the loop's thread: a request that a worker handed on; body is borrowed for the call. It stands in the account of the
     * user, and the owner takes it out there when it was answered; false: it is not taken.
     */
    bool (*request)(void *arg, const struct kgr_ipc_header *header, struct kgr_slice body);
    /* On the loop's thread, once: the client broke the rules. */
    void (*breached)(void *arg);
    void *arg;
};

/* For the loop's thread. */

/*
 * kgr_served_ring_new makes the rings and gives them to a worker; *out_fd is for the client, the caller closes it.
 * KGR_ERR_QUOTA, KGR_ERR_NO_MEMORY, KGR_ERR_UNSUPPORTED.
 */
KGR_MUST_CHECK enum kgr_error kgr_served_ring_new(struct kgr_served_ring **out,
                                                  struct kgr_workers *workers,
                                                  const struct kgr_served_ring_options *options,
                                                  int *out_fd);
/* kgr_served_ring_end tells the client, and calls nothing of options any more. Accepts NULL. */
void kgr_served_ring_end(struct kgr_served_ring *ring);
/* kgr_served_ring_reply answers a request that was handed on. Any thread. */
void kgr_served_ring_reply(struct kgr_served_ring *ring, const struct kgr_ipc_header *header,
                           struct kgr_slice body);

/* For the worker's thread. */

/* kgr_served_ring_turn serves at most one request, or puts replies where there is room now: whether there was anything to do. */
bool kgr_served_ring_turn(struct kgr_served_ring *ring);
/* kgr_served_ring_ready: kgr_served_ring_turn would have something to do. */
bool kgr_served_ring_ready(struct kgr_served_ring *ring);
/* kgr_served_ring_arm says in the rings what is waited for, and tells it: 0: nothing that the client does. */
uint32_t kgr_served_ring_arm(struct kgr_served_ring *ring);
void kgr_served_ring_disarm(struct kgr_served_ring *ring);
_Atomic uint32_t *kgr_served_ring_bell(struct kgr_served_ring *ring);
/* kgr_served_ring_is_over: it ended or was broken; the worker lets go of it. */
bool kgr_served_ring_is_over(const struct kgr_served_ring *ring);

/* Any thread. */
void kgr_served_ring_ref(struct kgr_served_ring *ring);
void kgr_served_ring_unref(struct kgr_served_ring *ring);
