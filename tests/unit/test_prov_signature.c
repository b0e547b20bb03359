/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include <openssl/core_names.h>
#include <openssl/store.h>

static EVP_PKEY *load(const char *uri)
{
    OSSL_STORE_CTX *store =
        OSSL_STORE_open_ex(uri, libctx, "provider=kgr", NULL, NULL, NULL, NULL, NULL);
    OSSL_STORE_INFO *info;
    EVP_PKEY *pkey;

    assert_non_null(store);
    info = OSSL_STORE_load(store);
    assert_non_null(info);
    assert_int_equal(OSSL_STORE_INFO_get_type(info), OSSL_STORE_INFO_PKEY);
    pkey = OSSL_STORE_INFO_get1_PKEY(info);
    assert_non_null(pkey);
    assert_true(OSSL_STORE_eof(store));
    OSSL_STORE_INFO_free(info);
    OSSL_STORE_close(store);
    ERR_clear_error();
    return pkey;
}

static EVP_PKEY *make(const char *uri)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(libctx, "KGR-HMAC", "provider=kgr");
    EVP_PKEY *pkey = NULL;

    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, uri_params(uri)), 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* The MAC through EVP_MAC. */
static size_t expect(uint8_t out[KGR_MAC_MAX], const char *uri, const uint8_t *in, size_t len)
{
    EVP_MAC *mac = EVP_MAC_fetch(libctx, "KGR-HMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t out_len;

    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params(uri)), 1);
    assert_int_equal(EVP_MAC_update(ctx, in, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &out_len, KGR_MAC_MAX), 1);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return out_len;
}

static void check_digest_sign(EVP_PKEY *pkey, const char *uri, const char *digest)
{
    uint8_t in[100] = {9}, sig[KGR_MAC_MAX], expected[KGR_MAC_MAX];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    size_t n = 0, expected_len = expect(expected, uri, in, sizeof(in));

    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, libctx, NULL, pkey, NULL), 1);
    assert_int_equal(EVP_DigestSignUpdate(ctx, in, 60), 1);
    assert_int_equal(EVP_MD_CTX_copy_ex(copy, ctx), 1);
    assert_int_equal(EVP_DigestSignUpdate(ctx, in + 60, 40), 1);
    assert_int_equal(EVP_DigestSignFinal(ctx, NULL, &n), 1);
    assert_true(n >= expected_len);
    n = sizeof(sig);
    assert_int_equal(EVP_DigestSignFinal(ctx, sig, &n), 1);
    assert_int_equal(n, expected_len);
    assert_memory_equal(sig, expected, n);
    assert_int_equal(EVP_DigestSignUpdate(copy, in + 60, 40), 1);
    n = sizeof(sig);
    assert_int_equal(EVP_DigestSignFinal(copy, sig, &n), 1);
    assert_memory_equal(sig, expected, n);
    EVP_MD_CTX_free(ctx);
    EVP_MD_CTX_free(copy);
}

static void signature_of_stored_key_is_the_mac(void **state)
{
    EVP_PKEY *pkey = load("kgr:peer=N2");

    (void)state;
    assert_true(EVP_PKEY_is_a(pkey, "KGR-HMAC"));
    check_digest_sign(pkey, "kgr:peer=N2", NULL);
    check_digest_sign(pkey, "kgr:peer=N2", "SHA256");
    EVP_PKEY_free(pkey);
    pkey = load("kgr:peer=N3;generation=2");
    check_digest_sign(pkey, "kgr:peer=N3;generation=2", NULL);
    EVP_PKEY_free(pkey);
}

static void signature_of_made_key_is_the_mac(void **state)
{
    EVP_PKEY *a = make("kgr:peer=N3"), *b = load("kgr:peer=N3"), *c = make("kgr:peer=N2");

    (void)state;
    check_digest_sign(a, "kgr:peer=N3", NULL);
    assert_int_equal(EVP_PKEY_eq(a, b), 1);
    assert_int_not_equal(EVP_PKEY_eq(a, c), 1);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
    EVP_PKEY_free(c);
}

static void signature_other_digest_is_refused(void **state)
{
    EVP_PKEY *pkey = load("kgr:peer=N2");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    (void)state;
    assert_int_not_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA384", libctx, NULL, pkey, NULL), 1);
    assert_error(KGR_PROV_R_DIGEST, "SHA2-256");
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void signature_key_has_no_bytes_to_give(void **state)
{
    EVP_PKEY *pkey = load("kgr:peer=N2");
    uint8_t raw[64];
    size_t n = sizeof(raw);

    (void)state;
    assert_int_not_equal(EVP_PKEY_get_raw_private_key(pkey, raw, &n), 1);
    EVP_PKEY_free(pkey);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(signature_of_stored_key_is_the_mac),
        T(signature_of_made_key_is_the_mac),
        T(signature_other_digest_is_refused),
        T(signature_key_has_no_bytes_to_give),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
