/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include "agent/client/call.h"
#include "agent/client/mac_table.h"
#include "agent/client/reason.h"

static enum kgr_error check_data(const uint8_t *in, size_t len)
{
    if (len != 0 && in == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (len > KGR_DATA_MAX)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "at most %d bytes in one request", KGR_DATA_MAX);
    return KGR_OK;
}

/* Takes the MAC from a reply that is nothing else. */
static enum kgr_error read_mac(uint8_t *out, size_t *out_len, struct kgr_slice reply)
{
    if (reply.len != 32 && reply.len != 48)
        return kgr_call_check(KGR_ERR_CORRUPT);
    kgr_copy(out, reply.p, reply.len);
    *out_len = reply.len;
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_mac(struct kgr_client *client, const struct kgr_key *key,
                                  const uint8_t *in, size_t len, uint8_t *out, size_t *out_len)
{
    struct kgr_ipc_mac request;
    struct kgr_client_call call;
    enum kgr_error err;

    err = check_data(in, len);
    if (err != KGR_OK)
        return err;
    err = kgr_call_key(&request.key, key);
    if (err != KGR_OK)
        return err;
    request.data = kgr_slice(in, len);
    err = kgr_call_begin(&call, client, KGR_IPC_MAC);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_mac_encode(&call.request, &request));
    if (err == KGR_OK)
        err = read_mac(out, out_len, call.exchange.reply);
    kgr_call_end(&call);
    return err;
}

/* Tells the agent to forget a MAC; what it answers changes nothing here, and is no news. */
static void drop_remote(struct kgr_client *client, struct kgr_mac_place place)
{
    struct kgr_client_call call;
    char reason[KGR_DIAG_MAX];
    enum kgr_error err;

    (void)kgr_client_reason(reason, sizeof(reason));
    err = kgr_call_begin(&call, client, KGR_IPC_MAC_ABORT);
    if (err == KGR_OK) {
        call.exchange.serial = place.serial;
        err = kgr_call_exchange(&call, kgr_ipc_u32_encode(&call.request, place.remote_id));
    }
    (void)err; /* what it could not be told, the agent forgets with the connection */
    kgr_call_end(&call);
    (void)kgr_reason_set(KGR_OK, "%s", reason);
}

KGR_EXPORT enum kgr_error kgr_mac_start(struct kgr_client *client, const struct kgr_key *key,
                                        uint32_t *out_id)
{
    struct kgr_client_call call;
    struct kgr_mac_place place;
    struct kgr_ipc_key request;
    enum kgr_error err;

    err = kgr_call_key(&request, key);
    if (err != KGR_OK)
        return err;
    err = kgr_call_begin(&call, client, KGR_IPC_MAC_START);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_key_encode(&call.request, &request));
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_u32_decode(&place.remote_id, call.exchange.reply));
    if (err == KGR_OK) {
        place.serial = call.exchange.serial;
        err = kgr_mac_table_add(call.process->macs, out_id, place);
        if (err != KGR_OK) {
            drop_remote(client, place);
            err = kgr_reason_set(err, "no room for another MAC; %d may be under way", KGR_MACS_MAX);
        }
    }
    kgr_call_end(&call);
    return err;
}

/* Begins a request about a MAC: on the connection where it lives, or not at all. */
static enum kgr_error begin_on(struct kgr_client_call *call, struct kgr_mac_place *out,
                               struct kgr_client *client, uint16_t op, uint32_t id)
{
    enum kgr_error err = kgr_call_begin(call, client, op);

    if (err != KGR_OK)
        return err;
    if (op == KGR_IPC_MAC_FINAL)
        err = kgr_mac_table_remove(call->process->macs, out, id);
    else
        err = kgr_mac_table_find(call->process->macs, out, id);
    if (err != KGR_OK)
        return kgr_reason_set(err, "no such MAC is under way here");
    call->exchange.serial = out->serial;
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_mac_update(struct kgr_client *client, uint32_t id, const uint8_t *in,
                                         size_t len)
{
    struct kgr_ipc_mac_update request;
    struct kgr_client_call call;
    struct kgr_mac_place place;
    enum kgr_error err;

    err = check_data(in, len);
    if (err != KGR_OK)
        return err;
    err = begin_on(&call, &place, client, KGR_IPC_MAC_UPDATE, id);
    if (err != KGR_OK)
        goto out;
    request.id = place.remote_id;
    request.data = kgr_slice(in, len);
    err = kgr_call_exchange(&call, kgr_ipc_mac_update_encode(&call.request, &request));
    if (err != KGR_OK)
        kgr_mac_abort(client, id); /* nobody knows if these bytes are in it: it must not go on */
    else if (call.exchange.status != KGR_OK)
        err = kgr_call_refusal(&call);
    else
        err = kgr_call_check_empty(&call);
out:
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_mac_final(struct kgr_client *client, uint32_t id, uint8_t *out,
                                        size_t *out_len)
{
    struct kgr_client_call call;
    struct kgr_mac_place place;
    enum kgr_error err;

    err = begin_on(&call, &place, client, KGR_IPC_MAC_FINAL, id);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_u32_encode(&call.request, place.remote_id));
    if (err == KGR_OK)
        err = read_mac(out, out_len, call.exchange.reply);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT void kgr_mac_abort(struct kgr_client *client, uint32_t id)
{
    struct kgr_process *process;
    struct kgr_mac_place place;

    if (client == NULL || kgr_client_process(&process, client) != KGR_OK)
        return;
    if (kgr_mac_table_remove(process->macs, &place, id) == KGR_OK)
        drop_remote(client, place);
}
