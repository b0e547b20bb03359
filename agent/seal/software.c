/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/software.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "agent/base/secret.h"
#include "agent/seal/library.h"

struct kgr_software_key {
    enum kgr_suite suite;
    EVP_CIPHER *cipher; /* owned */
    EVP_MAC *mac;       /* owned */
    uint8_t *enc_key;   /* owned, in the arena */
    uint8_t *mac_key;   /* owned, in the arena */
    size_t mac_key_len;
};

static uint8_t *copy_secret(struct kgr_slice bytes)
{
    uint8_t *p = kgr_secret_alloc(bytes.len);

    if (p != NULL)
        kgr_copy(p, bytes.p, bytes.len);
    return p;
}

enum kgr_error kgr_software_key_new(struct kgr_software_key **out, enum kgr_suite suite,
                                    struct kgr_slice enc, struct kgr_slice mac)
{
    struct kgr_software_key *key;
    OSSL_LIB_CTX *library;
    bool wide;

    if (!kgr_suite_known(suite) || enc.len != kgr_suite_enc_key_len(suite) ||
        (mac.len != kgr_suite_mac_key_len(suite) && mac.len != kgr_suite_mac_key_len(suite) / 2))
        return KGR_ERR_INVALID;
    library = kgr_crypto_library();
    if (library == NULL)
        return KGR_ERR_FAILED;
    key = calloc(1, sizeof(*key));
    if (key == NULL)
        return KGR_ERR_NO_MEMORY;
    wide = suite == KGR_SUITE_AES256_SHA384;
    key->suite = suite;
    key->mac_key_len = mac.len;
    key->cipher = EVP_CIPHER_fetch(library, wide ? "AES-256-CBC" : "AES-128-CBC", NULL);
    key->mac = EVP_MAC_fetch(library, "HMAC", NULL);
    if (key->cipher == NULL || key->mac == NULL) {
        kgr_software_key_free(key);
        return KGR_ERR_FAILED;
    }
    key->enc_key = copy_secret(enc);
    key->mac_key = copy_secret(mac);
    if (key->enc_key == NULL || key->mac_key == NULL) {
        kgr_software_key_free(key);
        return KGR_ERR_NO_MEMORY;
    }
    *out = key;
    return KGR_OK;
}

void kgr_software_key_free(struct kgr_software_key *key)
{
    if (key == NULL)
        return;
    kgr_secret_free(key->enc_key);
    kgr_secret_free(key->mac_key);
    EVP_CIPHER_free(key->cipher);
    EVP_MAC_free(key->mac);
    free(key);
}

static enum kgr_error cbc(const struct kgr_software_key *key, const uint8_t *iv, const uint8_t *in,
                          size_t len, uint8_t *out, int encrypt)
{
    enum kgr_error err = KGR_ERR_FAILED;
    EVP_CIPHER_CTX *ctx;
    int n = 0;

    if (len > INT_MAX)
        return KGR_ERR_TOO_LARGE;
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return KGR_ERR_NO_MEMORY;
    /* Without padding, update hands out every block and final has nothing left to say. */
    if (EVP_CipherInit_ex2(ctx, key->cipher, key->enc_key, iv, encrypt, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
        EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len)
        err = KGR_OK;
    EVP_CIPHER_CTX_free(ctx);
    return err;
}

static enum kgr_error cbc_encrypt(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                  uint8_t *out)
{
    return cbc(ctx, iv, in, len, out, 1);
}

static enum kgr_error cbc_decrypt(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                  uint8_t *out)
{
    return cbc(ctx, iv, in, len, out, 0);
}

static enum kgr_error hmac(void *arg, const struct kgr_slice *parts, size_t num_parts, uint8_t *out)
{
    const struct kgr_software_key *key = arg;
    size_t hash_len = kgr_suite_hash_len(key->suite);
    char digest[] = "SHA384";
    OSSL_PARAM params[2];
    EVP_MAC_CTX *ctx;
    size_t n = 0;
    bool ok;

    if (key->suite == KGR_SUITE_AES128_SHA256)
        kgr_copy(digest, "SHA256", sizeof(digest));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[1] = OSSL_PARAM_construct_end();
    ctx = EVP_MAC_CTX_new(key->mac);
    if (ctx == NULL)
        return KGR_ERR_NO_MEMORY;
    ok = EVP_MAC_init(ctx, key->mac_key, key->mac_key_len, params) == 1;
    for (size_t i = 0; ok && i < num_parts; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(ctx, out, &n, hash_len) == 1 && n == hash_len;
    EVP_MAC_CTX_free(ctx);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

enum kgr_error kgr_software_cipher(const struct kgr_software_key *key, int mode, bool encrypt,
                                   uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len,
                                   uint8_t *out)
{
    static const char *const narrow[] = {NULL,          "AES-128-ECB", "AES-128-CBC",
                                         "AES-128-CTR", "AES-128-CFB", "AES-128-OFB"};
    static const char *const wide[] = {NULL,          "AES-256-ECB", "AES-256-CBC",
                                       "AES-256-CTR", "AES-256-CFB", "AES-256-OFB"};
    enum kgr_error err = KGR_ERR_FAILED;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    int n = 0;

    if (mode < 1 || (size_t)mode >= KGR_ARRAY_LEN(narrow))
        return KGR_ERR_UNSUPPORTED;
    if (len > INT_MAX)
        return KGR_ERR_TOO_LARGE;
    cipher =
        EVP_CIPHER_fetch(kgr_crypto_library(),
                         key->suite == KGR_SUITE_AES256_SHA384 ? wide[mode] : narrow[mode], NULL);
    ctx = EVP_CIPHER_CTX_new();
    if (cipher != NULL && ctx != NULL &&
        EVP_CipherInit_ex2(ctx, cipher, key->enc_key, iv, encrypt ? 1 : 0, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
        EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len &&
        (EVP_CIPHER_get_iv_length(cipher) == 0 ||
         EVP_CIPHER_CTX_get_updated_iv(ctx, iv, KGR_IV_LEN) == 1))
        err = KGR_OK;
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return err;
}

struct kgr_software_stream {
    EVP_MD_CTX *inner; /* owned; NULL: ended */
    EVP_MD_CTX *outer; /* owned */
    size_t hash_len;
};

/* A hash that has taken the key, padded to a block and masked: whole blocks leave no trace in its buffer. */
static EVP_MD_CTX *masked(const struct kgr_software_key *key, EVP_MD *md, uint8_t mask)
{
    size_t len = (size_t)EVP_MD_get_block_size(md);
    uint8_t *block = kgr_secret_alloc(len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = block != NULL && ctx != NULL && key->mac_key_len <= len;

    for (size_t i = 0; ok && i < len; i++)
        block[i] = (uint8_t)((i < key->mac_key_len ? key->mac_key[i] : 0) ^ mask);
    ok = ok && EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, block, len) == 1;
    kgr_secret_free(block);
    if (ok)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

enum kgr_error kgr_software_stream_start(const struct kgr_software_key *key,
                                         struct kgr_software_stream **out)
{
    struct kgr_software_stream *stream = calloc(1, sizeof(*stream));
    EVP_MD *md = EVP_MD_fetch(kgr_crypto_library(),
                              key->suite == KGR_SUITE_AES256_SHA384 ? "SHA384" : "SHA256", NULL);

    if (stream != NULL && md != NULL) {
        stream->hash_len = kgr_suite_hash_len(key->suite);
        stream->inner = masked(key, md, 0x36);
        stream->outer = masked(key, md, 0x5c);
    }
    EVP_MD_free(md);
    if (stream == NULL || stream->inner == NULL || stream->outer == NULL) {
        kgr_software_stream_free(stream);
        return KGR_ERR_NO_MEMORY;
    }
    *out = stream;
    return KGR_OK;
}

enum kgr_error kgr_software_stream_update(struct kgr_software_stream *stream, struct kgr_slice data)
{
    if (stream->inner == NULL)
        return KGR_ERR_STATE;
    return data.len == 0 || EVP_DigestUpdate(stream->inner, data.p, data.len) == 1 ? KGR_OK
                                                                                   : KGR_ERR_FAILED;
}

enum kgr_error kgr_software_stream_final(struct kgr_software_stream *stream, uint8_t *out,
                                         size_t out_len)
{
    uint8_t hash[KGR_HASH_MAX];
    bool ok;

    if (stream->inner == NULL)
        return KGR_ERR_STATE;
    if (out_len != stream->hash_len)
        return KGR_ERR_INVALID;
    ok = EVP_DigestFinal_ex(stream->inner, hash, NULL) == 1 &&
         EVP_DigestUpdate(stream->outer, hash, stream->hash_len) == 1 &&
         EVP_DigestFinal_ex(stream->outer, out, NULL) == 1;
    kgr_cleanse(hash, sizeof(hash));
    EVP_MD_CTX_free(stream->inner);
    stream->inner = NULL;
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

void kgr_software_stream_free(struct kgr_software_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_MD_CTX_free(stream->inner);
    EVP_MD_CTX_free(stream->outer);
    free(stream);
}

struct kgr_seal_key kgr_software_key_seal(struct kgr_software_key *key)
{
    static const struct kgr_seal_vtable vt = {
        .cbc_encrypt = cbc_encrypt,
        .cbc_decrypt = cbc_decrypt,
        .hmac = hmac,
    };
    struct kgr_seal_key seal = {.vt = &vt, .ctx = key, .suite = key->suite};

    return seal;
}
