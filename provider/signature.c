/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/error.h"
#include "provider/keymgmt.h"
#include "provider/mac.h"
#include "provider/provider.h"

#include <openssl/core_dispatch.h>

/*
 * EVP_DigestSign() with an EVP_PKEY of type KGR-HMAC: the MAC under its key. There is no verification,
 * as for OpenSSL's own MACs: the receiver computes the MAC again and compares.
 */
static OSSL_FUNC_signature_newctx_fn signature_newctx;
static OSSL_FUNC_signature_freectx_fn signature_freectx;
static OSSL_FUNC_signature_dupctx_fn signature_dupctx;
static OSSL_FUNC_signature_digest_sign_init_fn signature_digest_sign_init;
static OSSL_FUNC_signature_digest_sign_update_fn signature_digest_sign_update;
static OSSL_FUNC_signature_digest_sign_final_fn signature_digest_sign_final;

static void *signature_newctx(void *provctx, const char *propq)
{
    (void)propq;
    return kgr_prov_mac_newctx(provctx);
}

static void signature_freectx(void *ctx)
{
    kgr_prov_mac_freectx(ctx);
}

static void *signature_dupctx(void *ctx)
{
    return kgr_prov_mac_dupctx(ctx);
}

static int signature_digest_sign_init(void *ctx, const char *mdname, void *provkey,
                                      const OSSL_PARAM params[])
{
    return kgr_prov_mac_begin(ctx, kgr_prov_pkey_key(provkey), mdname, params);
}

static int signature_digest_sign_update(void *ctx, const unsigned char *data, size_t datalen)
{
    return kgr_prov_mac_update(ctx, data, datalen);
}

static int signature_digest_sign_final(void *ctx, unsigned char *sig, size_t *siglen,
                                       size_t sigsize)
{
    if (sig == NULL) {
        *siglen = kgr_prov_mac_size(ctx);
        return *siglen > 0;
    }
    return kgr_prov_mac_final(ctx, sig, siglen, sigsize);
}

static const OSSL_DISPATCH hmac_signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, KGR_PROV_FN(signature_newctx)},
    {OSSL_FUNC_SIGNATURE_FREECTX, KGR_PROV_FN(signature_freectx)},
    {OSSL_FUNC_SIGNATURE_DUPCTX, KGR_PROV_FN(signature_dupctx)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, KGR_PROV_FN(signature_digest_sign_init)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, KGR_PROV_FN(signature_digest_sign_update)},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, KGR_PROV_FN(signature_digest_sign_final)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_signatures[] = {
    {"KGR-HMAC", KGR_PROV_PROPERTIES, hmac_signature_functions, "HMAC with a key of a node pair"},
    {NULL, NULL, NULL, NULL}};
