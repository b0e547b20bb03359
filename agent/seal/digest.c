/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/digest.h"

#include <stdbool.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "agent/base/secret.h"
#include "agent/seal/library.h"

static enum kgr_error digest(uint8_t *out, size_t out_len, const char *name,
                             const struct kgr_slice *parts, size_t num_parts)
{
    OSSL_LIB_CTX *library = kgr_crypto_library();
    EVP_MD *md = library == NULL ? NULL : EVP_MD_fetch(library, name, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    bool ok = md != NULL && ctx != NULL;

    ok = ok && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
    for (size_t i = 0; ok && i < num_parts; i++)
        ok = parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, hash, &n) == 1 && n == out_len;
    if (ok)
        kgr_copy(out, hash, out_len);
    kgr_cleanse(hash, sizeof(hash));
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

enum kgr_error kgr_sha256(uint8_t out[KGR_SHA256_LEN], const struct kgr_slice *parts,
                          size_t num_parts)
{
    return digest(out, KGR_SHA256_LEN, "SHA256", parts, num_parts);
}

enum kgr_error kgr_sha384(uint8_t out[KGR_SHA384_LEN], const struct kgr_slice *parts,
                          size_t num_parts)
{
    return digest(out, KGR_SHA384_LEN, "SHA384", parts, num_parts);
}

enum kgr_error kgr_sha512(uint8_t out[KGR_SHA512_LEN], const struct kgr_slice *parts,
                          size_t num_parts)
{
    return digest(out, KGR_SHA512_LEN, "SHA512", parts, num_parts);
}

enum kgr_error kgr_hmac_sha256(uint8_t out[KGR_SHA256_LEN], struct kgr_slice key,
                               const struct kgr_slice *parts, size_t num_parts)
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    OSSL_LIB_CTX *library = kgr_crypto_library();
    EVP_MAC *mac = library == NULL ? NULL : EVP_MAC_fetch(library, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    static const uint8_t empty[1];
    size_t n = 0;
    bool ok = ctx != NULL;

    /* EVP reads a NULL key as "keep the old one", so an empty key needs an address. */
    ok = ok && EVP_MAC_init(ctx, key.len == 0 ? empty : key.p, key.len, params) == 1;
    for (size_t i = 0; ok && i < num_parts; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(ctx, out, &n, KGR_SHA256_LEN) == 1 && n == KGR_SHA256_LEN;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}
