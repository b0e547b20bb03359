/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/crypto.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "agent/base/secret.h"

#define HMAC_BLOCK_LEN 64 /* of SHA-256 */

struct kgr_tpm_crypto {
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    EVP_CIPHER *cfb;
    EVP_CIPHER_CTX *cipher;
};

/*
 * A context of our own with the built-in provider: the host's openssl.cnf may name kgr.so, and then what
 * talks to the TPM would ask the agent, which is to say itself.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library;

static void make_library(void)
{
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return;
    library = OSSL_LIB_CTX_new();
    if (library != NULL && OSSL_PROVIDER_load(library, "default") == NULL) {
        OSSL_LIB_CTX_free(library);
        library = NULL;
    }
}

/* false: libcrypto is unusable; library must not be used then, because NULL is the host's context. */
static bool have_library(void)
{
    return pthread_once(&once, make_library) == 0 && library != NULL;
}

OSSL_LIB_CTX *kgr_tpm_library(void)
{
    return have_library() ? library : NULL;
}

void kgr_tpm_crypto_free(struct kgr_tpm_crypto *crypto)
{
    if (crypto == NULL)
        return;
    EVP_CIPHER_CTX_free(crypto->cipher);
    EVP_CIPHER_free(crypto->cfb);
    EVP_MD_CTX_free(crypto->md);
    EVP_MD_free(crypto->sha256);
    free(crypto);
}

enum kgr_error kgr_tpm_crypto_new(struct kgr_tpm_crypto **out)
{
    struct kgr_tpm_crypto *crypto = calloc(1, sizeof(*crypto));

    if (crypto == NULL)
        return KGR_ERR_NO_MEMORY;
    if (!have_library()) {
        free(crypto);
        return KGR_ERR_FAILED;
    }
    crypto->sha256 = EVP_MD_fetch(library, "SHA256", NULL);
    crypto->md = EVP_MD_CTX_new();
    crypto->cfb = EVP_CIPHER_fetch(library, "AES-128-CFB", NULL);
    crypto->cipher = EVP_CIPHER_CTX_new();
    if (crypto->sha256 == NULL || crypto->md == NULL || crypto->cfb == NULL ||
        crypto->cipher == NULL) {
        kgr_tpm_crypto_free(crypto);
        return KGR_ERR_FAILED;
    }
    *out = crypto;
    return KGR_OK;
}

enum kgr_error kgr_tpm_digest256(uint8_t out[KGR_TPM_HASH_LEN], struct kgr_slice data)
{
    if (!have_library() || EVP_Q_digest(library, "SHA256", NULL, data.p, data.len, out, NULL) != 1)
        return KGR_ERR_FAILED;
    return KGR_OK;
}

enum kgr_error kgr_tpm_digest384(uint8_t out[48], struct kgr_slice data)
{
    if (!have_library() || EVP_Q_digest(library, "SHA384", NULL, data.p, data.len, out, NULL) != 1)
        return KGR_ERR_FAILED;
    return KGR_OK;
}

enum kgr_error kgr_tpm_sha256(struct kgr_tpm_crypto *crypto, uint8_t out[KGR_TPM_HASH_LEN],
                              const struct kgr_slice *parts, size_t num_parts)
{
    if (EVP_DigestInit_ex2(crypto->md, crypto->sha256, NULL) != 1)
        return KGR_ERR_FAILED;
    for (size_t i = 0; i < num_parts; i++) {
        if (EVP_DigestUpdate(crypto->md, parts[i].p, parts[i].len) != 1)
            return KGR_ERR_FAILED;
    }
    return EVP_DigestFinal_ex(crypto->md, out, NULL) == 1 ? KGR_OK : KGR_ERR_FAILED;
}

/* hash_key begins a hash with the block of a key, changed by pad. */
static bool hash_key(struct kgr_tpm_crypto *crypto, uint8_t block[HMAC_BLOCK_LEN], uint8_t pad)
{
    for (size_t i = 0; i < HMAC_BLOCK_LEN; i++)
        block[i] ^= pad;
    return EVP_DigestInit_ex2(crypto->md, crypto->sha256, NULL) == 1 &&
           EVP_DigestUpdate(crypto->md, block, HMAC_BLOCK_LEN) == 1;
}

/* RFC 2104. EVP_MAC would fetch the hash for every key, and keep its own copy of that outside of the arena. */
enum kgr_error kgr_tpm_hmac256(struct kgr_tpm_crypto *crypto, uint8_t out[KGR_TPM_HASH_LEN],
                               struct kgr_slice key, const struct kgr_slice *parts,
                               size_t num_parts)
{
    uint8_t block[HMAC_BLOCK_LEN] = {0};
    uint8_t inner[KGR_TPM_HASH_LEN];
    enum kgr_error err = KGR_OK;
    bool ok;

    if (key.len > sizeof(block))
        err = kgr_tpm_sha256(crypto, block, &key, 1);
    else
        kgr_copy(block, key.p, key.len);
    ok = err == KGR_OK && hash_key(crypto, block, 0x36);
    for (size_t i = 0; ok && i < num_parts; i++)
        ok = EVP_DigestUpdate(crypto->md, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(crypto->md, inner, NULL) == 1 &&
         hash_key(crypto, block, 0x36 ^ 0x5c) &&
         EVP_DigestUpdate(crypto->md, inner, sizeof(inner)) == 1 &&
         EVP_DigestFinal_ex(crypto->md, out, NULL) == 1;
    kgr_cleanse(block, sizeof(block));
    kgr_cleanse(inner, sizeof(inner));
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

enum kgr_error kgr_tpm_kdfa256(struct kgr_tpm_crypto *crypto, uint8_t out[KGR_TPM_HASH_LEN],
                               struct kgr_slice key, const char *label, struct kgr_slice u,
                               struct kgr_slice v)
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    static const uint8_t bits[4] = {0, 0, 1, 0};
    const struct kgr_slice parts[] = {
        kgr_slice(counter, sizeof(counter)), kgr_slice(label, strlen(label) + 1), u, v,
        kgr_slice(bits, sizeof(bits)),
    };

    return kgr_tpm_hmac256(crypto, out, key, parts, KGR_ARRAY_LEN(parts));
}

enum kgr_error kgr_tpm_cfb128(struct kgr_tpm_crypto *crypto, bool encrypt, const uint8_t key[16],
                              const uint8_t iv[16], uint8_t *data, size_t len)
{
    int done = 0;
    bool ok =
        len <= INT32_MAX &&
        EVP_CipherInit_ex2(crypto->cipher, crypto->cfb, key, iv, encrypt ? 1 : 0, NULL) == 1 &&
        EVP_CipherUpdate(crypto->cipher, data, &done, data, (int)len) == 1 && (size_t)done == len;

    /* With it goes the key schedule, which is outside of the arena. */
    return EVP_CIPHER_CTX_reset(crypto->cipher) == 1 && ok ? KGR_OK : KGR_ERR_FAILED;
}
