/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/seal/library.h"

/* OSSL_PARAM has no const for what is only read; the KDF does not write through it. */
static OSSL_PARAM octets(const char *name, struct kgr_slice s)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)s.p, s.len);
}

enum kgr_error kgr_hkdf(uint8_t *out, size_t out_len, struct kgr_slice secret,
                        struct kgr_slice salt, struct kgr_slice info)
{
    char name[] = "SHA256";
    OSSL_PARAM params[5];
    size_t num = 0;
    OSSL_LIB_CTX *library = kgr_crypto_library();
    EVP_KDF_CTX *ctx;
    EVP_KDF *kdf;
    int ok;

    if (secret.len == 0 || out_len == 0 || out_len > 255 * (size_t)KGR_SHA256_LEN)
        return KGR_ERR_INVALID;
    kdf = library == NULL ? NULL : EVP_KDF_fetch(library, "HKDF", NULL);
    ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    params[num++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0);
    params[num++] = octets(OSSL_KDF_PARAM_KEY, secret);
    if (salt.len != 0)
        params[num++] = octets(OSSL_KDF_PARAM_SALT, salt);
    if (info.len != 0)
        params[num++] = octets(OSSL_KDF_PARAM_INFO, info);
    params[num] = OSSL_PARAM_construct_end();
    ok = ctx != NULL && EVP_KDF_derive(ctx, out, out_len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    if (!ok)
        kgr_cleanse(out, out_len);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}
