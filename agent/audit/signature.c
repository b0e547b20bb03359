/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/signature.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "agent/base/text.h"
#include "agent/seal/digest.h"
#include "agent/seal/library.h"

#define LABEL_HEAD "KGR audit head 1"

/* TCG Algorithm Registry, and where the fields of a TPMT_PUBLIC stand that has no policy and an ECDSA scheme. */
#define ALG_ECC   0x0023u
#define NIST_P256 0x0003u

enum kgr_error kgr_audit_key_read(struct kgr_audit_key *out, struct kgr_slice pub)
{
    struct kgr_audit_key key;
    struct kgr_rd rd;
    bool is_p256;

    kgr_rd_init(&rd, pub.p, pub.len);
    is_p256 = kgr_rd_u16(&rd) == ALG_ECC;
    (void)kgr_rd_u16(&rd);                     /* nameAlg */
    (void)kgr_rd_u32(&rd);                     /* attributes */
    is_p256 = kgr_rd_u16(&rd) == 0 && is_p256; /* authPolicy */
    (void)kgr_rd_u16(&rd);                     /* symmetric: none */
    (void)kgr_rd_u16(&rd);                     /* scheme */
    (void)kgr_rd_u16(&rd);                     /* its hash */
    is_p256 = kgr_rd_u16(&rd) == NIST_P256 && is_p256;
    (void)kgr_rd_u16(&rd); /* kdf: none */
    is_p256 = kgr_rd_u16(&rd) == sizeof key.x && is_p256;
    kgr_rd_bytes(&rd, key.x, sizeof key.x);
    is_p256 = kgr_rd_u16(&rd) == sizeof key.y && is_p256;
    kgr_rd_bytes(&rd, key.y, sizeof key.y);
    if (!kgr_rd_done(&rd) || !is_p256)
        return KGR_ERR_CORRUPT;
    enum kgr_error err = kgr_sha256(key.id, &pub, 1);
    if (err == KGR_OK)
        *out = key;
    return err;
}

enum kgr_error kgr_audit_hash(uint8_t out[KGR_DIGEST_LEN], const uint8_t before[KGR_DIGEST_LEN],
                              struct kgr_slice covered)
{
    const struct kgr_slice parts[] = {
        kgr_slice(KGR_LABEL_AUDIT, strlen(KGR_LABEL_AUDIT)),
        kgr_slice(before, KGR_DIGEST_LEN),
        covered,
    };

    return kgr_sha256(out, parts, KGR_ARRAY_LEN(parts));
}

enum kgr_error kgr_audit_head_digest(uint8_t out[KGR_DIGEST_LEN], const uint8_t log[KGR_DIGEST_LEN],
                                     uint64_t id, const uint8_t hash[KGR_DIGEST_LEN])
{
    uint8_t number[8];
    struct kgr_wr wr;
    const struct kgr_slice parts[] = {
        kgr_slice(LABEL_HEAD, strlen(LABEL_HEAD)),
        kgr_slice(log, KGR_DIGEST_LEN),
        kgr_slice(number, sizeof number),
        kgr_slice(hash, KGR_DIGEST_LEN),
    };

    kgr_wr_init(&wr, number, sizeof number);
    kgr_wr_u64(&wr, id);
    return kgr_sha256(out, parts, KGR_ARRAY_LEN(parts));
}

char *kgr_audit_signature_text(char out[KGR_AUDIT_SIGNATURE_TEXT + 1],
                               const uint8_t signature[KGR_SIGNATURE_LEN])
{
    return kgr_base64url(out, signature, KGR_SIGNATURE_LEN);
}

static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Only what kgr_audit_signature_text writes: one text a signature. */
static bool read_text(uint8_t out[KGR_SIGNATURE_LEN], struct kgr_slice text)
{
    char again[KGR_AUDIT_SIGNATURE_TEXT + 1];
    uint32_t bits = 0;
    size_t num = 0;

    if (text.len != KGR_AUDIT_SIGNATURE_TEXT)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int d = digit(text.p[i]);

        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 != 0)
            out[num++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return memcmp(kgr_audit_signature_text(again, out), text.p, text.len) == 0;
}

static EVP_PKEY *public_key(const struct kgr_audit_key *key)
{
    uint8_t point[65] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    OSSL_LIB_CTX *library = kgr_crypto_library();
    EVP_PKEY_CTX *ctx = library == NULL ? NULL : EVP_PKEY_CTX_new_from_name(library, "EC", NULL);
    EVP_PKEY *pkey = NULL;

    memcpy(point + 1, key->x, sizeof key->x);
    memcpy(point + 33, key->y, sizeof key->y);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* r || s as the DER that OpenSSL verifies; *out is freed with OPENSSL_free. */
static int to_der(unsigned char **out, const uint8_t signature[KGR_SIGNATURE_LEN])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, KGR_SIGNATURE_LEN / 2, NULL);
    BIGNUM *s = BN_bin2bn(signature + KGR_SIGNATURE_LEN / 2, KGR_SIGNATURE_LEN / 2, NULL);
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

enum kgr_error kgr_audit_signature_verify(const struct kgr_audit_key *key, uint64_t id,
                                          const uint8_t hash[KGR_DIGEST_LEN], struct kgr_slice text)
{
    uint8_t signature[KGR_SIGNATURE_LEN], digest[KGR_DIGEST_LEN];
    unsigned char *der = NULL;
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *ctx;
    int len;
    enum kgr_error err;

    if (!read_text(signature, text))
        return KGR_ERR_CORRUPT;
    err = kgr_audit_head_digest(digest, key->id, id, hash);
    if (err != KGR_OK)
        return err;
    pkey = public_key(key);
    ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(kgr_crypto_library(), pkey, NULL);
    len = to_der(&der, signature);
    if (ctx == NULL || len <= 0 || EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_verify(ctx, der, (size_t)len, digest, sizeof digest) != 1)
        err = KGR_ERR_CORRUPT;
    OPENSSL_free(der);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return err;
}
