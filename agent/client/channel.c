/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/channel.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/process.h"
#include "agent/base/secret.h"
#include "agent/client/link.h"
#include "agent/client/reason.h"

/* Buffers that are kept for the next request. */
#define SPARE_MAX 4
/* After so many requests that suit a ring a client will go on: then it is worth its price. */
#define RING_AFTER 8

enum kgr_error kgr_channel_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (rc != 0)
        return KGR_ERR_NO_MEMORY;
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return rc == 0 ? KGR_OK : KGR_ERR_NO_MEMORY;
}

void kgr_channel_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
{
    uint64_t now = kgr_clock_boot_ms();
    uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
    struct timespec until;

    /* A condition cannot wait on CLOCK_BOOTTIME: what is left is added to the clock that it can. */
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left / 1000);
    until.tv_nsec += (long)(left % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(cond, lock, &until);
}

void kgr_channel_wipe(struct kgr_packet *packet)
{
    kgr_cleanse(packet->bytes, packet->len);
    packet->len = 0;
}

void kgr_channel_give_locked(struct kgr_channel *channel, struct kgr_packet *packet)
{
    kgr_channel_wipe(packet);
    if (channel->num_spare == SPARE_MAX) {
        free(packet);
        return;
    }
    packet->next = channel->spare;
    channel->spare = packet;
    channel->num_spare++;
}

struct kgr_packet *kgr_channel_take_locked(struct kgr_channel *channel)
{
    struct kgr_packet *packet = channel->spare;

    if (packet == NULL) {
        packet = malloc(sizeof(*packet));
        if (packet == NULL)
            return NULL;
    } else {
        channel->spare = packet->next;
        channel->num_spare--;
    }
    packet->next = NULL;
    packet->len = 0;
    return packet;
}

struct kgr_packet *kgr_channel_take_packet(struct kgr_channel *channel)
{
    struct kgr_packet *packet;

    (void)pthread_mutex_lock(&channel->lock);
    packet = kgr_channel_take_locked(channel);
    (void)pthread_mutex_unlock(&channel->lock);
    return packet;
}

void kgr_channel_give_packet(struct kgr_channel *channel, struct kgr_packet *packet)
{
    (void)pthread_mutex_lock(&channel->lock);
    kgr_channel_give_locked(channel, packet);
    (void)pthread_mutex_unlock(&channel->lock);
}

enum kgr_error kgr_channel_new(struct kgr_channel **out, const struct kgr_endpoint *endpoint)
{
    struct kgr_channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return KGR_ERR_NO_MEMORY;
    channel->process = kgr_process_mark();
    channel->endpoint = *endpoint;
    channel->next_serial = 1;
    atomic_init(&channel->fork_fd, -1);
    if (kgr_channel_cond_init(&channel->opened) != KGR_OK) {
        free(channel);
        return KGR_ERR_NO_MEMORY;
    }
    if (pthread_mutex_init(&channel->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&channel->opened);
        free(channel);
        return KGR_ERR_NO_MEMORY;
    }
    *out = channel;
    return KGR_OK;
}

bool kgr_channel_is_ours(const struct kgr_channel *channel)
{
    return channel->process == kgr_process_mark();
}

void kgr_channel_disown(struct kgr_channel *channel)
{
    struct kgr_connection connection;

    connection.fd = atomic_exchange(&channel->fork_fd, -1);
    connection.dev = channel->fork_dev;
    connection.ino = channel->fork_ino;
    kgr_connection_close(&connection);
}

void kgr_channel_free(struct kgr_channel *channel)
{
    bool ours;

    if (channel == NULL)
        return;
    ours = kgr_channel_is_ours(channel);
    if (!ours) {
        kgr_channel_disown(channel);
        /* Held when the process was forked: what it guards may be half-changed, so it is left. */
        if (pthread_mutex_trylock(&channel->lock) != 0)
            return;
        (void)pthread_mutex_unlock(&channel->lock);
        /* The requests on it were those of threads that do not exist here. */
        if (channel->link != NULL) {
            channel->link->connection.fd = -1;
            kgr_client_ring_free(channel->link->ring, true);
            channel->link->ring = NULL;
            channel->link->refs = 1;
        }
    }
    if (channel->link != NULL) {
        assert(channel->link->refs == 1);
        kgr_link_detach(channel, channel->link);
    }
    while (channel->spare != NULL) {
        struct kgr_packet *packet = channel->spare;

        channel->spare = packet->next;
        free(packet);
    }
    if (ours) {
        (void)pthread_mutex_destroy(&channel->lock);
        (void)pthread_cond_destroy(&channel->opened);
    }
    free(channel);
}

/* Opens a connection for the channel. Called with the lock held, which is free while it connects. */
static enum kgr_error open_link(struct kgr_channel *channel, uint64_t deadline_ms)
{
    struct kgr_link *link = calloc(1, sizeof(*link));
    enum kgr_error err;

    if (link == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    link->in = kgr_channel_take_locked(channel);
    if (link->in == NULL) {
        free(link);
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    }
    channel->opening = true;
    (void)pthread_mutex_unlock(&channel->lock);
    err = kgr_connection_open(&link->connection, &channel->endpoint, deadline_ms);
    (void)pthread_mutex_lock(&channel->lock);
    channel->opening = false;
    (void)pthread_cond_broadcast(&channel->opened);
    if (err != KGR_OK) {
        kgr_channel_give_locked(channel, link->in);
        free(link);
        return err;
    }
    link->refs = 1;
    link->next_id = 1;
    link->in_fd = -1;
    link->serial = channel->next_serial;
    channel->next_serial++;
    if (channel->next_serial == 0)
        channel->next_serial = 1;
    channel->link = link;
    channel->fork_dev = link->connection.dev;
    channel->fork_ino = link->connection.ino;
    atomic_store(&channel->fork_fd, link->connection.fd);
    return KGR_OK;
}

/* The channel's connection, with a ref for the caller. With the lock held. */
static enum kgr_error acquire_link(struct kgr_link **out, struct kgr_channel *channel,
                                   uint64_t deadline_ms)
{
    while (channel->link == NULL) {
        if (channel->opening) {
            if (kgr_clock_boot_ms() >= deadline_ms)
                return kgr_reason_set(KGR_ERR_TIMEOUT, "no connection to the agent at %s in time",
                                      channel->endpoint.path);
            kgr_channel_cond_wait(&channel->opened, &channel->lock, deadline_ms);
        } else {
            enum kgr_error err = open_link(channel, deadline_ms);

            if (err != KGR_OK)
                return err;
        }
    }
    channel->link->refs++;
    *out = channel->link;
    return KGR_OK;
}

static enum kgr_error entry_result(const struct kgr_entry *entry,
                                   const struct kgr_endpoint *endpoint)
{
    switch (entry->state) {
    case KGR_ENTRY_ANSWERED:
        return KGR_OK;
    case KGR_ENTRY_QUEUED:
    case KGR_ENTRY_SENT:
        return kgr_reason_set(KGR_ERR_TIMEOUT, "the agent at %s did not answer in time",
                              endpoint->path);
    case KGR_ENTRY_UNSENT:
        return kgr_reason_set(KGR_ERR_NO_AGENT, "the agent at %s closes every connection",
                              endpoint->path);
    case KGR_ENTRY_LOST:
    default:
        if (entry->err == KGR_ERR_CORRUPT)
            return kgr_reason_set(KGR_ERR_CORRUPT, "what the agent at %s sent is no reply",
                                  endpoint->path);
        return kgr_reason_set(entry->err, "the agent at %s went away before it answered",
                              endpoint->path);
    }
}

/* Asks the agent for a ring, once. With the lock held and a ref of link's, which stays the caller's. */
static void open_ring(struct kgr_channel *channel, struct kgr_link *link, uint64_t deadline_ms)
{
    const struct kgr_ipc_ring spoken = {KGR_LANE_VERSION, KGR_LANE_VERSION};
    struct kgr_exchange exchange = {.op = KGR_IPC_RING, .deadline_ms = deadline_ms};
    struct kgr_entry entry;
    struct kgr_wr wr;

    link->ring_state = KGR_RING_ASKED;
    exchange.packet = kgr_channel_take_locked(channel);
    if (exchange.packet == NULL || kgr_entry_init(&entry, &exchange) != KGR_OK) {
        if (exchange.packet != NULL)
            kgr_channel_give_locked(channel, exchange.packet);
        link->ring_state = KGR_RING_REFUSED;
        return;
    }
    kgr_wr_init(&wr, exchange.packet->bytes, sizeof(exchange.packet->bytes));
    kgr_wr_zero(&wr, KGR_IPC_HEADER_LEN);
    if (kgr_ipc_ring_encode(&wr, &spoken) == KGR_OK) {
        exchange.packet->len = wr.len;
        link->refs++;
        kgr_link_run(channel, link, &entry);
    }
    link->ring_state = KGR_RING_REFUSED;
    if (entry.state == KGR_ENTRY_ANSWERED && exchange.status == KGR_OK && entry.fd >= 0 &&
        kgr_client_ring_map(&link->ring, entry.fd, exchange.reply) == KGR_OK)
        link->ring_state = KGR_RING_OPEN;
    kgr_channel_give_locked(channel, exchange.packet);
    kgr_entry_deinit(&entry);
}

/* Which way the request is to go. With the lock held and a ref of link's. */
static enum kgr_way choose_way(struct kgr_channel *channel, struct kgr_link *link,
                               struct kgr_entry *entry)
{
    const struct kgr_exchange *exchange = entry->exchange;
    struct kgr_slice body = kgr_slice(exchange->packet->bytes + KGR_IPC_HEADER_LEN,
                                      exchange->packet->len - KGR_IPC_HEADER_LEN);

    if (!kgr_client_ring_suits(exchange->op))
        return KGR_BY_SOCKET;
    if (link->ring_state == KGR_RING_NONE && link->num_suited++ >= RING_AFTER)
        open_ring(channel, link, exchange->deadline_ms);
    if (link->ring_state != KGR_RING_OPEN)
        return KGR_BY_SOCKET;
    entry->route = kgr_client_ring_route(link->ring, exchange->op, body);
    return kgr_client_route_skips(entry->route) ? KGR_BY_SOCKET : KGR_BY_RING;
}

enum kgr_error kgr_channel_exchange(struct kgr_channel *channel, struct kgr_exchange *exchange)
{
    struct kgr_entry entry;
    uint32_t wanted = exchange->serial;
    enum kgr_error err = KGR_OK;
    int cancel = PTHREAD_CANCEL_ENABLE;

    if (kgr_entry_init(&entry, exchange) != KGR_OK)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    /* Others' lists point to our stack, and may wait for us to read: no leaving in between. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    (void)pthread_mutex_lock(&channel->lock);
    /* A connection that died while it was idle shows only when something is sent: hence twice. */
    for (int tries = 0; tries < 2 && entry.state == KGR_ENTRY_UNSENT; tries++) {
        struct kgr_link *link = NULL;

        if (wanted != 0 && (channel->link == NULL || channel->link->serial != wanted)) {
            err = kgr_reason_set(KGR_ERR_STATE, "the connection it was begun on is gone");
            break;
        }
        err = acquire_link(&link, channel, exchange->deadline_ms);
        if (err != KGR_OK)
            break;
        entry.way = choose_way(channel, link, &entry);
        exchange->serial = link->serial;
        kgr_link_run(channel, link, &entry);
    }
    (void)pthread_mutex_unlock(&channel->lock);
    (void)pthread_setcancelstate(cancel, &cancel);
    kgr_entry_deinit(&entry);
    return err != KGR_OK ? err : entry_result(&entry, &channel->endpoint);
}
