/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/cipher.h"

#include "agent/base/secret.h"
#include "provider/error.h"
#include "provider/provider.h"
#include "provider/skeymgmt.h"

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

static OSSL_FUNC_cipher_freectx_fn cipher_freectx;
static OSSL_FUNC_cipher_dupctx_fn cipher_dupctx;
static OSSL_FUNC_cipher_encrypt_init_fn cipher_encrypt_init;
static OSSL_FUNC_cipher_decrypt_init_fn cipher_decrypt_init;
static OSSL_FUNC_cipher_update_fn cipher_update;
static OSSL_FUNC_cipher_final_fn cipher_final;
static OSSL_FUNC_cipher_cipher_fn cipher_cipher;

enum kgr_error kgr_prov_cipher_run(struct kgr_prov_cipher *c, const uint8_t *in, size_t len,
                                   uint8_t *out)
{
    uint8_t *iv = c->spec->iv_len > 0 ? c->iv : NULL;
    char uri[KGR_DIAG_MAX];
    enum kgr_error err;

    if (c->encrypt) {
        err = kgr_encrypt(c->prov->client, &c->key.pinned, c->spec->mode, iv, in, len, out);
    } else {
        err = kgr_decrypt(c->prov->client, &c->key.pinned, c->spec->mode, iv, in, len, out);
    }
    if (err != KGR_OK) {
        c->broken = true;
        return kgr_prov_refused(c->prov, err, kgr_prov_key_uri(uri, &c->key));
    }
    return KGR_OK;
}

void kgr_prov_cipher_drop_scratch(struct kgr_prov_cipher *c)
{
    if (c->scratch != NULL) {
        kgr_cleanse(c->scratch, c->scratch_cap);
    }
    free(c->scratch);
    c->scratch = NULL;
    c->scratch_cap = 0;
}

enum kgr_error kgr_prov_cipher_reserve(struct kgr_prov_cipher *c, size_t len)
{
    if (len <= c->scratch_cap) {
        return KGR_OK;
    }
    kgr_prov_cipher_drop_scratch(c);
    c->scratch = malloc(len);
    if (c->scratch == NULL) {
        c->broken = true; /* the block under way may be used up already */
        return kgr_prov_no_memory(c->prov);
    }
    c->scratch_cap = len;
    return KGR_OK;
}

static void *cipher_new(const struct kgr_prov *prov, const struct kgr_prov_cipher_spec *spec)
{
    struct kgr_prov_cipher *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        (void)kgr_prov_no_memory(prov);
        return NULL;
    }
    c->prov = prov;
    c->spec = spec;
    c->padding = true;
    return c;
}

static void cipher_freectx(void *cctx)
{
    struct kgr_prov_cipher *c = cctx;

    if (c == NULL) {
        return;
    }
    kgr_prov_cipher_drop_scratch(c);
    kgr_cleanse(c, sizeof(*c));
    free(c);
}

static void *cipher_dupctx(void *cctx)
{
    const struct kgr_prov_cipher *c = cctx;
    struct kgr_prov_cipher *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        (void)kgr_prov_no_memory(c->prov);
        return NULL;
    }
    *copy = *c;
    copy->scratch = NULL;
    copy->scratch_cap = 0;
    return copy;
}

static enum kgr_error set_iv(struct kgr_prov_cipher *c, const uint8_t *iv, size_t iv_len)
{
    if (iv != NULL && c->spec->iv_len > 0) {
        if (iv_len != c->spec->iv_len) {
            return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_IV_LENGTH,
                                   "%zu bytes for %s, which takes %zu", iv_len, c->spec->name,
                                   c->spec->iv_len);
        }
        memcpy(c->first_iv, iv, iv_len);
        memcpy(c->iv, iv, iv_len);
        c->iv_set = true;
    } else if (c->spec->mode != KGR_MODE_CTR) {
        /* As OpenSSL's own: without a new IV the others begin again, a counter goes on. */
        memcpy(c->iv, c->first_iv, sizeof(c->iv));
    }
    return KGR_OK;
}

/* Pins the key's generation, and refuses one of a suite whose keys have another length. */
static enum kgr_error pin(struct kgr_prov_cipher *c)
{
    char uri[KGR_DIAG_MAX];
    enum kgr_error err = kgr_prov_key_pin(c->prov, &c->key);

    if (err == KGR_OK && c->key.suite != c->spec->suite) {
        err = kgr_prov_refuse(c->prov, KGR_ERR_UNSUPPORTED, KGR_PROV_R_WRONG_SUITE,
                              "%s is a key for %s, not for %s", kgr_prov_key_uri(uri, &c->key),
                              kgr_suite_name(c->key.suite), c->spec->name);
        kgr_prov_key_unpin(&c->key);
    }
    return err;
}

static enum kgr_error set_handle(struct kgr_prov_cipher *c, const uint8_t *handle,
                                 size_t handle_len)
{
    if (handle_len != c->spec->key_len) {
        return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_KEY_LENGTH,
                               "%zu bytes for %s, which takes %zu", handle_len, c->spec->name,
                               c->spec->key_len);
    }
    return kgr_prov_key_set_handle(c->prov, &c->key, handle, handle_len);
}

enum kgr_error kgr_prov_cipher_init(struct kgr_prov_cipher *c, bool encrypt,
                                    const struct kgr_prov_cipher_input *in,
                                    const OSSL_PARAM params[])
{
    enum kgr_error err;

    c->started = true;
    c->used = false;
    c->broken = true; /* until this went well */
    c->encrypt = encrypt;
    kgr_cleanse(c->pending, sizeof(c->pending));
    c->num_pending = 0;
    kgr_prov_key_unpin(&c->key);
    err = set_iv(c, in->iv, in->iv_len);
    if (err != KGR_OK) {
        return err;
    }
    if (in->skey != NULL) {
        kgr_prov_key_set(&c->key, in->skey);
    } else if (in->key != NULL && in->key_len > 0) {
        err = set_handle(c, in->key, in->key_len);
    }
    if (err == KGR_OK) {
        err = kgr_prov_cipher_set(c, params);
    }
    /* The default peer is asked about at the first update only: a key may still be named. */
    if (err == KGR_OK && c->key.named.peer[0] != '\0') {
        err = pin(c);
    }
    c->broken = err != KGR_OK;
    return err;
}

enum kgr_error kgr_prov_cipher_again(struct kgr_prov_cipher *c, bool encrypt,
                                     const struct kgr_prov_cipher_input *in)
{
    enum kgr_suite_id suite = c->key.suite;
    enum kgr_error err;

    c->used = false;
    c->encrypt = encrypt;
    kgr_cleanse(c->pending, sizeof(c->pending));
    c->num_pending = 0;
    kgr_prov_key_unpin(&c->key);
    c->key.suite = suite;
    err = set_iv(c, in->iv, in->iv_len);
    c->broken = err != KGR_OK;
    return err;
}

static int cipher_encrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                               const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return kgr_prov_cipher_init(cctx, true, &in, params) == KGR_OK;
}

static int cipher_decrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                               const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return kgr_prov_cipher_init(cctx, false, &in, params) == KGR_OK;
}

static int cipher_encrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv,
                                    size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return kgr_prov_cipher_init(cctx, true, &in, params) == KGR_OK;
}

static int cipher_decrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv,
                                    size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return kgr_prov_cipher_init(cctx, false, &in, params) == KGR_OK;
}

enum kgr_error kgr_prov_cipher_ready(struct kgr_prov_cipher *c)
{
    if (!c->started) {
        return kgr_prov_refuse(c->prov, KGR_ERR_STATE, KGR_PROV_R_NOT_STARTED, "%s", c->spec->name);
    }
    if (c->broken) {
        return kgr_prov_refuse(c->prov, KGR_ERR_STATE, KGR_PROV_R_BROKEN,
                               "%s must be initialised again", c->spec->name);
    }
    if (!kgr_prov_key_is_pinned(&c->key)) {
        enum kgr_error err = pin(c);

        if (err != KGR_OK) {
            return err;
        }
    }
    if (!c->iv_set && c->spec->iv_len > 0) {
        return kgr_prov_refuse(c->prov, KGR_ERR_STATE, KGR_PROV_R_NO_IV,
                               "%s takes one of %zu bytes", c->spec->name, c->spec->iv_len);
    }
    return KGR_OK;
}

static enum kgr_error check_room(const struct kgr_prov_cipher *c, size_t len, size_t room)
{
    if (len > room) {
        return kgr_prov_refuse(c->prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                               "%zu bytes of output, room for %zu", len, room);
    }
    return KGR_OK;
}

/* EVP passes a NULL output for associated data, which no mode here has, and as it gets it. */
static enum kgr_error check_output(const struct kgr_prov_cipher *c, const uint8_t *out, size_t len)
{
    if (out == NULL && len > 0) {
        return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER,
                               "no output buffer; %s takes no associated data", c->spec->name);
    }
    return KGR_OK;
}

/* Takes input by one of the modes' functions, with room for out_cap bytes of output. */
typedef enum kgr_error step_fn(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                               size_t out_cap, const uint8_t *in, size_t in_len);

static enum kgr_error update_step(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                                  size_t out_cap, const uint8_t *in, size_t in_len)
{
    enum kgr_error err;

    if (c->spec->block_len > 1) {
        return kgr_prov_block_update(c, out, out_len, out_cap, in, in_len);
    }
    err = check_room(c, in_len, out_cap);
    if (err == KGR_OK) {
        err = kgr_prov_keystream_update(c, out, in, in_len);
    }
    if (err == KGR_OK) {
        *out_len = in_len;
    }
    return err;
}

static enum kgr_error raw_step(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                               size_t out_cap, const uint8_t *in, size_t in_len)
{
    enum kgr_error err = check_room(c, in_len, out_cap);

    if (err == KGR_OK) {
        err = c->spec->block_len > 1 ? kgr_prov_block_raw(c, out, in, in_len)
                                     : kgr_prov_keystream_update(c, out, in, in_len);
    }
    if (err == KGR_OK) {
        *out_len = in_len;
    }
    return err;
}

/*
 * What takes several requests is put together aside, so that the caller's buffer stays untouched if a
 * later one fails.
 */
static enum kgr_error run_aside(struct kgr_prov_cipher *c, step_fn *step, uint8_t *out,
                                size_t *out_len, size_t out_cap, const uint8_t *in, size_t in_len)
{
    size_t n = 0, cap = in_len + KGR_BLOCK_LEN;
    uint8_t *aside = malloc(cap);
    enum kgr_error err;

    if (aside == NULL) {
        return kgr_prov_no_memory(c->prov);
    }
    err = step(c, aside, &n, out_cap < cap ? out_cap : cap, in, in_len);
    if (err == KGR_OK) {
        memcpy(out, aside, n);
        *out_len = n;
    }
    kgr_cleanse(aside, cap);
    free(aside);
    return err;
}

static int run(struct kgr_prov_cipher *c, step_fn *step, uint8_t *out, size_t *out_len,
               size_t out_cap, const uint8_t *in, size_t in_len)
{
    if (kgr_prov_cipher_ready(c) != KGR_OK || check_output(c, out, in_len) != KGR_OK) {
        return 0;
    }
    c->used = true;
    if (in_len > KGR_DATA_MAX - c->num_pending) {
        return run_aside(c, step, out, out_len, out_cap, in, in_len) == KGR_OK;
    }
    return step(c, out, out_len, out_cap, in, in_len) == KGR_OK;
}

static int cipher_update(void *cctx, unsigned char *out, size_t *outl, size_t outsize,
                         const unsigned char *in, size_t inl)
{
    return run(cctx, update_step, out, outl, outsize, in, inl);
}

static int cipher_final(void *cctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct kgr_prov_cipher *c = cctx;

    if (kgr_prov_cipher_ready(c) != KGR_OK ||
        check_output(c, out, c->padding ? c->spec->block_len - 1 : 0) != KGR_OK) {
        return 0;
    }
    if (c->spec->block_len > 1) {
        return kgr_prov_block_final(c, out, outl, outsize) == KGR_OK;
    }
    *outl = 0;
    return 1;
}

/* EVP_Cipher(): the bare mode, without padding. */
static int cipher_cipher(void *cctx, unsigned char *out, size_t *outl, size_t outsize,
                         const unsigned char *in, size_t inl)
{
    return run(cctx, raw_step, out, outl, outsize, in, inl);
}

/* One cipher: its description and what cannot be told from the context alone. */
#define CIPHER(id, text, mode_id, evp_mode_id, key, block, iv, suite_id)                           \
    static const struct kgr_prov_cipher_spec id##_spec = {.name = (text),                          \
                                                          .mode = (mode_id),                       \
                                                          .evp_mode = (evp_mode_id),               \
                                                          .key_len = (key),                        \
                                                          .block_len = (block),                    \
                                                          .iv_len = (iv),                          \
                                                          .suite = (suite_id)};                    \
    static OSSL_FUNC_cipher_newctx_fn id##_newctx;                                                 \
    static void *id##_newctx(void *provctx)                                                        \
    {                                                                                              \
        return cipher_new(provctx, &id##_spec);                                                    \
    }                                                                                              \
    static OSSL_FUNC_cipher_get_params_fn id##_get_params;                                         \
    static int id##_get_params(OSSL_PARAM params[])                                                \
    {                                                                                              \
        return kgr_prov_cipher_get_params(&id##_spec, params);                                     \
    }                                                                                              \
    static const OSSL_DISPATCH id##_functions[] = {                                                \
        {OSSL_FUNC_CIPHER_NEWCTX, KGR_PROV_FN(id##_newctx)},                                       \
        {OSSL_FUNC_CIPHER_FREECTX, KGR_PROV_FN(cipher_freectx)},                                   \
        {OSSL_FUNC_CIPHER_DUPCTX, KGR_PROV_FN(cipher_dupctx)},                                     \
        {OSSL_FUNC_CIPHER_ENCRYPT_INIT, KGR_PROV_FN(cipher_encrypt_init)},                         \
        {OSSL_FUNC_CIPHER_DECRYPT_INIT, KGR_PROV_FN(cipher_decrypt_init)},                         \
        {OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT, KGR_PROV_FN(cipher_encrypt_skey_init)},               \
        {OSSL_FUNC_CIPHER_DECRYPT_SKEY_INIT, KGR_PROV_FN(cipher_decrypt_skey_init)},               \
        {OSSL_FUNC_CIPHER_UPDATE, KGR_PROV_FN(cipher_update)},                                     \
        {OSSL_FUNC_CIPHER_FINAL, KGR_PROV_FN(cipher_final)},                                       \
        {OSSL_FUNC_CIPHER_CIPHER, KGR_PROV_FN(cipher_cipher)},                                     \
        {OSSL_FUNC_CIPHER_GET_PARAMS, KGR_PROV_FN(id##_get_params)},                               \
        {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, KGR_PROV_FN(kgr_prov_cipher_get_ctx_params)},            \
        {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, KGR_PROV_FN(kgr_prov_cipher_set_ctx_params)},            \
        {OSSL_FUNC_CIPHER_GETTABLE_PARAMS, KGR_PROV_FN(kgr_prov_cipher_gettable_params)},          \
        {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, KGR_PROV_FN(kgr_prov_cipher_gettable_ctx_params)},  \
        {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, KGR_PROV_FN(kgr_prov_cipher_settable_ctx_params)},  \
        {0, NULL}};

#define CIPHER_128(id, mode, block, iv)                                                            \
    CIPHER(aes_128_##id, "KGR-AES-128-" #mode, KGR_MODE_##mode, EVP_CIPH_##mode##_MODE, 16, block, \
           iv, KGR_SUITE_AES_128_CBC_HMAC_SHA256)
#define CIPHER_256(id, mode, block, iv)                                                            \
    CIPHER(aes_256_##id, "KGR-AES-256-" #mode, KGR_MODE_##mode, EVP_CIPH_##mode##_MODE, 32, block, \
           iv, KGR_SUITE_AES_256_CBC_HMAC_SHA384)

CIPHER_128(ecb, ECB, 16, 0)
CIPHER_128(cbc, CBC, 16, 16)
CIPHER_128(ctr, CTR, 1, 16)
CIPHER_128(cfb, CFB, 1, 16)
CIPHER_128(ofb, OFB, 1, 16)
CIPHER_256(ecb, ECB, 16, 0)
CIPHER_256(cbc, CBC, 16, 16)
CIPHER_256(ctr, CTR, 1, 16)
CIPHER_256(cfb, CFB, 1, 16)
CIPHER_256(ofb, OFB, 1, 16)

#define OFFER(names, id)                                                                           \
    {                                                                                              \
        names, KGR_PROV_PROPERTIES, id##_functions, "AES with a key of a node pair"                \
    }

#define OFFER_OWN                                                                                  \
    OFFER("KGR-AES-128-CBC", aes_128_cbc), OFFER("KGR-AES-128-ECB", aes_128_ecb),                  \
        OFFER("KGR-AES-128-CTR", aes_128_ctr), OFFER("KGR-AES-128-CFB", aes_128_cfb),              \
        OFFER("KGR-AES-128-OFB", aes_128_ofb), OFFER("KGR-AES-256-CBC", aes_256_cbc),              \
        OFFER("KGR-AES-256-ECB", aes_256_ecb), OFFER("KGR-AES-256-CTR", aes_256_ctr),              \
        OFFER("KGR-AES-256-CFB", aes_256_cfb), OFFER("KGR-AES-256-OFB", aes_256_ofb),              \
        OFFER("KGR-AES-128-CBC-HMAC-SHA256-ETM", kgr_prov_aes_128_etm),                            \
        OFFER("KGR-AES-256-CBC-HMAC-SHA384-ETM", kgr_prov_aes_256_etm)

const OSSL_ALGORITHM kgr_prov_ciphers[] = {OFFER_OWN, {NULL, NULL, NULL, NULL}};

/*
 * The standard names are entries of their own, never aliases of ours: names of one entry become one
 * name for the whole library context, and a fetch of KGR-AES-128-CBC could then give the default
 * provider's cipher, with a handle for its key.
 */
const OSSL_ALGORITHM kgr_prov_ciphers_standard[] = {
    OFFER_OWN,
    OFFER("AES-128-CBC:AES128:2.16.840.1.101.3.4.1.2", aes_128_cbc),
    OFFER("AES-128-ECB:2.16.840.1.101.3.4.1.1", aes_128_ecb),
    OFFER("AES-128-CTR", aes_128_ctr),
    OFFER("AES-128-CFB:2.16.840.1.101.3.4.1.4", aes_128_cfb),
    OFFER("AES-128-OFB:2.16.840.1.101.3.4.1.3", aes_128_ofb),
    OFFER("AES-256-CBC:AES256:2.16.840.1.101.3.4.1.42", aes_256_cbc),
    OFFER("AES-256-ECB:2.16.840.1.101.3.4.1.41", aes_256_ecb),
    OFFER("AES-256-CTR", aes_256_ctr),
    OFFER("AES-256-CFB:2.16.840.1.101.3.4.1.44", aes_256_cfb),
    OFFER("AES-256-OFB:2.16.840.1.101.3.4.1.43", aes_256_ofb),
    {NULL, NULL, NULL, NULL}};
