/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <inttypes.h>
#include <string.h>

#include "agent/base/text.h"
#include "agent/client/call.h"
#include "agent/client/peers.h"
#include "agent/client/reason.h"

#define HANDLE_MIN 16
#define HANDLE_MAX 64

/* The agent answers a wait at its end; so much later at most. */
#define WAIT_GRACE_MS 2000

KGR_EXPORT enum kgr_error kgr_key_from_uri(struct kgr_key *out, const char *uri)
{
    struct kgr_nid peer;
    uint64_t generation;

    if (kgr_uri_parse(&peer, &generation, uri) != KGR_OK)
        return kgr_reason_set(KGR_ERR_INVALID, "not of the form kgr:peer=<N_ID>[;generation=<n>]");
    memcpy(out->peer, peer.s, sizeof(out->peer));
    out->generation = generation;
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_key_to_uri(char *out, size_t out_cap, const struct kgr_key *key)
{
    char uri[KGR_URI_MAX];
    struct kgr_ipc_key read;
    enum kgr_error err = kgr_call_key(&read, key);
    size_t len;

    if (err != KGR_OK)
        return err;
    len = strlen(kgr_uri_format(uri, &read.peer, read.generation));
    if (out_cap <= len)
        return kgr_reason_set(KGR_ERR_SHORT_BUFFER, "the URI has %zu characters", len);
    memcpy(out, uri, len + 1);
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_get_key(struct kgr_client *client, const struct kgr_key *key,
                                      struct kgr_peer *out)
{
    struct kgr_client_call call;
    struct kgr_ipc_key request;
    struct kgr_ipc_peer entry;
    enum kgr_error err = kgr_call_key(&request, key);

    if (err != KGR_OK)
        return err;
    err = kgr_call_begin(&call, client, KGR_IPC_KEY);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_key_encode(&call.request, &request));
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_peer_decode(&entry, call.exchange.reply));
    if (err == KGR_OK)
        kgr_peer_set(out, &entry);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_make_handle(struct kgr_client *client, const char *peer, uint8_t *out,
                                          size_t key_len)
{
    struct kgr_ipc_handle request;
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_peer(&request.peer, peer);

    if (err != KGR_OK)
        return err;
    if (key_len < HANDLE_MIN || key_len > HANDLE_MAX)
        return kgr_reason_set(KGR_ERR_INVALID, "a handle has %d to %d bytes", HANDLE_MIN,
                              HANDLE_MAX);
    request.key_len = (uint8_t)key_len;
    err = kgr_call_begin(&call, client, KGR_IPC_HANDLE);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_handle_encode(&call.request, &request));
    if (err == KGR_OK && call.exchange.reply.len != key_len)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK)
        kgr_copy(out, call.exchange.reply.p, key_len);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_resolve_handle(struct kgr_client *client, const uint8_t *handle,
                                             size_t len, struct kgr_key *out)
{
    struct kgr_client_call call;
    struct kgr_nid peer;
    enum kgr_error err;

    /* No handle of any agent; said in the words that a wrong one gets. */
    if (handle == NULL || len < HANDLE_MIN || len > HANDLE_MAX)
        return kgr_reason_set(KGR_ERR_UNKNOWN_PEER, "a handle has %d to %d bytes", HANDLE_MIN,
                              HANDLE_MAX);
    err = kgr_call_begin(&call, client, KGR_IPC_RESOLVE);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_resolve_encode(&call.request, kgr_slice(handle, len)));
    if (err == KGR_OK)
        err = kgr_call_check(kgr_wire_nid_decode(&peer, call.exchange.reply));
    if (err == KGR_OK) {
        memcpy(out->peer, peer.s, sizeof(out->peer));
        out->generation = 0;
    }
    kgr_call_end(&call);
    return err;
}

/* What request.cause says to the agent. */
enum { IF_NEEDED = 0, ANOTHER = 2 };

static enum kgr_error ask_for_key(struct kgr_client *client, const char *peer, uint8_t cause)
{
    struct kgr_ipc_request request = {.cause = cause};
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_peer(&request.peer, peer);

    if (err != KGR_OK)
        return err;
    err = kgr_call_begin(&call, client, KGR_IPC_REQUEST);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_request_encode(&call.request, &request));
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_request(struct kgr_client *client, const char *peer)
{
    return ask_for_key(client, peer, IF_NEEDED);
}

KGR_EXPORT enum kgr_error kgr_renew(struct kgr_client *client, const char *peer)
{
    return ask_for_key(client, peer, ANOTHER);
}

/* What an answer to wait means: the pair's state, and why it is not ready if it is not. */
static enum kgr_error read_outcome(struct kgr_client_call *call, struct kgr_peer *out)
{
    struct kgr_ipc_peer entry;
    struct kgr_peer peer;

    if (call->exchange.status != KGR_OK && call->exchange.status != KGR_ERR_TIMEOUT)
        return kgr_call_refusal(call);
    if (kgr_ipc_peer_decode(&entry, call->exchange.reply) != KGR_OK)
        return kgr_call_check(KGR_ERR_CORRUPT);
    kgr_peer_set(&peer, &entry);
    if (out != NULL)
        *out = peer;
    if (call->exchange.status == KGR_ERR_TIMEOUT)
        return peer.state == KGR_STATE_READY
                   ? kgr_reason_set(KGR_ERR_TIMEOUT, "the pair is still at generation %" PRIu64,
                                    peer.generation)
                   : kgr_reason_set(KGR_ERR_TIMEOUT, "the pair is still %s",
                                    kgr_state_name(peer.state));
    if (peer.state == KGR_STATE_REVOKED && peer.error == KGR_OK)
        return kgr_reason_set(KGR_ERR_REVOKED, "the pair was revoked");
    if (peer.state == KGR_STATE_FAILED || peer.state == KGR_STATE_REVOKED)
        return kgr_reason_take(peer.error == KGR_OK ? KGR_ERR_FAILED : peer.error, peer.reason,
                               strlen(peer.reason));
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_wait(struct kgr_client *client, const char *peer,
                                   uint64_t min_generation, int timeout_ms, struct kgr_peer *out)
{
    struct kgr_ipc_wait request = {.generation = min_generation};
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_peer(&request.peer, peer);

    if (err != KGR_OK)
        return err;
    if (timeout_ms < 0)
        return kgr_reason_set(KGR_ERR_INVALID, "the time-out must not be negative");
    request.timeout_ms = (uint32_t)timeout_ms;
    err = kgr_call_begin(&call, client, KGR_IPC_WAIT);
    if (err == KGR_OK) {
        call.timeout_ms =
            timeout_ms > INT32_MAX - WAIT_GRACE_MS ? INT32_MAX : timeout_ms + WAIT_GRACE_MS;
        err = kgr_call_exchange(&call, kgr_ipc_wait_encode(&call.request, &request));
    }
    if (err == KGR_OK)
        err = read_outcome(&call, out);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_rekey(struct kgr_client *client, unsigned int flags, int timeout_ms)
{
    struct kgr_ipc_rekey request = {.storage = (flags & KGR_REKEY_STORAGE_KEY) != 0};
    struct kgr_client_call call;
    enum kgr_error err;

    if ((flags & ~KGR_REKEY_STORAGE_KEY) != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "unknown flags");
    if (timeout_ms < 0)
        return kgr_reason_set(KGR_ERR_INVALID, "the time-out must not be negative");
    request.timeout_ms = (uint32_t)timeout_ms;
    err = kgr_call_begin(&call, client, KGR_IPC_REKEY);
    if (err == KGR_OK) {
        call.timeout_ms =
            timeout_ms > INT32_MAX - WAIT_GRACE_MS ? INT32_MAX : timeout_ms + WAIT_GRACE_MS;
        err = kgr_call_run(&call, kgr_ipc_rekey_encode(&call.request, &request));
    }
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}
