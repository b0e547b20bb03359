/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/link.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"

/* So many requests timed out on a connection without a late reply: a new connection is better. */
#define LOST_MAX (KGR_IPC_IN_FLIGHT / 2)

enum kgr_error kgr_entry_init(struct kgr_entry *entry, struct kgr_exchange *exchange)
{
    *entry = (struct kgr_entry){.exchange = exchange, .state = KGR_ENTRY_UNSENT, .fd = -1};
    return kgr_channel_cond_init(&entry->wake);
}

void kgr_entry_deinit(struct kgr_entry *entry)
{
    (void)pthread_cond_destroy(&entry->wake);
    if (entry->fd >= 0)
        (void)close(entry->fd);
    entry->fd = -1;
}

static void link_free(struct kgr_channel *channel, struct kgr_link *link)
{
    kgr_client_ring_free(link->ring, false);
    kgr_connection_close(&link->connection);
    if (link->in_fd >= 0)
        (void)close(link->in_fd);
    kgr_channel_give_locked(channel, link->in);
    free(link);
}

static void link_unref(struct kgr_channel *channel, struct kgr_link *link)
{
    link->refs--;
    if (link->refs == 0)
        link_free(channel, link);
}

void kgr_link_detach(struct kgr_channel *channel, struct kgr_link *link)
{
    if (channel->link != link)
        return;
    channel->link = NULL;
    /* Before the descriptor can be closed: a child forked in between must not close another's. */
    atomic_store(&channel->fork_fd, -1);
    link_unref(channel, link);
}

/* Whether the agent may have done what entry asked, when its link broke. */
static bool may_be_done(const struct kgr_link *link, const struct kgr_entry *entry)
{
    return entry->way == KGR_BY_SOCKET || kgr_client_ring_has_taken(link->ring, entry->end);
}

/* The connection is of no more use: everyone on it learns so. */
static void link_break(struct kgr_channel *channel, struct kgr_link *link, enum kgr_error err)
{
    if (link->broken)
        return;
    link->broken = true;
    for (struct kgr_entry *e = link->entries; e != NULL; e = e->next) {
        if (e->state == KGR_ENTRY_SENT && may_be_done(link, e)) {
            e->state = KGR_ENTRY_LOST;
            e->err = err;
        } else if (e->state == KGR_ENTRY_QUEUED || e->state == KGR_ENTRY_SENT) {
            e->state = KGR_ENTRY_UNSENT;
        }
        (void)pthread_cond_signal(&e->wake);
    }
    /* Those that wait outside of the lock come back. */
    if (link->traffic[KGR_BY_SOCKET].reading)
        kgr_connection_hang_up(&link->connection);
    if (link->traffic[KGR_BY_RING].reading)
        kgr_client_ring_nudge(link->ring);
    kgr_link_detach(channel, link);
}

static enum kgr_error link_send(struct kgr_link *link, struct kgr_entry *entry)
{
    struct kgr_packet *packet = entry->exchange->packet;
    struct kgr_ipc_header header = {.op = entry->exchange->op, .id = link->next_id};
    enum kgr_error err;
    struct kgr_wr wr;

    kgr_wr_init(&wr, packet->bytes, KGR_IPC_HEADER_LEN);
    kgr_ipc_header_encode(&wr, &header);
    if (entry->way == KGR_BY_SOCKET)
        return kgr_connection_send(&link->connection, packet->bytes, packet->len);
    err = kgr_client_ring_send(link->ring, kgr_slice(packet->bytes, packet->len));
    entry->end = link->ring->requests.own;
    return err;
}

static bool is_full(const struct kgr_traffic *traffic)
{
    return traffic->num_sent + traffic->num_lost >= KGR_IPC_IN_FLIGHT;
}

/* Sends what is queued, as far as it goes without waiting. */
static void link_flush(struct kgr_channel *channel, struct kgr_link *link)
{
    bool blocked[KGR_NUM_WAYS] = {is_full(&link->traffic[0]), is_full(&link->traffic[1])};

    for (struct kgr_entry *e = link->entries; e != NULL && !link->broken; e = e->next) {
        struct kgr_traffic *traffic = &link->traffic[e->way];
        enum kgr_error err;

        if (e->state != KGR_ENTRY_QUEUED || blocked[e->way])
            continue;
        err = link_send(link, e);
        if (err == KGR_ERR_BUSY) {
            blocked[e->way] = true;
            /* Who waits for replies had better wait for room as well. */
            if (e->way == KGR_BY_RING && traffic->reading)
                kgr_client_ring_nudge(link->ring);
            continue;
        }
        if (err != KGR_OK) {
            link_break(channel, link, err);
            return;
        }
        e->id = link->next_id;
        e->state = KGR_ENTRY_SENT;
        link->next_id++;
        traffic->num_sent++;
        blocked[e->way] = is_full(traffic);
    }
}

static bool link_has_queued(const struct kgr_link *link, enum kgr_way way)
{
    if (is_full(&link->traffic[way]))
        return false;
    for (const struct kgr_entry *e = link->entries; e != NULL; e = e->next)
        if (e->state == KGR_ENTRY_QUEUED && e->way == way)
            return true;
    return false;
}

/* The request that a reply which came this way answers. KGR_ERR_BUSY: nobody waits for it any more. */
static enum kgr_error link_find(struct kgr_link *link, enum kgr_way way,
                                const struct kgr_ipc_header *header, struct kgr_entry **out)
{
    struct kgr_traffic *traffic = &link->traffic[way];

    if (!header->reply)
        return KGR_ERR_CORRUPT;
    for (struct kgr_entry *e = link->entries; e != NULL; e = e->next) {
        if (e->state != KGR_ENTRY_SENT || e->id != header->id || e->way != way)
            continue;
        if (e->exchange->op != header->op)
            return KGR_ERR_CORRUPT;
        traffic->num_sent--;
        *out = e;
        return KGR_OK;
    }
    /* Its request timed out, or never was. */
    if (traffic->num_lost == 0)
        return KGR_ERR_CORRUPT;
    traffic->num_lost--;
    return KGR_ERR_BUSY;
}

static void answer(struct kgr_entry *entry, const struct kgr_ipc_header *header,
                   struct kgr_slice body)
{
    entry->exchange->reply = body;
    entry->exchange->status = header->status;
    entry->state = KGR_ENTRY_ANSWERED;
    (void)pthread_cond_signal(&entry->wake);
}

/* Gives the packet in link->in to the request that it answers. */
static void deliver_packet(struct kgr_channel *channel, struct kgr_link *link)
{
    struct kgr_packet *packet = link->in;
    struct kgr_entry *entry = NULL;
    struct kgr_ipc_header header;
    struct kgr_slice body;
    enum kgr_error err =
        kgr_ipc_header_decode(&header, &body, kgr_slice(packet->bytes, packet->len));

    err = err == KGR_OK ? link_find(link, KGR_BY_SOCKET, &header, &entry) : KGR_ERR_CORRUPT;
    if (err == KGR_OK) {
        /* The buffer of the request, no longer needed, takes the next reply. */
        link->in = entry->exchange->packet;
        entry->exchange->packet = packet;
        entry->fd = link->in_fd;
        link->in_fd = -1;
        answer(entry, &header, body);
    }
    if (link->in_fd >= 0)
        (void)close(link->in_fd);
    link->in_fd = -1;
    kgr_channel_wipe(link->in);
    if (err == KGR_ERR_CORRUPT)
        link_break(channel, link, err);
}

/* Waits for something to read or, if requests are queued, to write, and does it. With the lock held. */
static void serve_socket(struct kgr_channel *channel, struct kgr_link *link, uint64_t deadline_ms)
{
    short events = link_has_queued(link, KGR_BY_SOCKET) ? POLLIN | POLLOUT : POLLIN;
    enum kgr_error err = KGR_ERR_BUSY;

    link->traffic[KGR_BY_SOCKET].reading = true;
    (void)pthread_mutex_unlock(&channel->lock);
    if (kgr_connection_poll(&link->connection, events, deadline_ms))
        err = kgr_connection_receive(&link->connection, link->in->bytes, sizeof(link->in->bytes),
                                     &link->in->len, &link->in_fd);
    if (err == KGR_ERR_CORRUPT)
        link->in->len = sizeof(link->in->bytes); /* all of it is to be wiped */
    (void)pthread_mutex_lock(&channel->lock);
    link->traffic[KGR_BY_SOCKET].reading = false;
    if (err == KGR_OK)
        deliver_packet(channel, link);
    else if (err != KGR_ERR_BUSY)
        link_break(channel, link, err);
}

/* Gives a reply in the ring to the request that it answers. */
static enum kgr_error deliver_frame(struct kgr_link *link, const struct kgr_lane_frame *frame)
{
    struct kgr_slice bytes = kgr_slice(frame->bytes, frame->len);
    struct kgr_entry *entry = NULL;
    struct kgr_packet *packet;
    struct kgr_ipc_header header;
    struct kgr_slice body;
    enum kgr_error err = kgr_ipc_header_decode(&header, &body, bytes);

    err = err == KGR_OK ? link_find(link, KGR_BY_RING, &header, &entry) : KGR_ERR_CORRUPT;
    if (err != KGR_OK)
        return err;
    packet = entry->exchange->packet;
    if (packet->len > frame->len)
        kgr_cleanse(packet->bytes + frame->len, packet->len - frame->len);
    memcpy(packet->bytes, frame->bytes, frame->len);
    packet->len = frame->len;
    kgr_client_route_learn(entry->route, (frame->flags & KGR_LANE_BY_LOOP) != 0);
    answer(entry, &header, kgr_slice(packet->bytes + KGR_IPC_HEADER_LEN, body.len));
    return KGR_OK;
}

/* As serve_socket, for the ring. */
static void serve_ring(struct kgr_channel *channel, struct kgr_link *link, uint64_t deadline_ms)
{
    struct kgr_client_ring *ring = link->ring;
    bool wants_room = link_has_queued(link, KGR_BY_RING);
    uint32_t its = ring->requests.its;
    uint8_t *next = kgr_lane_next(&ring->requests);
    size_t len = ring->last_len;
    struct kgr_lane_frame frame;
    enum kgr_error err = KGR_OK;
    bool alive;

    link->traffic[KGR_BY_RING].reading = true;
    (void)pthread_mutex_unlock(&channel->lock);
    kgr_lane_warm(next, len);
    alive = kgr_client_ring_wait(ring, &link->connection, wants_room, its, deadline_ms);
    (void)pthread_mutex_lock(&channel->lock);
    link->traffic[KGR_BY_RING].reading = false;
    while ((err == KGR_OK || err == KGR_ERR_BUSY) && !link->broken) {
        err = kgr_lane_look(&ring->replies, &frame);
        if (err != KGR_OK)
            break;
        err = deliver_frame(link, &frame);
        kgr_client_ring_drop(ring, &frame);
    }
    if (err == KGR_ERR_CORRUPT)
        link_break(channel, link, err);
    else if (!alive)
        link_break(channel, link, KGR_ERR_NO_AGENT);
}

static void link_append(struct kgr_link *link, struct kgr_entry *entry)
{
    struct kgr_entry **at = &link->entries;

    while (*at != NULL)
        at = &(*at)->next;
    *at = entry;
}

/* Takes entry off the link, and finds a reader for those that stay. */
static void link_remove(struct kgr_channel *channel, struct kgr_link *link, struct kgr_entry *entry)
{
    struct kgr_traffic *traffic = &link->traffic[entry->way];
    struct kgr_entry **at = &link->entries;
    struct kgr_entry *next;

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (entry->state == KGR_ENTRY_SENT && !link->broken) {
        traffic->num_sent--;
        traffic->num_lost++;
        if (traffic->num_lost >= LOST_MAX)
            kgr_link_detach(channel, link);
    }
    next = link->entries;
    while (next != NULL && next->way != entry->way)
        next = next->next;
    if (!traffic->reading && next != NULL)
        (void)pthread_cond_signal(&next->wake);
    link_unref(channel, link);
}

void kgr_link_run(struct kgr_channel *channel, struct kgr_link *link, struct kgr_entry *entry)
{
    uint64_t deadline_ms = entry->exchange->deadline_ms;

    entry->next = NULL;
    entry->state = KGR_ENTRY_QUEUED;
    link_append(link, entry);
    link_flush(channel, link);
    while (entry->state == KGR_ENTRY_QUEUED || entry->state == KGR_ENTRY_SENT) {
        if (kgr_clock_boot_ms() >= deadline_ms)
            break;
        if (link->traffic[entry->way].reading) {
            kgr_channel_cond_wait(&entry->wake, &channel->lock, deadline_ms);
            continue;
        }
        if (entry->way == KGR_BY_RING)
            serve_ring(channel, link, deadline_ms);
        else
            serve_socket(channel, link, deadline_ms);
        link_flush(channel, link);
    }
    link_remove(channel, link, entry);
}
