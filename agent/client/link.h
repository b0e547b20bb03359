/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/client/channel.h"
#include "agent/client/connection.h"
#include "agent/client/ring.h"

/* The parts that channel.c and link.c share. All of it is guarded by the channel's lock. */

enum kgr_entry_state {
    KGR_ENTRY_QUEUED,
    KGR_ENTRY_SENT,
    KGR_ENTRY_ANSWERED,
    KGR_ENTRY_UNSENT, /* the connection broke first: it may be sent on another */
    KGR_ENTRY_LOST,   /* the connection broke, nobody knows whether the request was done */
};

/* The two ways of a link. */
enum kgr_way { KGR_BY_SOCKET, KGR_BY_RING, KGR_NUM_WAYS };

/* A request on a link. Lives on its thread's stack for as long as it is in the link's list. */
struct kgr_entry {
    struct kgr_entry *next;
    struct kgr_exchange *exchange; /* borrowed */
    enum kgr_entry_state state;
    enum kgr_error err; /* why it is lost */
    enum kgr_way way;
    uint32_t id;
    uint32_t end; /* by ring: the index of requests after it */
    struct kgr_client_ring_route *route;
    int fd; /* owned; what came with the reply, -1: nothing */
    pthread_cond_t wake;
};

/* What is under way on one way. */
struct kgr_traffic {
    bool reading; /* one of the requests' threads is outside of the lock, waiting for replies */
    unsigned int num_sent; /* entries in state KGR_ENTRY_SENT */
    unsigned int num_lost; /* requests that timed out and were not answered since */
};

enum kgr_ring_state {
    KGR_RING_NONE,
    KGR_RING_ASKED, /* one of the threads asks for it */
    KGR_RING_OPEN,
    KGR_RING_REFUSED, /* the socket is all there is */
};

/* A connection and the requests on it. Freed when it is no longer the channel's and nobody is on it. */
struct kgr_link {
    struct kgr_connection connection;
    struct kgr_client_ring *ring; /* owned; not NULL when ring_state is open */
    enum kgr_ring_state ring_state;
    unsigned int num_suited; /* requests that a ring would have suited, until there is one */
    uint32_t serial;
    uint32_t next_id;
    unsigned int refs; /* the channel's and one for each request */
    bool broken;
    struct kgr_traffic traffic[KGR_NUM_WAYS];
    struct kgr_entry *entries; /* in the order they came */
    struct kgr_packet *in;     /* owned: what the next reply is read into, by socket */
    int in_fd;                 /* owned; what came with it, -1: nothing */
};

struct kgr_channel {
    uint32_t process; /* that made it: kgr_process_mark */
    struct kgr_endpoint endpoint;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t opened;
    bool opening;
    uint32_t next_serial;
    struct kgr_link *link; /* the present one, or NULL; holds one of its refs */
    struct kgr_packet *spare;
    unsigned int num_spare;
    /* A copy of link's connection that a forked child can read without the lock; fd -1: none. */
    _Atomic int fork_fd;
    dev_t fork_dev;
    ino_t fork_ino;
};

/* kgr_channel_cond_init: condition variables wait on CLOCK_MONOTONIC. */
KGR_MUST_CHECK enum kgr_error kgr_channel_cond_init(pthread_cond_t *cond);
/* kgr_channel_cond_wait waits until cond is signalled, or deadline_ms, or for no reason; the caller looks. */
void kgr_channel_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);
/* The packets of the channel, with its lock held. */
struct kgr_packet *kgr_channel_take_locked(struct kgr_channel *channel);
void kgr_channel_give_locked(struct kgr_channel *channel, struct kgr_packet *packet);

void kgr_channel_wipe(struct kgr_packet *packet);

/* kgr_entry_init: KGR_ERR_NO_MEMORY. deinit closes what came with the reply. */
KGR_MUST_CHECK enum kgr_error kgr_entry_init(struct kgr_entry *entry,
                                             struct kgr_exchange *exchange);
void kgr_entry_deinit(struct kgr_entry *entry);

/* kgr_link_detach: new requests open another connection; those on this one stay there. */
void kgr_link_detach(struct kgr_channel *channel, struct kgr_link *link);
/* kgr_link_run puts the request on link, gives up one of its refs, and waits until it is answered, lost, unsent or out of time. */
void kgr_link_run(struct kgr_channel *channel, struct kgr_link *link, struct kgr_entry *entry);
