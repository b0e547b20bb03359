/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/daemon/loop.h"
#include "agent/socket/tally.h"
#include "agent/socket/outlet.h"
#include "agent/socket/ring.h"
#include "agent/socket/workers.h"

/*
 * One client: its packets, its hello, what it has asked and what it has not yet taken. Reading stops while
 * unanswered requests and untaken replies together reach max_in_flight, so that a client that does not read
 * makes us hold no more than that many packets.
 */
struct kgr_connection;

struct kgr_connection_options {
    uint32_t max_in_flight;
    uint32_t hello_timeout_ms;
    enum kgr_error refusal; /* not KGR_OK: hello is answered by it and `why`, and that is the end */
    struct kgr_diag why;
    const char *node; /* N_ID told in the hello, may be empty; borrowed */
    uint8_t
        *scratch; /* KGR_IPC_PACKET_MAX + 1 bytes, borrowed, shared by connections of one thread */
    struct kgr_tally *tally; /* borrowed; NULL: nobody counts */
    /* For the rings of the client (agent/socket/ring.h), which it may ask for. */
    struct kgr_workers *workers; /* NULL: there are none; borrowed */
    struct kgr_peercred peer;
    uint32_t slot;
    uint32_t generation;
    /*
     * body is borrowed for the call. Answer by kgr_connection_reply with call, now or later. counted: it came through the ring,
     * and stands in the account of its user already.
     */
    void (*request)(void *arg, uint64_t call, uint16_t op, struct kgr_slice body, bool counted);
    /* The client is gone, or was sent away as malformed. The owner frees the connection in this call. */
    void (*ended)(void *arg, bool malformed);
    void *arg;
};

/* kgr_connection_new takes fd when it succeeds. options is copied. */
KGR_MUST_CHECK enum kgr_error kgr_connection_new(struct kgr_connection **out, struct kgr_loop *loop,
                                                 int fd,
                                                 const struct kgr_connection_options *options);
/* kgr_connection_free closes and wipes what was not sent; accepts NULL. */
void kgr_connection_free(struct kgr_connection *conn);

/* kgr_connection_door: what the client calls itself. */
enum kgr_door kgr_connection_door(const struct kgr_connection *conn);
/* kgr_connection_num_pending: calls that are not answered. */
uint32_t kgr_connection_num_pending(const struct kgr_connection *conn);

/*
 * kgr_connection_reply answers a call with status and body (copied); false, and without effect, when it was answered
 * before. An error without a body gets an empty text. Never calls ended: that comes from the loop.
 */
bool kgr_connection_reply(struct kgr_connection *conn, uint64_t call, enum kgr_error status,
                          struct kgr_slice body);
/*
 * kgr_connection_lend is for a call that another thread may answer: it tells the header of the reply, and what to send it by (the ring
 * if out_ring is not NULL, else the outlet), both of which the caller releases. The call counts no more here (kgr_connection_num_pending, and what kgr_connection_reply returns);
 * kgr_connection_answered or a reply ends it. false: it was answered, or nothing can be sent.
 */
KGR_MUST_CHECK bool kgr_connection_lend(struct kgr_connection *conn, uint64_t call,
                                        struct kgr_outlet **out_outlet,
                                        struct kgr_served_ring **out_ring,
                                        struct kgr_ipc_header *out_header);
void kgr_connection_answered(struct kgr_connection *conn, uint64_t call);
