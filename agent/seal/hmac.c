/* SPDX-License-Identifier: BSD-2-Clause */
#define OPENSSL_SUPPRESS_DEPRECATED /* hmac.h says why */
#include "agent/seal/hmac.h"

#include <stdbool.h>
#include <string.h>

#include "agent/base/secret.h"

#define INNER 0x36
#define OUTER 0x5c

/* The functions fail only for inputs of more than 2^61 bytes: every message here fits a packet, and every stream a life. */
static void begin(struct kgr_hmac *hmac)
{
    if (hmac->suite == KGR_SUITE_AES256_SHA384)
        (void)SHA384_Init(&hmac->state.wide);
    else
        (void)SHA256_Init(&hmac->state.narrow);
}

static void update(struct kgr_hmac *hmac, struct kgr_slice data)
{
    if (data.len == 0)
        return;
    if (hmac->suite == KGR_SUITE_AES256_SHA384)
        (void)SHA384_Update(&hmac->state.wide, data.p, data.len);
    else
        (void)SHA256_Update(&hmac->state.narrow, data.p, data.len);
}

static void end(struct kgr_hmac *hmac, uint8_t *out)
{
    if (hmac->suite == KGR_SUITE_AES256_SHA384)
        (void)SHA384_Final(out, &hmac->state.wide);
    else
        (void)SHA256_Final(out, &hmac->state.narrow);
}

/* resume goes on after one block whose value is known. */
static void resume(struct kgr_hmac *hmac, const union kgr_hash_value *value)
{
    begin(hmac);
    if (hmac->suite == KGR_SUITE_AES256_SHA384) {
        memcpy(hmac->state.wide.h, value->wide, sizeof(value->wide));
        hmac->state.wide.Nl = 8 * SHA512_CBLOCK;
    } else {
        memcpy(hmac->state.narrow.h, value->narrow, sizeof(value->narrow));
        hmac->state.narrow.Nl = 8 * SHA256_CBLOCK;
    }
}

/* work is in the arena too. */
static void masked(struct kgr_hmac *work, union kgr_hash_value *out, uint8_t *block,
                   struct kgr_slice key, uint8_t mask)
{
    bool wide = work->suite == KGR_SUITE_AES256_SHA384;
    size_t len = wide ? SHA512_CBLOCK : SHA256_CBLOCK;

    for (size_t i = 0; i < len; i++)
        block[i] = (uint8_t)((i < key.len ? key.p[i] : 0) ^ mask);
    begin(work);
    update(work, kgr_slice(block, len));
    if (wide)
        memcpy(out->wide, work->state.wide.h, sizeof(out->wide));
    else
        memcpy(out->narrow, work->state.narrow.h, sizeof(out->narrow));
}

enum kgr_error kgr_hmac_key_set(struct kgr_hmac_key *out, enum kgr_suite suite,
                                struct kgr_slice key)
{
    struct {
        struct kgr_hmac hmac;
        uint8_t block[SHA512_CBLOCK];
    } * work;

    if (!kgr_suite_known(suite) || key.len > SHA256_CBLOCK)
        return KGR_ERR_INVALID;
    work = kgr_secret_alloc(sizeof(*work));
    if (work == NULL)
        return KGR_ERR_NO_MEMORY;
    out->suite = suite;
    work->hmac.suite = suite;
    masked(&work->hmac, &out->inner, work->block, key, INNER);
    masked(&work->hmac, &out->outer, work->block, key, OUTER);
    kgr_secret_free(work);
    return KGR_OK;
}

void kgr_hmac_start(struct kgr_hmac *out, const struct kgr_hmac_key *key)
{
    out->suite = key->suite;
    out->held = kgr_slice(NULL, 0);
    resume(out, &key->inner);
}

void kgr_hmac_flush(struct kgr_hmac *hmac)
{
    update(hmac, hmac->held);
    hmac->held = kgr_slice(NULL, 0);
}

void kgr_hmac_add(struct kgr_hmac *hmac, struct kgr_slice data)
{
    if (hmac->held.len != 0 && hmac->held.p + hmac->held.len == data.p) {
        hmac->held.len += data.len;
        return;
    }
    if (data.len == 0)
        return;
    kgr_hmac_flush(hmac);
    hmac->held = data;
}

void kgr_hmac_end(struct kgr_hmac *hmac, const union kgr_hash_value *outer,
                  uint8_t out[KGR_HASH_MAX])
{
    uint8_t hash[KGR_HASH_MAX];

    kgr_hmac_flush(hmac);
    end(hmac, hash);
    resume(hmac, outer);
    update(hmac, kgr_slice(hash, kgr_suite_hash_len(hmac->suite)));
    end(hmac, out);
    kgr_cleanse(hash, sizeof(hash));
    kgr_cleanse(hmac, sizeof(*hmac));
}
