/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"

/* A TPM gives a few dozen bytes a command: a request for more could outlast its time-out. */
#define RANDOM_CHUNK 2048
#define STIR_CHUNK   KGR_IPC_STIR_MAX

static enum kgr_error get_chunk(struct kgr_client *client, uint8_t *out, size_t len)
{
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_RANDOM);

    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_u32_encode(&call.request, (uint32_t)len));
    if (err == KGR_OK && call.exchange.reply.len != len)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK)
        kgr_copy(out, call.exchange.reply.p, len);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_get_random(struct kgr_client *client, uint8_t *out, size_t len)
{
    if (len != 0 && out == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    while (len > 0) {
        size_t n = len < RANDOM_CHUNK ? len : RANDOM_CHUNK;
        enum kgr_error err = get_chunk(client, out, n);

        if (err != KGR_OK)
            return err;
        out += n;
        len -= n;
    }
    return KGR_OK;
}

static enum kgr_error stir_chunk(struct kgr_client *client, const uint8_t *in, size_t len)
{
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_STIR);

    if (err == KGR_OK) {
        kgr_wr_bytes(&call.request, in, len);
        err = kgr_call_run(&call, KGR_OK);
    }
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_add_random(struct kgr_client *client, const uint8_t *in, size_t len)
{
    if (len != 0 && in == NULL)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    while (len > 0) {
        size_t n = len < STIR_CHUNK ? len : STIR_CHUNK;
        enum kgr_error err = stir_chunk(client, in, n);

        if (err != KGR_OK)
            return err;
        in += n;
        len -= n;
    }
    return KGR_OK;
}
