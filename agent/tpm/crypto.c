/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/crypto.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>

#include "agent/base/secret.h"

struct kgr_tpm_crypto {
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
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

void kgr_tpm_crypto_free(struct kgr_tpm_crypto *crypto)
{
    if (crypto == NULL)
        return;
    EVP_CIPHER_CTX_free(crypto->cipher);
    EVP_CIPHER_free(crypto->cfb);
    EVP_MAC_CTX_free(crypto->mac);
    EVP_MAC_free(crypto->hmac);
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
    crypto->hmac = EVP_MAC_fetch(library, "HMAC", NULL);
    crypto->mac = crypto->hmac == NULL ? NULL : EVP_MAC_CTX_new(crypto->hmac);
    crypto->cfb = EVP_CIPHER_fetch(library, "AES-128-CFB", NULL);
    crypto->cipher = EVP_CIPHER_CTX_new();
    if (crypto->sha256 == NULL || crypto->md == NULL || crypto->mac == NULL ||
        crypto->cfb == NULL || crypto->cipher == NULL) {
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

enum kgr_error kgr_tpm_hmac256(struct kgr_tpm_crypto *crypto, uint8_t out[KGR_TPM_HASH_LEN],
                               struct kgr_slice key, const struct kgr_slice *parts,
                               size_t num_parts)
{
    char digest[] = "SHA256";
    const uint8_t none = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t len = 0;

    /* A NULL key would mean "the one before". */
    if (EVP_MAC_init(crypto->mac, key.len == 0 ? &none : key.p, key.len, params) != 1)
        return KGR_ERR_FAILED;
    for (size_t i = 0; i < num_parts; i++) {
        if (EVP_MAC_update(crypto->mac, parts[i].p, parts[i].len) != 1)
            return KGR_ERR_FAILED;
    }
    if (EVP_MAC_final(crypto->mac, out, &len, KGR_TPM_HASH_LEN) != 1 || len != KGR_TPM_HASH_LEN)
        return KGR_ERR_FAILED;
    /* libcrypto's copy of the key is outside of the arena: an empty key takes its place. */
    return EVP_MAC_init(crypto->mac, &none, 0, NULL) == 1 ? KGR_OK : KGR_ERR_FAILED;
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

/* The public key at (x, y); NULL when there is no such point, or libcrypto failed. */
static EVP_PKEY *p256_public(const uint8_t x[KGR_P256_LEN], const uint8_t y[KGR_P256_LEN])
{
    uint8_t point[1 + 2 * KGR_P256_LEN];
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = have_library() ? EVP_PKEY_CTX_new_from_name(library, "EC", NULL) : NULL;
    EVP_PKEY *key = NULL;

    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    kgr_copy(point + 1, x, KGR_P256_LEN);
    kgr_copy(point + 1 + KGR_P256_LEN, y, KGR_P256_LEN);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static enum kgr_error p256_ephemeral(EVP_PKEY **out, uint8_t out_x[KGR_P256_LEN],
                                     uint8_t out_y[KGR_P256_LEN])
{
    uint8_t point[1 + 2 * KGR_P256_LEN];
    size_t len = 0;
    EVP_PKEY *key = have_library() ? EVP_PKEY_Q_keygen(library, NULL, "EC", "P-256") : NULL;

    if (key == NULL ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) !=
            1 ||
        len != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
        EVP_PKEY_free(key);
        return KGR_ERR_FAILED;
    }
    kgr_copy(out_x, point + 1, KGR_P256_LEN);
    kgr_copy(out_y, point + 1 + KGR_P256_LEN, KGR_P256_LEN);
    *out = key;
    return KGR_OK;
}

/* The x coordinate of the shared point, at full length. */
static enum kgr_error p256_agree(uint8_t z[KGR_P256_LEN], EVP_PKEY *own, EVP_PKEY *peer)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(library, own, NULL);
    size_t len = KGR_P256_LEN;
    enum kgr_error err = KGR_OK;

    if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
        EVP_PKEY_derive(ctx, z, &len) != 1 || len != KGR_P256_LEN)
        err = KGR_ERR_FAILED;
    EVP_PKEY_CTX_free(ctx);
    return err;
}

enum kgr_error kgr_tpm_p256_salt(struct kgr_tpm_crypto *crypto, uint8_t out_salt[KGR_TPM_HASH_LEN],
                                 uint8_t out_x[KGR_P256_LEN], uint8_t out_y[KGR_P256_LEN],
                                 const uint8_t x[KGR_P256_LEN], const uint8_t y[KGR_P256_LEN])
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    uint8_t *z = kgr_secret_alloc(KGR_P256_LEN);
    EVP_PKEY *peer = p256_public(x, y);
    EVP_PKEY *own = NULL;
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (z == NULL)
        goto out;
    err = KGR_ERR_CORRUPT; /* not a point of the curve */
    if (peer == NULL)
        goto out;
    err = p256_ephemeral(&own, out_x, out_y);
    if (err == KGR_OK)
        err = p256_agree(z, own, peer);
    if (err == KGR_OK) {
        const struct kgr_slice parts[] = {
            kgr_slice(counter, sizeof(counter)),
            kgr_slice(z, KGR_P256_LEN),
            kgr_slice("SECRET", sizeof("SECRET")),
            kgr_slice(out_x, KGR_P256_LEN),
            kgr_slice(x, KGR_P256_LEN),
        };
        err = kgr_tpm_sha256(crypto, out_salt, parts, KGR_ARRAY_LEN(parts));
    }
out:
    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    kgr_secret_free(z);
    return err;
}

/* r || s as the DER that OpenSSL verifies; *out is freed with OPENSSL_free. */
static int signature_der(unsigned char **out, const uint8_t signature[KGR_TPM_SIGNATURE_LEN])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, KGR_P256_LEN, NULL);
    BIGNUM *s = BN_bin2bn(signature + KGR_P256_LEN, KGR_P256_LEN, NULL);
    int len = -1;

    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = NULL; /* now sig's */
        s = NULL;
        len = i2d_ECDSA_SIG(sig, out);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len;
}

enum kgr_error kgr_tpm_p256_verify(const uint8_t x[KGR_P256_LEN], const uint8_t y[KGR_P256_LEN],
                                   const uint8_t digest[KGR_TPM_HASH_LEN],
                                   const uint8_t signature[KGR_TPM_SIGNATURE_LEN])
{
    unsigned char *der = NULL;
    EVP_PKEY *key = p256_public(x, y);
    EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(library, key, NULL);
    int len = signature_der(&der, signature);
    enum kgr_error err = KGR_ERR_CORRUPT;

    if (ctx != NULL && len > 0 && EVP_PKEY_verify_init(ctx) == 1 &&
        EVP_PKEY_verify(ctx, der, (size_t)len, digest, KGR_TPM_HASH_LEN) == 1)
        err = KGR_OK;
    OPENSSL_free(der);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}
