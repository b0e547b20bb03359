/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"

static enum kgr_error fill_request(struct kgr_ipc_seal *out, const char *peer, bool stored,
                                   struct kgr_slice aad, struct kgr_slice data, size_t data_max)
{
    if (data.p == NULL && data.len != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (aad.p == NULL && aad.len != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no associated data");
    if (aad.len > KGR_AAD_MAX)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "associated data of more than %d bytes",
                              KGR_AAD_MAX);
    if (data.len > data_max)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "more than %zu bytes for one record", data_max);
    out->stored = stored;
    out->aad = aad;
    out->data = data;
    return kgr_call_peer(&out->peer, peer);
}

static enum kgr_error run_record(struct kgr_client *client, uint16_t op,
                                 const struct kgr_ipc_seal *request, uint8_t *out, size_t out_cap,
                                 size_t *out_len)
{
    struct kgr_client_call call;
    struct kgr_slice answer;
    enum kgr_error err = kgr_call_begin(&call, client, op);

    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_seal_encode(&call.request, request));
    answer = call.exchange.reply;
    if (err == KGR_OK && answer.len > out_cap)
        err = kgr_call_check(KGR_ERR_CORRUPT); /* out_cap has room for any honest answer */
    if (err == KGR_OK) {
        kgr_copy(out, answer.p, answer.len);
        *out_len = answer.len;
    }
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_seal(struct kgr_client *client, const char *peer, bool stored,
                                   const uint8_t *aad, size_t aad_len, const uint8_t *plaintext,
                                   size_t plaintext_len, uint8_t *out, size_t out_cap,
                                   size_t *out_len)
{
    struct kgr_ipc_seal request;
    enum kgr_error err;

    err = fill_request(&request, peer, stored, kgr_slice(aad, aad_len),
                       kgr_slice(plaintext, plaintext_len), KGR_DATA_MAX);
    if (err != KGR_OK)
        return err;
    /* Asked before, because a record that cannot be handed over has spent its sequence number. */
    if (out_cap < plaintext_len + KGR_RECORD_OVERHEAD)
        return kgr_reason_set(KGR_ERR_SHORT_BUFFER, "a record may need %zu bytes",
                              plaintext_len + KGR_RECORD_OVERHEAD);
    return run_record(client, KGR_IPC_SEAL, &request, out, out_cap, out_len);
}

KGR_EXPORT enum kgr_error kgr_open(struct kgr_client *client, const char *peer, bool stored,
                                   const uint8_t *aad, size_t aad_len, const uint8_t *record,
                                   size_t record_len, uint8_t *out, size_t out_cap, size_t *out_len)
{
    struct kgr_ipc_seal request;
    enum kgr_error err;

    err = fill_request(&request, peer, stored, kgr_slice(aad, aad_len),
                       kgr_slice(record, record_len), KGR_DATA_MAX + KGR_RECORD_OVERHEAD);
    if (err != KGR_OK)
        return err;
    /* Asked before, because a record opens only once. */
    if (out_cap < record_len)
        return kgr_reason_set(KGR_ERR_SHORT_BUFFER, "opening may need %zu bytes", record_len);
    return run_record(client, KGR_IPC_OPEN, &request, out, out_cap, out_len);
}
