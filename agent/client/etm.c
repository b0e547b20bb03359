/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/etm.h"

#include <string.h>

#include "agent/client/call.h"
#include "agent/wire/ipc_etm.h"

static enum kgr_error run(struct kgr_client_call *call, struct kgr_client *client, bool opens,
                          const struct kgr_key *key, const uint8_t *iv, struct kgr_ipc_etm *request)
{
    enum kgr_error err = kgr_call_key(&request->key, key);

    memcpy(request->iv, iv, KGR_BLOCK_LEN);
    if (err == KGR_OK)
        err = kgr_call_begin(call, client, opens ? KGR_IPC_ETM_OPEN : KGR_IPC_ETM);
    if (err == KGR_OK)
        err = kgr_call_run(call, kgr_ipc_etm_encode(&call->request, opens, request));
    return err;
}

enum kgr_error kgr_etm_encrypt(struct kgr_client *client, struct kgr_key *key,
                               const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                               struct kgr_slice plaintext, uint8_t *out, uint8_t *out_tag,
                               size_t tag_len)
{
    struct kgr_ipc_etm request = {.aad = aad, .data = plaintext};
    size_t len = kgr_suite_ciphertext_len(plaintext.len);
    struct kgr_client_call call = {.process = NULL};
    struct kgr_ipc_etm_reply reply;
    enum kgr_error err = run(&call, client, false, key, iv, &request);

    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_etm_reply_decode(&reply, call.exchange.reply));
    if (err == KGR_OK && reply.sealed.len != len + tag_len)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK) {
        memcpy(out, reply.sealed.p, len);
        memcpy(out_tag, reply.sealed.p + len, tag_len);
        key->generation = reply.generation;
    }
    kgr_call_end(&call);
    return err;
}

enum kgr_error kgr_etm_decrypt(struct kgr_client *client, const struct kgr_key *key,
                               const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                               struct kgr_slice ciphertext, struct kgr_slice tag, uint8_t *out,
                               size_t *out_len)
{
    struct kgr_ipc_etm request = {.aad = aad, .tag = tag, .data = ciphertext};
    struct kgr_client_call call = {.process = NULL};
    enum kgr_error err = run(&call, client, true, key, iv, &request);

    if (err == KGR_OK && call.exchange.reply.len > ciphertext.len)
        err = kgr_call_check(KGR_ERR_CORRUPT);
    if (err == KGR_OK) {
        kgr_copy(out, call.exchange.reply.p, call.exchange.reply.len);
        *out_len = call.exchange.reply.len;
    }
    kgr_call_end(&call);
    return err;
}
