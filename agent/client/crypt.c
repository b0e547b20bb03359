/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <string.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"

#define DIRECTION_ENCRYPT 1
#define DIRECTION_DECRYPT 2

/* What the caller could have known to be wrong, told apart here rather than by the agent. */
static enum kgr_error check_arguments(enum kgr_mode mode, const uint8_t *iv, const uint8_t *in,
                                      size_t len, const uint8_t *out)
{
    if ((int)mode < KGR_MODE_ECB || mode > KGR_MODE_OFB)
        return kgr_reason_set(KGR_ERR_INVALID, "unknown cipher mode");
    if (iv == NULL && mode != KGR_MODE_ECB)
        return kgr_reason_set(KGR_ERR_INVALID, "this cipher mode needs an IV");
    if (len != 0 && (in == NULL || out == NULL))
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (len > KGR_DATA_MAX)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "at most %d bytes in one request", KGR_DATA_MAX);
    if ((mode == KGR_MODE_ECB || mode == KGR_MODE_CBC) && len % KGR_BLOCK_LEN != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "ECB and CBC take whole blocks of 16 bytes");
    return KGR_OK;
}

static enum kgr_error run_cipher(struct kgr_client *client, const struct kgr_key *key,
                                 uint8_t direction, enum kgr_mode mode, uint8_t *iv,
                                 const uint8_t *in, size_t len, uint8_t *out)
{
    struct kgr_ipc_cipher request = {.direction = direction, .mode = (uint8_t)mode};
    struct kgr_ipc_cipher_reply reply;
    struct kgr_client_call call;
    enum kgr_error err;

    err = check_arguments(mode, iv, in, len, out);
    if (err != KGR_OK)
        return err;
    err = kgr_call_key(&request.key, key);
    if (err != KGR_OK)
        return err;
    if (iv != NULL)
        memcpy(request.iv, iv, sizeof(request.iv));
    request.data = kgr_slice(in, len);
    err = kgr_call_begin(&call, client, KGR_IPC_CIPHER);
    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_cipher_encode(&call.request, &request));
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_cipher_reply_decode(&reply, call.exchange.reply));
    if (err == KGR_OK && reply.data.len != len)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK) {
        if (iv != NULL)
            memcpy(iv, reply.iv, sizeof(reply.iv));
        kgr_copy(out, reply.data.p, len);
    }
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_encrypt(struct kgr_client *client, const struct kgr_key *key,
                                      enum kgr_mode mode, uint8_t iv[KGR_BLOCK_LEN],
                                      const uint8_t *in, size_t len, uint8_t *out)
{
    return run_cipher(client, key, DIRECTION_ENCRYPT, mode, iv, in, len, out);
}

KGR_EXPORT enum kgr_error kgr_decrypt(struct kgr_client *client, const struct kgr_key *key,
                                      enum kgr_mode mode, uint8_t iv[KGR_BLOCK_LEN],
                                      const uint8_t *in, size_t len, uint8_t *out)
{
    return run_cipher(client, key, DIRECTION_DECRYPT, mode, iv, in, len, out);
}
