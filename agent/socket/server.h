/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/daemon/loop.h"
#include "agent/socket/access.h"
#include "agent/socket/workers.h"

/*
 * The serving side of the local protocol (docs/protocol.md, "Local protocol"): AF_UNIX SEQPACKET, one packet
 * one message, the hello first, requests pipelined, replies in any order. It knows the header of a
 * message and hello; every other operation goes to the owner's handler. One thread, the loop's.
 */
struct kgr_server;

/* Names a request for as long as it is unanswered. Copy it freely: it stays safe when the client is gone. */
struct kgr_call {
    uint32_t slot;
    uint32_t generation;
    uint64_t id;
};

struct kgr_server_request {
    struct kgr_call call;
    struct kgr_peercred peer;
    uint16_t op;           /* operation, as agent/wire/ipc.h numbers them */
    struct kgr_slice body; /* borrowed for the call of the handler */
};

/*
 * Handles a request: exactly one kgr_server_reply answers it, within the handler or later. Until then it
 * counts against its connection's max_in_flight.
 */
typedef void kgr_server_handler(void *arg, const struct kgr_server_request *request);

struct kgr_server_options {
    const char *path;           /* of the socket; copied */
    const char *node;           /* N_ID told in the hello; NULL or empty: none; borrowed */
    uint32_t max_conns;         /* in all; 0: 256 */
    uint32_t max_conns_per_uid; /* 0: 64; uid 0 and the daemon's own uid count as well */
    uint32_t max_in_flight;     /* unanswered requests of one connection; 0: 64 */
    uint32_t hello_timeout_ms;  /* 0: 5,000 */
    kgr_server_handler *handler;
    /* closed (may be NULL): the connection of these calls is gone, whatever is pending for it can be dropped. */
    void (*closed)(void *arg, uint32_t slot, uint32_t generation);
    /* access (NULL: kgr_access_default) decides who may connect. */
    bool (*access)(void *arg, const struct kgr_peercred *peer);
    void *arg; /* for all three */
    /* workers (may be NULL: no rings) serve the rings of clients; borrowed, stopped after the server is freed. */
    struct kgr_workers *workers;
};

struct kgr_server_stats {
    uint64_t accepted;
    uint64_t refused_access;
    uint64_t refused_quota;
    uint64_t malformed; /* connections closed for a breach of the protocol */
    uint64_t requests;
    uint32_t conns; /* now */
};

/*
 * kgr_server_new listens on path with mode 0660 and the group of the process. A socket left by a dead process
 * is replaced; one that somebody answers is KGR_ERR_BUSY; anything else at path is KGR_ERR_IO.
 */
KGR_MUST_CHECK enum kgr_error kgr_server_new(struct kgr_server **out, struct kgr_loop *loop,
                                             const struct kgr_server_options *options,
                                             struct kgr_diag *diag);
/* kgr_server_free closes every connection and removes the socket; accepts NULL. */
void kgr_server_free(struct kgr_server *server);

/*
 * kgr_server_reply answers call with status and body (copied). Without effect if the client has gone or
 * the call was answered before. A body longer than a packet allows is answered with KGR_ERR_TOO_LARGE.
 * The body of an error is what docs/protocol.md gives for it: mostly a text, see kgr_server_fail.
 */
void kgr_server_reply(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                      struct kgr_slice body);
/* kgr_server_fail answers call with an error and its reason for people (cut at 255 bytes; NULL: none). */
void kgr_server_fail(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                     const char *reason);
/* kgr_server_is_open tells whether the client of call is still there. */
bool kgr_server_is_open(const struct kgr_server *server, struct kgr_call call);

void kgr_server_stats(const struct kgr_server *server, struct kgr_server_stats *out);
