/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/client/call.h"
#include "agent/client/client.h"
#include "agent/client/connection.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_data.h"

/*
 * A subscription has a connection to itself. One request for an event is always under way, so the descriptor is
 * readable exactly when there is an event to read.
 */
#define PACKET_MAX 1024 /* more than an event, or a refusal, needs */

struct kgr_events {
    struct kgr_connection connection; /* owned */
    uint32_t last_id;                 /* of the last request */
    uint16_t op;                      /* likewise */
    bool asked;                       /* it is not answered yet */
};

static enum kgr_error send_request(struct kgr_events *events, uint16_t op, struct kgr_slice peer)
{
    uint8_t packet[PACKET_MAX];
    struct kgr_ipc_header header = {.op = op, .id = events->last_id + 1};
    struct kgr_wr wr;
    enum kgr_error err = KGR_OK;

    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    if (op == KGR_IPC_SUBSCRIBE)
        err = kgr_ipc_subscribe_encode(&wr, peer);
    if (err == KGR_OK)
        err = kgr_connection_send(&events->connection, packet, wr.len);
    /* There is never more than one packet under way: the socket has room, unless memory is short. */
    if (err == KGR_ERR_BUSY)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    if (err != KGR_OK)
        return kgr_reason_set(KGR_ERR_NO_AGENT, "the agent went away");
    events->last_id++;
    events->op = op;
    events->asked = true;
    return KGR_OK;
}

/* Waits for the answer to the request under way; *out_body borrows packet. */
static enum kgr_error await_reply(struct kgr_events *events, uint8_t *packet, uint64_t deadline_ms,
                                  struct kgr_slice *out_body)
{
    struct kgr_ipc_header header;
    char text[KGR_IPC_TEXT_MAX + 1];
    size_t len = 0;
    enum kgr_error err;

    do {
        if (!kgr_connection_poll(&events->connection, POLLIN, deadline_ms))
            return kgr_reason_set(KGR_ERR_TIMEOUT, "no event in time");
        err = kgr_connection_receive(&events->connection, packet, PACKET_MAX, &len, NULL);
    } while (err == KGR_ERR_BUSY);
    if (err == KGR_ERR_NO_AGENT)
        return kgr_reason_set(err, "the agent went away");
    if (err != KGR_OK ||
        kgr_ipc_header_decode(&header, out_body, kgr_slice(packet, len)) != KGR_OK ||
        !header.reply || header.id != events->last_id || header.op != events->op)
        return kgr_call_check(KGR_ERR_CORRUPT);
    events->asked = false;
    if (header.status == KGR_OK)
        return KGR_OK;
    if (kgr_ipc_error_decode(text, *out_body) != KGR_OK)
        return kgr_call_check(KGR_ERR_CORRUPT);
    return kgr_reason_take(header.status < KGR_ERR_COUNT ? (enum kgr_error)header.status
                                                         : KGR_ERR_FAILED,
                           text, strlen(text));
}

static enum kgr_error subscribe(struct kgr_events *events, struct kgr_slice peer,
                                uint64_t deadline_ms)
{
    uint8_t packet[PACKET_MAX];
    struct kgr_slice body;
    enum kgr_error err = send_request(events, KGR_IPC_SUBSCRIBE, peer);

    if (err == KGR_OK)
        err = await_reply(events, packet, deadline_ms, &body);
    if (err == KGR_OK && body.len != 0)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK)
        err = send_request(events, KGR_IPC_EVENT, peer);
    return err;
}

KGR_EXPORT enum kgr_error kgr_events_open(struct kgr_client *client, struct kgr_events **out,
                                          const char *peer)
{
    struct kgr_slice filter = kgr_slice(NULL, 0);
    struct kgr_events *events;
    struct kgr_nid nid;
    uint64_t deadline_ms;
    enum kgr_error err;

    if (client == NULL || out == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no client");
    if (peer != NULL) {
        err = kgr_call_peer(&nid, peer);
        if (err != KGR_OK)
            return err;
        filter = kgr_slice(nid.s, strlen(nid.s));
    }
    events = calloc(1, sizeof(*events));
    if (events == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    deadline_ms = kgr_clock_boot_ms() + (uint64_t)kgr_client_timeout_ms(client);
    events->connection.fd = -1;
    err = kgr_connection_open(&events->connection, kgr_client_endpoint(client), deadline_ms);
    if (err == KGR_OK)
        err = subscribe(events, filter, deadline_ms);
    if (err != KGR_OK) {
        kgr_events_close(events);
        return err;
    }
    *out = events;
    return KGR_OK;
}

KGR_EXPORT int kgr_events_fd(const struct kgr_events *events)
{
    return events->connection.fd;
}

static void copy_event(struct kgr_event *out, const struct kgr_ipc_event *in)
{
    memset(out, 0, sizeof(*out));
    out->type = (enum kgr_event_type)in->type;
    kgr_text_clean(out->peer, sizeof(out->peer), in->peer.p, in->peer.len, false);
    out->generation = in->generation;
    out->count = in->count;
    out->error = (enum kgr_error)in->error;
    out->unix_s = in->unix_s > INT64_MAX ? 0 : (int64_t)in->unix_s;
    kgr_text_clean(out->text, sizeof(out->text), in->text.p, in->text.len, false);
}

KGR_EXPORT enum kgr_error kgr_events_next(struct kgr_events *events, struct kgr_event *out,
                                          int timeout_ms)
{
    uint64_t now = kgr_clock_boot_ms();
    uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms;
    uint8_t packet[PACKET_MAX];
    struct kgr_ipc_event event;
    struct kgr_slice body;
    enum kgr_error err = KGR_OK;

    if (!events->asked)
        err = send_request(events, KGR_IPC_EVENT, kgr_slice(NULL, 0));
    if (err == KGR_OK)
        err = await_reply(events, packet, deadline, &body);
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_event_decode(&event, body));
    if (err != KGR_OK)
        return err;
    copy_event(out, &event);
    /* If that fails the next call tries again, and says what is wrong: this event is good. */
    (void)send_request(events, KGR_IPC_EVENT, kgr_slice(NULL, 0));
    return KGR_OK;
}

KGR_EXPORT void kgr_events_close(struct kgr_events *events)
{
    if (events == NULL)
        return;
    kgr_connection_close(&events->connection);
    free(events);
}
