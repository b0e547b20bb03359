/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/crypto.h"
#include "agent/tpm/ecc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"

static char config_path[] = "/tmp/kgr-test-openssl-XXXXXX";

/* An openssl.cnf that leaves the default context without a single algorithm, as a host may have it. */
static int use_foreign_config(void **state)
{
    static const char text[] = "openssl_conf = init\n[init]\nproviders = list\n[list]\n"
                               "null = section\n[section]\nactivate = 1\n";
    int fd = mkstemp(config_path);

    (void)state;
    if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)(sizeof(text) - 1) ||
        close(fd) != 0 || setenv("OPENSSL_CONF", config_path, 1) != 0)
        return -1;
    return kgr_arena_init(65536) == KGR_OK ? 0 : -1;
}

static int remove_config(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return unlink(config_path);
}

static void digest_is_that_of_fips_180(void **state)
{
    uint8_t out[KGR_TPM_HASH_LEN];
    char hex[2 * KGR_TPM_HASH_LEN + 1];

    (void)state;
    assert_int_equal(kgr_tpm_digest256(out, kgr_slice("abc", 3)), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void crypto_needs_no_provider_of_the_host(void **state)
{
    struct kgr_tpm_crypto *crypto = NULL;
    uint8_t key[KGR_TPM_HASH_LEN];
    uint8_t salt[KGR_TPM_ECC_MAX];
    uint8_t text[] = "parameter";
    struct kgr_tpm_point point = {.curve = KGR_TPM_P256};
    struct kgr_tpm_point far_point;
    /* The generator of P-256 is a point like any other. */
    static const char gx[] = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    static const char gy[] = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    (void)state;
    assert_int_equal(kgr_tpm_crypto_new(&crypto), KGR_OK);
    assert_int_equal(kgr_tpm_kdfa256(crypto, key, kgr_slice("k", 1), "CFB", kgr_slice("u", 1),
                                     kgr_slice("v", 1)),
                     KGR_OK);
    assert_int_equal(kgr_tpm_cfb128(crypto, true, key, key + 16, text, sizeof(text)), KGR_OK);
    assert_string_not_equal((const char *)text, "parameter");
    assert_int_equal(kgr_tpm_cfb128(crypto, false, key, key + 16, text, sizeof(text)), KGR_OK);
    assert_string_equal((const char *)text, "parameter");
    assert_int_equal(kgr_unhex(point.x, KGR_P256_LEN, gx), KGR_OK);
    assert_int_equal(kgr_unhex(point.y, KGR_P256_LEN, gy), KGR_OK);
    assert_int_equal(kgr_tpm_share(salt, &far_point, &point, "SECRET"), KGR_OK);
    point.y[0] ^= 1;
    assert_int_equal(kgr_tpm_share(salt, &far_point, &point, "SECRET"), KGR_ERR_CORRUPT);
    kgr_tpm_crypto_free(crypto);
}

/* Signed by another implementation: RFC 6979, A.2.5, SHA-256, message "sample". */
static void verify_takes_a_signature_of_rfc_6979(void **state)
{
    static const char ux[] = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    static const char uy[] = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    static const char sig[] = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                              "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    struct kgr_tpm_point key = {.curve = KGR_TPM_P256};
    uint8_t signature[KGR_TPM_SIGNATURE_LEN];
    uint8_t digest[KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(kgr_unhex(key.x, KGR_P256_LEN, ux), KGR_OK);
    assert_int_equal(kgr_unhex(key.y, KGR_P256_LEN, uy), KGR_OK);
    assert_int_equal(kgr_unhex(signature, sizeof(signature), sig), KGR_OK);
    assert_int_equal(kgr_tpm_digest256(digest, kgr_slice("sample", 6)), KGR_OK);
    assert_int_equal(kgr_tpm_verify_p256(&key, digest, signature), KGR_OK);
    digest[31] ^= 1;
    assert_int_equal(kgr_tpm_verify_p256(&key, digest, signature), KGR_ERR_CORRUPT);
    digest[31] ^= 1;
    memset(signature, 0, sizeof(signature));
    assert_int_equal(kgr_tpm_verify_p256(&key, digest, signature), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_is_that_of_fips_180),
        cmocka_unit_test(crypto_needs_no_provider_of_the_host),
        cmocka_unit_test(verify_takes_a_signature_of_rfc_6979),
    };

    return cmocka_run_group_tests_name("tpm_crypto", tests, use_foreign_config, remove_config);
}
