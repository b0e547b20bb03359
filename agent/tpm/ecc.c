/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/ecc.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "agent/tpm/crypto.h"

#define POINT_MAX (1 + 2 * KGR_TPM_ECC_MAX)

static const char *group_of(enum kgr_tpm_curve curve)
{
    return curve == KGR_TPM_P384 ? "P-384" : "P-256";
}

/* The public key at a point; NULL when there is no such point, or libcrypto failed. */
static EVP_PKEY *public_key(const struct kgr_tpm_point *at)
{
    size_t len = kgr_tpm_curve_len(at->curve);
    uint8_t point[POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * len),
        OSSL_PARAM_construct_end(),
    };
    OSSL_LIB_CTX *library = kgr_tpm_library();
    EVP_PKEY_CTX *ctx = library == NULL ? NULL : EVP_PKEY_CTX_new_from_name(library, "EC", NULL);
    EVP_PKEY *key = NULL;

    kgr_copy(group, group_of(at->curve), sizeof(group));
    kgr_copy(point + 1, at->x, len);
    kgr_copy(point + 1 + len, at->y, len);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static enum kgr_error ephemeral(EVP_PKEY **out, struct kgr_tpm_point *out_point,
                                enum kgr_tpm_curve curve)
{
    size_t coordinate = kgr_tpm_curve_len(curve);
    uint8_t point[POINT_MAX];
    size_t len = 0;
    OSSL_LIB_CTX *library = kgr_tpm_library();
    EVP_PKEY *key =
        library == NULL ? NULL : EVP_PKEY_Q_keygen(library, NULL, "EC", group_of(curve));

    if (key == NULL ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) !=
            1 ||
        len != 1 + 2 * coordinate || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
        EVP_PKEY_free(key);
        return KGR_ERR_FAILED;
    }
    out_point->curve = curve;
    kgr_copy(out_point->x, point + 1, coordinate);
    kgr_copy(out_point->y, point + 1 + coordinate, coordinate);
    *out = key;
    return KGR_OK;
}

/* The x coordinate of the shared point, at full length. */
static enum kgr_error agree(uint8_t *z, size_t z_len, EVP_PKEY *own, EVP_PKEY *peer)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(kgr_tpm_library(), own, NULL);
    size_t len = z_len;
    enum kgr_error err = KGR_OK;

    if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
        EVP_PKEY_derive(ctx, z, &len) != 1 || len != z_len)
        err = KGR_ERR_FAILED;
    EVP_PKEY_CTX_free(ctx);
    return err;
}

/* KDFe (TPM 2.0 Part 1, "KDFe") for as many bits as the hash has: one round of it. */
static enum kgr_error kdfe(uint8_t *out, const uint8_t *z, const char *label,
                           const struct kgr_tpm_point *u, const struct kgr_tpm_point *v)
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    size_t len = kgr_tpm_curve_len(v->curve);
    const struct kgr_slice parts[] = {
        kgr_slice(counter, sizeof(counter)),
        kgr_slice(z, len),
        kgr_slice(label, strlen(label) + 1),
        kgr_slice(u->x, len),
        kgr_slice(v->x, len),
    };
    EVP_MD *md =
        EVP_MD_fetch(kgr_tpm_library(), v->curve == KGR_TPM_P384 ? "SHA384" : "SHA256", NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md != NULL && ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1;

    for (size_t i = 0; ok && i < KGR_ARRAY_LEN(parts); i++)
        ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return ok ? KGR_OK : KGR_ERR_FAILED;
}

enum kgr_error kgr_tpm_share(uint8_t *out_seed, struct kgr_tpm_point *out_point,
                             const struct kgr_tpm_point *peer, const char *label)
{
    size_t len = kgr_tpm_curve_len(peer->curve);
    uint8_t *z = kgr_secret_alloc(len);
    EVP_PKEY *far = public_key(peer);
    EVP_PKEY *own = NULL;
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (z == NULL)
        goto out;
    err = KGR_ERR_CORRUPT; /* not a point of the curve */
    if (far == NULL)
        goto out;
    err = ephemeral(&own, out_point, peer->curve);
    if (err == KGR_OK)
        err = agree(z, len, own, far);
    if (err == KGR_OK)
        err = kdfe(out_seed, z, label, out_point, peer);
out:
    EVP_PKEY_free(own);
    EVP_PKEY_free(far);
    kgr_secret_free(z);
    return err;
}

/* r || s as the DER that OpenSSL verifies; *out is freed with OPENSSL_free. */
static int signature_der(unsigned char **out, const uint8_t signature[KGR_P256_SIGNATURE_LEN])
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

enum kgr_error kgr_tpm_verify_p256(const struct kgr_tpm_point *at, const uint8_t digest[32],
                                   const uint8_t signature[KGR_P256_SIGNATURE_LEN])
{
    unsigned char *der = NULL;
    EVP_PKEY *key = at->curve == KGR_TPM_P256 ? public_key(at) : NULL;
    EVP_PKEY_CTX *ctx =
        key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(kgr_tpm_library(), key, NULL);
    int len = signature_der(&der, signature);
    enum kgr_error err = KGR_ERR_CORRUPT;

    if (ctx != NULL && len > 0 && EVP_PKEY_verify_init(ctx) == 1 &&
        EVP_PKEY_verify(ctx, der, (size_t)len, digest, 32) == 1)
        err = KGR_OK;
    OPENSSL_free(der);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}
