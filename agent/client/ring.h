/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/spin.h"
#include "agent/client/connection.h"
#include "agent/wire/lane.h"

/*
 * The client's end of the rings beside a connection (docs/protocol.md, 11.1). Nothing here locks: the owner lets one thread at a time send,
 * and one wait and take.
 */
#define KGR_CLIENT_RING_ROUTES 64

/* What was learned of an operation on a peer: whether a worker answers it. */
struct kgr_client_ring_route {
    uint16_t skip;   /* so many requests more take the socket */
    uint8_t by_loop; /* so many in a row were the loop's */
};

struct kgr_client_ring {
    struct kgr_shm shm;
    struct kgr_lane requests;
    struct kgr_lane replies;
    size_t last_len;      /* of what was sent last */
    struct kgr_spin spin; /* of who waits */
    _Atomic uint32_t nudged;
    struct kgr_client_ring_route routes[KGR_CLIENT_RING_ROUTES];
};

/* kgr_client_ring_suits: requests of op may come by a ring, and are answered faster there. */
bool kgr_client_ring_suits(uint16_t op);
/* kgr_client_ring_map maps what the agent sent with its reply; fd remains the caller's. */
KGR_MUST_CHECK enum kgr_error kgr_client_ring_map(struct kgr_client_ring **out, int fd,
                                                  struct kgr_slice reply);
/* kgr_client_ring_free accepts NULL. In a child of the process that mapped (forked) the memory is not there to be unmapped. */
void kgr_client_ring_free(struct kgr_client_ring *ring, bool forked);

/* kgr_client_ring_route finds what is known of op on the peer that body names. */
struct kgr_client_ring_route *kgr_client_ring_route(struct kgr_client_ring *ring, uint16_t op,
                                                    struct kgr_slice body);
/* kgr_client_route_skips: the next request on this route had better take the socket. Counts it. */
bool kgr_client_route_skips(struct kgr_client_ring_route *route);
/* kgr_client_route_learn: a request was answered by the loop, or by a worker. */
void kgr_client_route_learn(struct kgr_client_ring_route *route, bool by_loop);

/*
 * kgr_client_ring_send puts a packet into the ring and wakes the agent if it sleeps. KGR_ERR_BUSY: no room now;
 * KGR_ERR_CORRUPT: what stands in the ring cannot be.
 */
KGR_MUST_CHECK enum kgr_error kgr_client_ring_send(struct kgr_client_ring *ring,
                                                   struct kgr_slice packet);
/* kgr_client_ring_has_taken: the agent is done with the request after which the ring's requests.own was end. */
bool kgr_client_ring_has_taken(const struct kgr_client_ring *ring, uint32_t end);
/* kgr_client_ring_drop gives a reply's room back. */
void kgr_client_ring_drop(struct kgr_client_ring *ring, const struct kgr_lane_frame *frame);

/*
 * kgr_client_ring_wait waits for a reply or, if wants_room, until the agent has taken more than `its`, until deadline_ms. false: the
 * other end is gone; what it put into the ring before can still be read. Others may send meanwhile.
 */
KGR_MUST_CHECK bool kgr_client_ring_wait(struct kgr_client_ring *ring,
                                         const struct kgr_connection *connection, bool wants_room,
                                         uint32_t its, uint64_t deadline_ms);
/* kgr_client_ring_nudge makes a wait that is under way return, or the next one. Any thread. */
void kgr_client_ring_nudge(struct kgr_client_ring *ring);
