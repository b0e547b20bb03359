/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <string.h>

#include "agent/base/clock.h"
#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_data.h"

/* The agent answers a recv at its end; so much later at most. */
#define RECV_GRACE_MS 5000
/* Who waits longer, or for ever, asks again: an agent that hangs is noticed so. */
#define RECV_TURN_MS 60000

_Static_assert(KGR_MESSAGE_MAX == KGR_RECORD_PLAIN_MAX, "one limit, here and on the wire");

KGR_EXPORT enum kgr_error kgr_send(struct kgr_client *client, const char *peer, const uint8_t *data,
                                   size_t len)
{
    struct kgr_ipc_send request = {.data = kgr_slice(data, len)};
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_peer(&request.peer, peer);

    if (err != KGR_OK)
        return err;
    if (data == NULL && len != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (len > KGR_MESSAGE_MAX)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "more than %d bytes for one message",
                              KGR_MESSAGE_MAX);
    err = kgr_call_begin(&call, client, KGR_IPC_SEND);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_send_encode(&call.request, &request));
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}

/* One turn of waiting. */
static enum kgr_error receive(struct kgr_client *client, const struct kgr_ipc_recv *request,
                              struct kgr_message *info, uint8_t *out, size_t *out_len)
{
    struct kgr_ipc_message message;
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_RECV);

    if (err == KGR_OK) {
        call.timeout_ms = (int)request->timeout_ms + RECV_GRACE_MS;
        err = kgr_call_run(&call, kgr_ipc_recv_encode(&call.request, request));
    }
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_message_decode(&message, call.exchange.reply));
    if (err == KGR_OK) {
        kgr_copy(out, message.data.p, message.data.len);
        *out_len = message.data.len;
    }
    if (err == KGR_OK && info != NULL) {
        memcpy(info->peer, message.peer.s, sizeof(info->peer));
        info->generation = message.generation;
        info->sequence = message.sequence;
        info->waiting = message.waiting;
    }
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_recv(struct kgr_client *client, const char *peer, int timeout_ms,
                                   struct kgr_message *info, uint8_t *out, size_t out_cap,
                                   size_t *out_len)
{
    struct kgr_ipc_recv request = {.peer = kgr_slice(NULL, 0)};
    uint64_t now = kgr_clock_boot_ms();
    uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms;
    struct kgr_nid nid;
    enum kgr_error err;

    if (peer != NULL) {
        err = kgr_call_peer(&nid, peer);
        if (err != KGR_OK)
            return err;
        request.peer = kgr_slice(nid.s, strlen(nid.s));
    }
    if (out == NULL || out_cap < KGR_MESSAGE_MAX)
        return kgr_reason_set(KGR_ERR_SHORT_BUFFER, "a message may have %d bytes", KGR_MESSAGE_MAX);
    do {
        uint64_t left = deadline > now ? deadline - now : 0;

        request.timeout_ms = left < RECV_TURN_MS ? (uint32_t)left : RECV_TURN_MS;
        err = receive(client, &request, info, out, out_len);
        now = kgr_clock_boot_ms();
    } while (err == KGR_ERR_TIMEOUT && now < deadline);
    return err;
}
