/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/attr.h"

/*
 * One connected and greeted socket (docs/protocol.md, "Local protocol"). Nothing here locks;
 * failures leave their words in the thread's reason.
 */
struct kgr_connection {
    int fd;    /* owned; -1: none */
    dev_t dev; /* of fd, to find out if somebody closed it under us */
    ino_t ino;
};

/* Whom to connect to, and as whom. */
struct kgr_endpoint {
    char path[108]; /* of the socket: what sun_path holds */
    char name[33];  /* of this program, for the agent's log */
};

/*
 * kgr_connection_open connects, checks who serves the socket and exchanges hellos, until deadline_ms
 * (of kgr_clock_boot_ms). Errors: KGR_ERR_NO_AGENT (nobody there, or not a user we trust),
 * KGR_ERR_NOT_AUTHORIZED (the socket's mode), KGR_ERR_TIMEOUT, KGR_ERR_VERSION, KGR_ERR_CORRUPT,
 * KGR_ERR_IO, or what the agent answered.
 */
KGR_MUST_CHECK enum kgr_error kgr_connection_open(struct kgr_connection *out,
                                                  const struct kgr_endpoint *endpoint,
                                                  uint64_t deadline_ms);

/* kgr_connection_close closes the socket if it is still ours. Idempotent. */
void kgr_connection_close(struct kgr_connection *connection);

/*
 * kgr_connection_is_ours: programs that close every descriptor they do not know may have closed ours,
 * and its number may name a file of theirs by now.
 */
bool kgr_connection_is_ours(const struct kgr_connection *connection);

/*
 * kgr_connection_owner_trusted: uid 0, our own effective uid and user `kgr` may serve us; whoever
 * else took the path would see our plaintext.
 */
bool kgr_connection_owner_trusted(uid_t uid);

/*
 * Neither of these waits: KGR_ERR_BUSY if they would have to. KGR_ERR_NO_AGENT: the other end is gone; then a
 * packet that was to be sent never reached it. KGR_ERR_CORRUPT: a packet longer than cap.
 */
KGR_MUST_CHECK enum kgr_error kgr_connection_send(const struct kgr_connection *connection,
                                                  const void *packet, size_t len);
/* out_fd (may be NULL: closed) gets the descriptor that came with the packet, the caller's then, or -1. */
KGR_MUST_CHECK enum kgr_error kgr_connection_receive(const struct kgr_connection *connection,
                                                     void *out, size_t cap, size_t *out_len,
                                                     int *out_fd);

/* kgr_connection_hang_up ends what the socket is waited for; it is still to be closed. */
void kgr_connection_hang_up(const struct kgr_connection *connection);

/* kgr_connection_poll waits for events (of poll) until deadline_ms; true if there is something to do. */
bool kgr_connection_poll(const struct kgr_connection *connection, short events,
                         uint64_t deadline_ms);
