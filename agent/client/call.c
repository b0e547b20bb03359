/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/call.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/client/reason.h"

enum kgr_error kgr_call_begin(struct kgr_client_call *call, struct kgr_client *client, uint16_t op)
{
    enum kgr_error err;

    memset(call, 0, sizeof(*call));
    if (client == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no client");
    err = kgr_client_process(&call->process, client);
    if (err != KGR_OK)
        return err;
    call->exchange.packet = kgr_channel_take_packet(call->process->channel);
    if (call->exchange.packet == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    call->exchange.op = op;
    call->timeout_ms = kgr_client_timeout_ms(client);
    kgr_wr_init(&call->request, call->exchange.packet->bytes + KGR_IPC_HEADER_LEN,
                sizeof(call->exchange.packet->bytes) - KGR_IPC_HEADER_LEN);
    return KGR_OK;
}

enum kgr_error kgr_call_exchange(struct kgr_client_call *call, enum kgr_error encoded)
{
    if (encoded != KGR_OK)
        return kgr_reason_set(encoded, "the request is longer than a packet");
    call->exchange.packet->len = KGR_IPC_HEADER_LEN + call->request.len;
    call->exchange.deadline_ms = kgr_clock_boot_ms() + (uint64_t)call->timeout_ms;
    return kgr_channel_exchange(call->process->channel, &call->exchange);
}

enum kgr_error kgr_call_refusal(struct kgr_client_call *call)
{
    char text[KGR_IPC_TEXT_MAX + 1];
    enum kgr_error err = kgr_call_check(kgr_ipc_error_decode(text, call->exchange.reply));

    if (err != KGR_OK)
        return err;
    /* A newer agent may have errors that we have no name for, but it has words. */
    err = call->exchange.status < KGR_ERR_COUNT ? (enum kgr_error)call->exchange.status
                                                : KGR_ERR_FAILED;
    return kgr_reason_take(err, text, strlen(text));
}

enum kgr_error kgr_call_run(struct kgr_client_call *call, enum kgr_error encoded)
{
    enum kgr_error err = kgr_call_exchange(call, encoded);

    if (err != KGR_OK)
        return err;
    return call->exchange.status == KGR_OK ? KGR_OK : kgr_call_refusal(call);
}

enum kgr_error kgr_call_check(enum kgr_error decoded)
{
    if (decoded == KGR_OK)
        return KGR_OK;
    return kgr_reason_set(KGR_ERR_CORRUPT, "the agent's answer is malformed");
}

enum kgr_error kgr_call_check_empty(const struct kgr_client_call *call)
{
    return kgr_call_check(call->exchange.reply.len == 0 ? KGR_OK : KGR_ERR_CORRUPT);
}

void kgr_call_end(struct kgr_client_call *call)
{
    struct kgr_packet *packet = call->exchange.packet;

    if (packet == NULL)
        return;
    /* A request that was never sent has no length yet, and may hold plaintext. */
    if (packet->len == 0)
        packet->len = KGR_IPC_HEADER_LEN + call->request.len;
    kgr_channel_give_packet(call->process->channel, packet);
    call->exchange.packet = NULL;
}

enum kgr_error kgr_call_peer(struct kgr_nid *out, const char *peer)
{
    if (peer == NULL || kgr_nid_set(out, peer, strnlen(peer, KGR_NID_MAX + 1)) != KGR_OK)
        return kgr_reason_set(KGR_ERR_INVALID,
                              "an N_ID has 1 to 64 characters of A-Z a-z 0-9 . _ -");
    return KGR_OK;
}

enum kgr_error kgr_call_key(struct kgr_ipc_key *out, const struct kgr_key *key)
{
    if (key == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no key is named");
    out->generation = key->generation;
    return kgr_call_peer(&out->peer, key->peer);
}
