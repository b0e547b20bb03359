/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/channel.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/client/reason.h"

/* Buffers that are kept for the next request. */
#define SPARE_MAX 4
/* So many requests timed out on a connection without a late reply: a new connection is better. */
#define LOST_MAX (KGR_IPC_IN_FLIGHT / 2)

enum entry_state {
    ENTRY_QUEUED,
    ENTRY_SENT,
    ENTRY_ANSWERED,
    ENTRY_UNSENT, /* the connection broke first: it may be sent on another */
    ENTRY_LOST,   /* the connection broke, nobody knows whether the request was done */
};

/* A request on a link. Lives on its thread's stack for as long as it is in the link's list. */
struct entry {
    struct entry *next;
    struct kgr_exchange *exchange; /* borrowed */
    enum entry_state state;
    enum kgr_error err; /* why it is lost */
    uint32_t id;
    pthread_cond_t wake;
};

/* A connection and the requests on it. Freed when it is no longer the channel's and nobody is on it. */
struct link {
    struct kgr_connection connection;
    uint32_t serial;
    uint32_t next_id;
    unsigned int refs; /* the channel's and one for each request */
    bool broken;
    bool reading;          /* one of the requests' threads is outside of the lock, reading */
    unsigned int num_sent; /* entries in state ENTRY_SENT */
    unsigned int num_lost; /* requests that timed out and were not answered since */
    struct entry *entries; /* in the order they came */
    struct kgr_packet *in; /* owned: what the next reply is read into */
};

struct kgr_channel {
    pid_t pid; /* of the process that made it */
    struct kgr_endpoint endpoint;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t opened;
    bool opening;
    uint32_t next_serial;
    struct link *link; /* the present one, or NULL; holds one of its refs */
    struct kgr_packet *spare;
    unsigned int num_spare;
    /* A copy of link's connection that a forked child can read without the lock; fd -1: none. */
    _Atomic int fork_fd;
    dev_t fork_dev;
    ino_t fork_ino;
};

static enum kgr_error cond_init(pthread_cond_t *cond)
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

/* Waits until cond is signalled, or deadline_ms, or for no reason; the caller looks. */
static void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
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

static void wipe_packet(struct kgr_packet *packet)
{
    kgr_cleanse(packet->bytes, packet->len);
    packet->len = 0;
}

/* With the lock held. */
static void give_packet(struct kgr_channel *channel, struct kgr_packet *packet)
{
    wipe_packet(packet);
    if (channel->num_spare == SPARE_MAX) {
        free(packet);
        return;
    }
    packet->next = channel->spare;
    channel->spare = packet;
    channel->num_spare++;
}

/* With the lock held. */
static struct kgr_packet *take_packet(struct kgr_channel *channel)
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
    packet = take_packet(channel);
    (void)pthread_mutex_unlock(&channel->lock);
    return packet;
}

void kgr_channel_give_packet(struct kgr_channel *channel, struct kgr_packet *packet)
{
    (void)pthread_mutex_lock(&channel->lock);
    give_packet(channel, packet);
    (void)pthread_mutex_unlock(&channel->lock);
}

enum kgr_error kgr_channel_new(struct kgr_channel **out, const struct kgr_endpoint *endpoint)
{
    struct kgr_channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return KGR_ERR_NO_MEMORY;
    channel->pid = getpid();
    channel->endpoint = *endpoint;
    channel->next_serial = 1;
    atomic_init(&channel->fork_fd, -1);
    if (cond_init(&channel->opened) != KGR_OK) {
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
    return channel->pid == getpid();
}

void kgr_channel_disown(struct kgr_channel *channel)
{
    struct kgr_connection connection;

    connection.fd = atomic_exchange(&channel->fork_fd, -1);
    connection.dev = channel->fork_dev;
    connection.ino = channel->fork_ino;
    kgr_connection_close(&connection);
}

static void link_free(struct kgr_channel *channel, struct link *link)
{
    kgr_connection_close(&link->connection);
    give_packet(channel, link->in);
    free(link);
}

static void link_unref(struct kgr_channel *channel, struct link *link)
{
    link->refs--;
    if (link->refs == 0)
        link_free(channel, link);
}

/* New requests open another connection; those on this one stay there. */
static void link_detach(struct kgr_channel *channel, struct link *link)
{
    if (channel->link != link)
        return;
    channel->link = NULL;
    /* Before the descriptor can be closed: a child forked in between must not close another's. */
    atomic_store(&channel->fork_fd, -1);
    link_unref(channel, link);
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
            channel->link->refs = 1;
        }
    }
    if (channel->link != NULL) {
        assert(channel->link->refs == 1);
        link_detach(channel, channel->link);
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
    struct link *link = calloc(1, sizeof(*link));
    enum kgr_error err;

    if (link == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    link->in = take_packet(channel);
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
        give_packet(channel, link->in);
        free(link);
        return err;
    }
    link->refs = 1;
    link->next_id = 1;
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
static enum kgr_error acquire_link(struct link **out, struct kgr_channel *channel,
                                   uint64_t deadline_ms)
{
    while (channel->link == NULL) {
        if (channel->opening) {
            if (kgr_clock_boot_ms() >= deadline_ms)
                return kgr_reason_set(KGR_ERR_TIMEOUT, "no connection to the agent at %s in time",
                                      channel->endpoint.path);
            cond_wait_until(&channel->opened, &channel->lock, deadline_ms);
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

/* The connection is of no more use: everyone on it learns so. */
static void link_break(struct kgr_channel *channel, struct link *link, enum kgr_error err)
{
    if (link->broken)
        return;
    link->broken = true;
    for (struct entry *e = link->entries; e != NULL; e = e->next) {
        if (e->state == ENTRY_SENT) {
            e->state = ENTRY_LOST;
            e->err = err;
        } else if (e->state == ENTRY_QUEUED) {
            e->state = ENTRY_UNSENT;
        }
        (void)pthread_cond_signal(&e->wake);
    }
    link_detach(channel, link);
}

/* Sends what is queued, as far as it goes without waiting. */
static void link_flush(struct kgr_channel *channel, struct link *link)
{
    for (struct entry *e = link->entries; e != NULL && !link->broken; e = e->next) {
        struct kgr_packet *packet = e->exchange->packet;
        struct kgr_ipc_header header = {.op = e->exchange->op, .id = link->next_id};
        struct kgr_wr wr;
        enum kgr_error err;

        if (e->state != ENTRY_QUEUED)
            continue;
        if (link->num_sent + link->num_lost >= KGR_IPC_IN_FLIGHT)
            return;
        kgr_wr_init(&wr, packet->bytes, KGR_IPC_HEADER_LEN);
        kgr_ipc_header_encode(&wr, &header);
        err = kgr_connection_send(&link->connection, packet->bytes, packet->len);
        if (err == KGR_ERR_BUSY)
            return;
        if (err != KGR_OK) {
            link_break(channel, link, err);
            return;
        }
        e->id = link->next_id;
        e->state = ENTRY_SENT;
        link->next_id++;
        link->num_sent++;
    }
}

static bool link_has_queued(const struct link *link)
{
    if (link->num_sent + link->num_lost >= KGR_IPC_IN_FLIGHT)
        return false;
    for (const struct entry *e = link->entries; e != NULL; e = e->next)
        if (e->state == ENTRY_QUEUED)
            return true;
    return false;
}

/* Gives the packet in link->in to the request that it answers. */
static void link_deliver(struct kgr_channel *channel, struct link *link)
{
    struct kgr_packet *packet = link->in;
    struct kgr_ipc_header header;
    struct kgr_slice body;

    if (kgr_ipc_header_decode(&header, &body, kgr_slice(packet->bytes, packet->len)) != KGR_OK ||
        !header.reply) {
        link_break(channel, link, KGR_ERR_CORRUPT);
        return;
    }
    for (struct entry *e = link->entries; e != NULL; e = e->next) {
        if (e->state != ENTRY_SENT || e->id != header.id)
            continue;
        if (e->exchange->op != header.op) {
            link_break(channel, link, KGR_ERR_CORRUPT);
            return;
        }
        /* The buffer of the request, no longer needed, takes the next reply. */
        link->in = e->exchange->packet;
        wipe_packet(link->in);
        e->exchange->packet = packet;
        e->exchange->reply = body;
        e->exchange->status = header.status;
        e->state = ENTRY_ANSWERED;
        link->num_sent--;
        (void)pthread_cond_signal(&e->wake);
        return;
    }
    /* Its request timed out, or never was. */
    if (link->num_lost == 0) {
        link_break(channel, link, KGR_ERR_CORRUPT);
        return;
    }
    link->num_lost--;
    wipe_packet(packet);
}

/* Waits for something to read or, if requests are queued, to write, and does it. With the lock held. */
static void link_serve(struct kgr_channel *channel, struct link *link, uint64_t deadline_ms)
{
    short events = link_has_queued(link) ? POLLIN | POLLOUT : POLLIN;
    enum kgr_error err = KGR_ERR_BUSY;

    link->reading = true;
    (void)pthread_mutex_unlock(&channel->lock);
    if (kgr_connection_poll(&link->connection, events, deadline_ms))
        err = kgr_connection_receive(&link->connection, link->in->bytes, sizeof(link->in->bytes),
                                     &link->in->len);
    if (err == KGR_ERR_CORRUPT)
        link->in->len = sizeof(link->in->bytes); /* all of it is to be wiped */
    (void)pthread_mutex_lock(&channel->lock);
    link->reading = false;
    if (err == KGR_OK)
        link_deliver(channel, link);
    else if (err != KGR_ERR_BUSY)
        link_break(channel, link, err);
    link_flush(channel, link);
}

static void link_append(struct link *link, struct entry *entry)
{
    struct entry **at = &link->entries;

    while (*at != NULL)
        at = &(*at)->next;
    *at = entry;
}

/* Takes entry off the link, and finds a reader for those that stay. */
static void link_remove(struct kgr_channel *channel, struct link *link, struct entry *entry)
{
    struct entry **at = &link->entries;

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (entry->state == ENTRY_SENT && !link->broken) {
        link->num_sent--;
        link->num_lost++;
        if (link->num_lost >= LOST_MAX)
            link_detach(channel, link);
    }
    if (!link->reading && link->entries != NULL)
        (void)pthread_cond_signal(&link->entries->wake);
    link_unref(channel, link);
}

/* Puts the request on link and waits until it is answered, lost, unsent or out of time. */
static void link_run(struct kgr_channel *channel, struct link *link, struct entry *entry)
{
    uint64_t deadline_ms = entry->exchange->deadline_ms;

    link_append(link, entry);
    link_flush(channel, link);
    while (entry->state == ENTRY_QUEUED || entry->state == ENTRY_SENT) {
        if (kgr_clock_boot_ms() >= deadline_ms)
            break;
        if (link->reading)
            cond_wait_until(&entry->wake, &channel->lock, deadline_ms);
        else
            link_serve(channel, link, deadline_ms);
    }
    link_remove(channel, link, entry);
}

static enum kgr_error entry_result(const struct entry *entry, const struct kgr_endpoint *endpoint)
{
    switch (entry->state) {
    case ENTRY_ANSWERED:
        return KGR_OK;
    case ENTRY_QUEUED:
    case ENTRY_SENT:
        return kgr_reason_set(KGR_ERR_TIMEOUT, "the agent at %s did not answer in time",
                              endpoint->path);
    case ENTRY_UNSENT:
        return kgr_reason_set(KGR_ERR_NO_AGENT, "the agent at %s closes every connection",
                              endpoint->path);
    case ENTRY_LOST:
    default:
        if (entry->err == KGR_ERR_CORRUPT)
            return kgr_reason_set(KGR_ERR_CORRUPT, "what the agent at %s sent is no reply",
                                  endpoint->path);
        return kgr_reason_set(entry->err, "the agent at %s went away before it answered",
                              endpoint->path);
    }
}

enum kgr_error kgr_channel_exchange(struct kgr_channel *channel, struct kgr_exchange *exchange)
{
    struct entry entry = {.exchange = exchange, .state = ENTRY_UNSENT};
    uint32_t wanted = exchange->serial;
    enum kgr_error err = KGR_OK;
    int cancel = PTHREAD_CANCEL_ENABLE;

    if (cond_init(&entry.wake) != KGR_OK)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    /* Others' lists point to our stack, and may wait for us to read: no leaving in between. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    (void)pthread_mutex_lock(&channel->lock);
    /* A connection that died while it was idle shows only when something is sent: hence twice. */
    for (int tries = 0; tries < 2 && entry.state == ENTRY_UNSENT; tries++) {
        struct link *link = NULL;

        if (wanted != 0 && (channel->link == NULL || channel->link->serial != wanted)) {
            err = kgr_reason_set(KGR_ERR_STATE, "the connection it was begun on is gone");
            break;
        }
        err = acquire_link(&link, channel, exchange->deadline_ms);
        if (err != KGR_OK)
            break;
        entry.next = NULL;
        entry.state = ENTRY_QUEUED;
        exchange->serial = link->serial;
        link_run(channel, link, &entry);
    }
    (void)pthread_mutex_unlock(&channel->lock);
    (void)pthread_setcancelstate(cancel, &cancel);
    (void)pthread_cond_destroy(&entry.wake);
    return err != KGR_OK ? err : entry_result(&entry, &channel->endpoint);
}
