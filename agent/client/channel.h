/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/client/connection.h"
#include "agent/wire/ipc.h"

/*
 * Requests of many threads over one connection and, for those that suit it, the ring beside it (agent/client/ring.h), which the
 * channel asks for once there have been some. Each thread queues its request and waits; one of those that
 * wait reads for all of them, hands replies to their owners, and passes the job on when it leaves. At
 * most KGR_IPC_IN_FLIGHT requests are unanswered at a time, the others wait their turn.
 *
 * A channel belongs to the process that made it: after fork the child makes its own
 * (kgr_channel_is_ours), because a mutex may have been held when it was copied.
 */
struct kgr_channel;

/* A message, first the request, then the reply. Its buffer comes from the channel and returns there. */
struct kgr_packet {
    struct kgr_packet *next;
    size_t len;
    uint8_t bytes[KGR_IPC_PACKET_MAX];
};

/* One request and its reply. */
struct kgr_exchange {
    struct kgr_packet *packet; /* in: the request, header included; out, on KGR_OK: the reply */
    uint16_t op;
    uint64_t deadline_ms; /* of kgr_clock_boot_ms */
    /*
     * in: the connection that it must travel on, as an earlier exchange told, or 0 for any;
     * out, on KGR_OK: the connection it travelled on.
     */
    uint32_t serial;
    uint32_t status;        /* out, on KGR_OK: that of the reply */
    struct kgr_slice reply; /* out, on KGR_OK: its body, in the packet */
};

/* kgr_channel_new does no I/O; endpoint is copied. */
KGR_MUST_CHECK enum kgr_error kgr_channel_new(struct kgr_channel **out,
                                              const struct kgr_endpoint *endpoint);

/*
 * kgr_channel_free accepts NULL. In a child of the process that made the channel, it closes the connection
 * and frees what it safely can.
 */
void kgr_channel_free(struct kgr_channel *channel);

/* kgr_channel_is_ours: this process made the channel, rather than one that it was forked from. */
bool kgr_channel_is_ours(const struct kgr_channel *channel);

/* kgr_channel_disown closes a child's copy of its parent's connection; the channel is only good for freeing then. */
void kgr_channel_disown(struct kgr_channel *channel);

/* kgr_channel_take_packet returns an empty packet, NULL without memory; give wipes it and takes it back. */
struct kgr_packet *kgr_channel_take_packet(struct kgr_channel *channel);
void kgr_channel_give_packet(struct kgr_channel *channel, struct kgr_packet *packet);

/*
 * kgr_channel_exchange sends a request and waits for its reply. It connects first where there is no connection, and
 * once again if the agent was gone before the request reached it.
 * Errors: those of kgr_connection_open; KGR_ERR_TIMEOUT (a reply that comes later is dropped);
 * KGR_ERR_NO_AGENT (the connection broke after the request was sent); KGR_ERR_CORRUPT (the agent sent what is no
 * reply); KGR_ERR_STATE (the connection asked for is gone). The packet remains the caller's in any case.
 */
KGR_MUST_CHECK enum kgr_error kgr_channel_exchange(struct kgr_channel *channel,
                                                   struct kgr_exchange *exchange);
