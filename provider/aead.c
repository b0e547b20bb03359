/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "agent/client/etm.h"
#include "provider/aead_message.h"
#include "provider/cipher.h"
#include "provider/error.h"
#include "provider/hmac.h"
#include "provider/param.h"
#include "provider/provider.h"
#include "provider/skeymgmt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

static OSSL_FUNC_cipher_freectx_fn aead_freectx;
static OSSL_FUNC_cipher_dupctx_fn aead_dupctx;
static OSSL_FUNC_cipher_encrypt_init_fn aead_encrypt_init;
static OSSL_FUNC_cipher_decrypt_init_fn aead_decrypt_init;
static OSSL_FUNC_cipher_update_fn aead_update;
static OSSL_FUNC_cipher_final_fn aead_final;
static OSSL_FUNC_cipher_get_ctx_params_fn aead_get_ctx_params;
static OSSL_FUNC_cipher_set_ctx_params_fn aead_set_ctx_params;
static OSSL_FUNC_cipher_gettable_ctx_params_fn aead_gettable_ctx_params;
static OSSL_FUNC_cipher_settable_ctx_params_fn aead_settable_ctx_params;

static bool set_own_params(struct kgr_prov_aead *a, const OSSL_PARAM params[]);

static void *aead_new(const struct kgr_prov *prov, const struct kgr_prov_cipher_spec *spec)
{
    struct kgr_prov_aead *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        (void)kgr_prov_no_memory(prov);
        return NULL;
    }
    a->cbc.prov = prov;
    a->cbc.spec = spec;
    a->cbc.padding = true;
    return a;
}

static void aead_freectx(void *cctx)
{
    struct kgr_prov_aead *a = cctx;

    if (a == NULL) {
        return;
    }
    kgr_prov_cipher_drop_scratch(&a->cbc);
    kgr_prov_hmac_deinit(a->cbc.prov, &a->hmac);
    kgr_cleanse(a, sizeof(*a));
    free(a);
}

static void *aead_dupctx(void *cctx)
{
    const struct kgr_prov_aead *a = cctx;
    struct kgr_prov_aead *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        (void)kgr_prov_no_memory(a->cbc.prov);
        return NULL;
    }
    *copy = *a;
    copy->cbc.scratch = NULL;
    copy->cbc.scratch_cap = 0;
    if (kgr_prov_hmac_copy(a->cbc.prov, &copy->hmac, &a->hmac) != KGR_OK) {
        free(copy);
        return NULL;
    }
    return copy;
}

/* goes_on: the key is that of the message before, which was found usable. */
static bool goes_on(const struct kgr_prov_aead *a, const struct kgr_prov_cipher_input *in,
                    const OSSL_PARAM params[])
{
    return in->skey == NULL && in->key == NULL && in->iv != NULL &&
           (params == NULL || params[0].key == NULL) && a->cbc.key.suite == a->cbc.spec->suite &&
           (a->unpinned || kgr_prov_key_is_pinned(&a->cbc.key));
}

/* One IV serves one message: the next needs another, even if its first init does not bring it. */
static int init(struct kgr_prov_aead *a, bool encrypt, const struct kgr_prov_cipher_input *in,
                const OSSL_PARAM params[])
{
    kgr_prov_hmac_restart(a->cbc.prov, &a->hmac);
    a->aad_len = 0;
    a->begun = false;
    a->done = false;
    if (in->iv == NULL && a->iv_used) {
        a->cbc.iv_set = false;
    }
    a->iv_used = false;
    if (encrypt || a->cbc.encrypt) {
        a->tag_set = false; /* what an encryption made verifies nothing */
    }
    a->ahead = false;
    a->unpinned = goes_on(a, in, params);
    if (a->unpinned) {
        return kgr_prov_cipher_again(&a->cbc, encrypt, in) == KGR_OK;
    }
    return kgr_prov_cipher_init(&a->cbc, encrypt, in, params) == KGR_OK &&
           set_own_params(a, params);
}

static int aead_encrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                             const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return init(cctx, true, &in, params);
}

static int aead_decrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                             const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return init(cctx, false, &in, params);
}

static int aead_encrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv, size_t ivlen,
                                  const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return init(cctx, true, &in, params);
}

static int aead_decrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv, size_t ivlen,
                                  const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return init(cctx, false, &in, params);
}

static int aead_update(void *cctx, unsigned char *out, size_t *outl, size_t outsize,
                       const unsigned char *in, size_t inl)
{
    struct kgr_prov_aead *a = cctx;
    enum kgr_error err = a->unpinned && !a->cbc.broken ? KGR_OK : kgr_prov_cipher_ready(&a->cbc);

    if (err != KGR_OK) {
        return 0;
    }
    if (a->done) {
        return kgr_prov_aead_refuse_order(a, "the message is complete") == KGR_OK;
    }
    if (inl == 0 || in == NULL) {
        *outl = 0; /* nothing, or a length told in advance as CCM wants it */
        return 1;
    }
    if (out == NULL) {
        err = kgr_prov_aead_aad(a, in, inl);
        if (err == KGR_OK) {
            *outl = inl;
        }
    } else if (a->cbc.encrypt) {
        err = kgr_prov_aead_encrypt(a, out, outl, outsize, in, inl);
    } else {
        err = kgr_prov_aead_decrypt(a, out, outl, outsize, in, inl);
    }
    return err == KGR_OK;
}

static int aead_final(void *cctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct kgr_prov_aead *a = cctx;
    uint8_t last[KGR_BLOCK_LEN];
    size_t n = 0;
    enum kgr_error err = a->done && !a->cbc.broken ? KGR_OK : kgr_prov_aead_pin(a);

    if (err != KGR_OK) {
        return 0;
    }
    if (!a->cbc.encrypt) {
        if (!a->done) {
            return kgr_prov_aead_refuse_order(a, "no ciphertext was verified") == KGR_OK;
        }
        *outl = 0;
        return 1;
    }
    if (a->done) {
        return kgr_prov_aead_refuse_order(a, "the message is complete") == KGR_OK;
    }
    if (out == NULL) {
        (void)kgr_prov_refuse(a->cbc.prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                              "no output buffer for the last block");
        return 0;
    }
    err = a->ahead && outsize >= KGR_BLOCK_LEN ? kgr_prov_aead_take_ahead(a, last, &n)
                                               : kgr_prov_aead_finish(a, last, &n, outsize);
    if (err != KGR_OK) {
        return 0;
    }
    memcpy(out, last, n);
    a->tag_set = true;
    a->done = true;
    *outl = n;
    return 1;
}

static enum kgr_error refuse_tag_len(const struct kgr_prov_aead *a, uint64_t len)
{
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_INVALID, KGR_PROV_R_TAG,
                           "%llu bytes for %s, whose tags have %zu", (unsigned long long)len,
                           a->cbc.spec->name, a->cbc.spec->tag_len);
}

static enum kgr_error get_tag(const struct kgr_prov_aead *a, OSSL_PARAM *p)
{
    if (!a->cbc.encrypt || !a->done) {
        return kgr_prov_refuse(a->cbc.prov, KGR_ERR_STATE, KGR_PROV_R_ORDER, "%s",
                               "the tag is there after the end of an encryption");
    }
    if (p->data_size != a->cbc.spec->tag_len) {
        return refuse_tag_len(a, p->data_size);
    }
    return kgr_param_set_octets(p, a->tag, a->cbc.spec->tag_len) ? KGR_OK : KGR_ERR_INVALID;
}

static int aead_get_ctx_params(void *cctx, OSSL_PARAM params[])
{
    struct kgr_prov_aead *a = cctx;

    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAGLEN) &&
            !kgr_param_set_uint(p, a->cbc.spec->tag_len)) {
            return 0;
        }
        if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAG) && get_tag(a, p) != KGR_OK) {
            return 0;
        }
    }
    return kgr_prov_cipher_get_ctx_params(&a->cbc, params);
}

/* Without bytes only the length is meant (EVP_CTRL_AEAD_SET_TAG with NULL). */
static enum kgr_error set_tag(struct kgr_prov_aead *a, const OSSL_PARAM *p)
{
    const uint8_t *tag;
    size_t len;

    if (!kgr_param_get_octets(p, &tag, &len) || len != a->cbc.spec->tag_len) {
        return refuse_tag_len(a, p->data_size);
    }
    if (tag == NULL) {
        return KGR_OK;
    }
    if (a->cbc.started && a->cbc.encrypt) {
        return kgr_prov_aead_refuse_order(a, "an encryption makes its tag itself");
    }
    memcpy(a->tag, tag, len);
    a->tag_set = true;
    return KGR_OK;
}

static enum kgr_error set_param(struct kgr_prov_aead *a, const OSSL_PARAM *p)
{
    uint64_t n = 0;

    if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAG)) {
        return set_tag(a, p);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAGLEN)) {
        if (!kgr_param_get_uint(p, &n) || n != a->cbc.spec->tag_len) {
            return refuse_tag_len(a, n);
        }
    }
    return KGR_OK;
}

static bool set_own_params(struct kgr_prov_aead *a, const OSSL_PARAM params[])
{
    a->cbc.padding = true; /* part of the construction, whatever was set */
    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (set_param(a, p) != KGR_OK) {
            return false;
        }
    }
    return true;
}

static int aead_set_ctx_params(void *cctx, const OSSL_PARAM params[])
{
    struct kgr_prov_aead *a = cctx;

    return kgr_prov_cipher_set(&a->cbc, params) == KGR_OK && set_own_params(a, params);
}

static const OSSL_PARAM *aead_gettable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_RANDOM_KEY, NULL, 0),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
        OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}

static const OSSL_PARAM *aead_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
                                       OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
                                       OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}

#define AEAD(id, text, key, tag, suite_id)                                                         \
    static const struct kgr_prov_cipher_spec id##_spec = {.name = (text),                          \
                                                          .mode = KGR_MODE_CBC,                    \
                                                          .evp_mode = EVP_CIPH_CBC_MODE,           \
                                                          .key_len = (key),                        \
                                                          .block_len = KGR_BLOCK_LEN,              \
                                                          .iv_len = KGR_BLOCK_LEN,                 \
                                                          .tag_len = (tag),                        \
                                                          .suite = (suite_id)};                    \
    static OSSL_FUNC_cipher_newctx_fn id##_newctx;                                                 \
    static void *id##_newctx(void *provctx)                                                        \
    {                                                                                              \
        return aead_new(provctx, &id##_spec);                                                      \
    }                                                                                              \
    static OSSL_FUNC_cipher_get_params_fn id##_get_params;                                         \
    static int id##_get_params(OSSL_PARAM params[])                                                \
    {                                                                                              \
        return kgr_prov_cipher_get_params(&id##_spec, params);                                     \
    }                                                                                              \
    const OSSL_DISPATCH kgr_prov_##id##_functions[] = {                                            \
        {OSSL_FUNC_CIPHER_NEWCTX, KGR_PROV_FN(id##_newctx)},                                       \
        {OSSL_FUNC_CIPHER_FREECTX, KGR_PROV_FN(aead_freectx)},                                     \
        {OSSL_FUNC_CIPHER_DUPCTX, KGR_PROV_FN(aead_dupctx)},                                       \
        {OSSL_FUNC_CIPHER_ENCRYPT_INIT, KGR_PROV_FN(aead_encrypt_init)},                           \
        {OSSL_FUNC_CIPHER_DECRYPT_INIT, KGR_PROV_FN(aead_decrypt_init)},                           \
        {OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT, KGR_PROV_FN(aead_encrypt_skey_init)},                 \
        {OSSL_FUNC_CIPHER_DECRYPT_SKEY_INIT, KGR_PROV_FN(aead_decrypt_skey_init)},                 \
        {OSSL_FUNC_CIPHER_UPDATE, KGR_PROV_FN(aead_update)},                                       \
        {OSSL_FUNC_CIPHER_FINAL, KGR_PROV_FN(aead_final)},                                         \
        {OSSL_FUNC_CIPHER_GET_PARAMS, KGR_PROV_FN(id##_get_params)},                               \
        {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, KGR_PROV_FN(aead_get_ctx_params)},                       \
        {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, KGR_PROV_FN(aead_set_ctx_params)},                       \
        {OSSL_FUNC_CIPHER_GETTABLE_PARAMS, KGR_PROV_FN(kgr_prov_cipher_gettable_params)},          \
        {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, KGR_PROV_FN(aead_gettable_ctx_params)},             \
        {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, KGR_PROV_FN(aead_settable_ctx_params)},             \
        {0, NULL}};

AEAD(aes_128_etm, "KGR-AES-128-CBC-HMAC-SHA256-ETM", 16, 16, KGR_SUITE_AES_128_CBC_HMAC_SHA256)
AEAD(aes_256_etm, "KGR-AES-256-CBC-HMAC-SHA384-ETM", 32, 24, KGR_SUITE_AES_256_CBC_HMAC_SHA384)
