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
#include "agent/socket/tally.h"
#include "agent/socket/account.h"
#include "agent/socket/policy.h"
#include "agent/socket/principal.h"
#include "agent/socket/ticket.h"
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
    const char *path;          /* of the socket; copied */
    int listening;             /* it listens there already, for a service manager; 0: it does not */
    const char *node;          /* N_ID told in the hello; NULL or empty: none; borrowed */
    uint32_t max_conns;        /* in all; 0: 256 */
    uint32_t max_in_flight;    /* unanswered requests of one connection; 0: 64 */
    uint32_t hello_timeout_ms; /* 0: 5,000 */
    /* Of one user, uid 0 and the daemon's own as well; 0: 64 connections, 4,096 requests in flight. */
    struct kgr_account_limits limits;
    struct kgr_policy
        *policy; /* who may do what; counted by the server; NULL: kgr_access_default */
    kgr_server_handler *handler;
    /* closed (may be NULL): the connection of these calls is gone, whatever is pending for it can be dropped. */
    void (*closed)(void *arg, uint32_t slot, uint32_t generation);
    /* refused (may be NULL): somebody was refused when he connected, for why. */
    void (*refused)(void *arg, const struct kgr_peercred *peer, enum kgr_error err,
                    const char *why);
    void *arg; /* for all of them */
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
 * kgr_server_new listens on path with the group of the process and mode 0660, or 0666 if the policy names others. A socket left
 * by a dead process is replaced; one that somebody answers is KGR_ERR_BUSY; anything else at path is KGR_ERR_CONFIG. A socket
 * that is listening stays the caller's, with the file at path and its mode.
 */
KGR_MUST_CHECK enum kgr_error kgr_server_new(struct kgr_server **out, struct kgr_loop *loop,
                                             const struct kgr_server_options *options,
                                             struct kgr_diag *diag);
/* kgr_server_free closes every connection and removes the socket that it made; accepts NULL. */
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
/*
 * kgr_server_ticket lets another thread answer call; false: the client has gone. Whether it did or not, the loop ends the call, by
 * kgr_server_answered or a reply.
 */
KGR_MUST_CHECK bool kgr_server_ticket(struct kgr_server *server, struct kgr_call call,
                                      struct kgr_ticket *out);
void kgr_server_answered(struct kgr_server *server, struct kgr_call call);
/* kgr_server_is_open tells whether the client of call is still there. */
bool kgr_server_is_open(const struct kgr_server *server, struct kgr_call call);
/* kgr_server_principal borrows the user of the connection; NULL when it is gone. For requests that waited. */
struct kgr_principal *kgr_server_principal(const struct kgr_server *server, struct kgr_call call);
/*
 * kgr_server_set gives other rights and limits, to connections that stand too. All or none: KGR_ERR_NO_MEMORY. The owner looks
 * at what is pending anew.
 */
KGR_MUST_CHECK enum kgr_error kgr_server_set(struct kgr_server *server, struct kgr_policy *policy,
                                             const struct kgr_account_limits *limits);

void kgr_server_stats(const struct kgr_server *server, struct kgr_server_stats *out);
/* kgr_server_tally: the requests that were answered; those through rings are added by whoever answers them. */
struct kgr_tally *kgr_server_tally(struct kgr_server *server);
/* kgr_server_workers borrows those of the options; NULL: there are no rings. */
const struct kgr_workers *kgr_server_workers(const struct kgr_server *server);
