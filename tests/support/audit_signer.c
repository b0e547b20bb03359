/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/audit_signer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

struct audit_signer {
    EVP_PKEY *key;
    uint8_t pub[128];
    size_t pub_len;
    uint8_t id[KGR_DIGEST_LEN];
};

struct audit_signer *audit_signer_new(void)
{
    /* ECC, SHA-256, sign and what a fixed key has, no policy, ECDSA with SHA-256 on P-256 */
    static const uint8_t front[] = {0x00, 0x23, 0x00, 0x0b, 0x00, 0x04, 0x04, 0x72, 0x00, 0x00,
                                    0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10};
    struct audit_signer *signer = calloc(1, sizeof *signer);
    struct kgr_audit_key key;
    uint8_t point[65];
    size_t len = 0;
    struct kgr_wr wr;

    assert_non_null(signer);
    signer->key = EVP_EC_gen("P-256");
    assert_non_null(signer->key);
    assert_int_equal(EVP_PKEY_get_octet_string_param(signer->key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     sizeof point, &len),
                     1);
    assert_int_equal(len, sizeof point);
    kgr_wr_init(&wr, signer->pub, sizeof signer->pub);
    kgr_wr_bytes(&wr, front, sizeof front);
    kgr_wr_vec16(&wr, kgr_slice(point + 1, 32));
    kgr_wr_vec16(&wr, kgr_slice(point + 33, 32));
    assert_true(kgr_wr_ok(&wr));
    signer->pub_len = wr.len;
    assert_int_equal(kgr_audit_key_read(&key, kgr_wr_slice(&wr)), KGR_OK);
    memcpy(signer->id, key.id, sizeof signer->id);
    return signer;
}

void audit_signer_free(struct audit_signer *signer)
{
    EVP_PKEY_free(signer->key);
    free(signer);
}

struct kgr_slice audit_signer_public(const struct audit_signer *signer)
{
    return kgr_slice(signer->pub, signer->pub_len);
}

void audit_signer_sign(const struct audit_signer *signer, char text[KGR_AUDIT_SIGNATURE_TEXT + 1],
                       uint64_t id, const uint8_t hash[KGR_DIGEST_LEN])
{
    uint8_t digest[KGR_DIGEST_LEN], der[80], signature[KGR_SIGNATURE_LEN];
    const unsigned char *p = der;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(signer->key, NULL);
    size_t len = sizeof der;
    ECDSA_SIG *sig;

    assert_int_equal(kgr_audit_head_digest(digest, signer->id, id, hash), KGR_OK);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, der, &len, digest, sizeof digest), 1);
    sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    assert_non_null(sig);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32), 32);
    (void)kgr_audit_signature_text(text, signature);
    ECDSA_SIG_free(sig);
    EVP_PKEY_CTX_free(ctx);
}
