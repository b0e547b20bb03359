/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

static void provider_section_reaches_the_client(void **state)
{
    (void)state;
    kgr_fake_reset();
    assert_true(load_kgr("socket = /run/other/agent.sock\ntimeout-ms = 1500"));
    assert_string_equal(kgr_fake_socket(), "/run/other/agent.sock");
    assert_int_equal(kgr_fake_timeout_ms(), 1500);
    teardown(NULL);
}

static void provider_empty_section_leaves_the_choice_to_libkgr(void **state)
{
    (void)state;
    kgr_fake_reset();
    assert_true(load_kgr(""));
    assert_string_equal(kgr_fake_socket(), "");
    assert_int_equal(kgr_fake_timeout_ms(), 0);
    teardown(NULL);
}

static void provider_wrong_setting_is_refused_and_named(void **state)
{
    static const char *const cases[][2] = {
        {"timeout-ms = soon", "timeout-ms = soon"},
        {"timeout-ms = 0", "timeout-ms = 0"},
        {"timeout-ms = -5", "timeout-ms = -5"},
        {"timeout-ms = 5s", "timeout-ms = 5s"},
        {"timeout-ms = 99999999999999999999", "timeout-ms"},
        {"peer = no spaces please", "peer = no spaces please"},
        {"standard-names = maybe", "standard-names = maybe"},
        {"socket = /0123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "9012345678901234567890123456789",
         "give a shorter path"}};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        kgr_fake_reset();
        assert_true(load_kgr(cases[i][0]));
        EVP_MAC *mac = EVP_MAC_fetch(libctx, "KGR-HMAC", NULL);
        EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
        assert_int_equal(EVP_MAC_init(ctx, NULL, 0, uri_params("kgr:peer=N2")), 0);
        EVP_MAC_CTX_free(ctx);
        EVP_MAC_free(mac);
        assert_error(KGR_ERR_CONFIG, cases[i][1]);
        teardown(NULL);
    }
}

static void provider_loads_without_an_agent(void **state)
{
    EVP_MAC *mac;

    (void)state;
    kgr_fake_reset();
    kgr_fake_fail(KGR_ERR_NO_AGENT, "nobody serves the socket", 0);
    assert_true(load_kgr("peer = N2"));
    mac = EVP_MAC_fetch(libctx, "KGR-HMAC", NULL);
    assert_non_null(mac);
    assert_int_equal(kgr_fake_calls(), 0);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 0);
    assert_error(KGR_ERR_NO_AGENT, "kgr:peer=N2: nobody serves the socket");
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    teardown(NULL);
}

static void count(EVP_CIPHER *cipher, void *arg)
{
    (void)cipher;
    ++*(int *)arg;
}

static int count_ours(void)
{
    int n = 0;

    EVP_CIPHER_do_all_provided(libctx, count, &n);
    return n;
}

static const char *provider_of(const char *name, const char *properties)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, properties);
    const char *found;

    if (cipher == NULL) {
        ERR_clear_error();
        return "";
    }
    found = OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher));
    EVP_CIPHER_free(cipher);
    return found;
}

static void provider_standard_names_only_on_request(void **state)
{
    int without;

    (void)state;
    kgr_fake_reset();
    assert_true(load_kgr(""));
    assert_string_equal(provider_of("AES-128-CBC", "provider=kgr"), "");
    assert_string_equal(provider_of("AES-128-CBC", NULL), "default");
    without = count_ours();
    teardown(NULL);
    kgr_fake_reset();
    assert_true(load_kgr("standard-names = yes"));
    assert_string_equal(provider_of("AES-128-CBC", "provider=kgr"), "kgr");
    assert_int_equal(count_ours() - without, 10);
    teardown(NULL);
}

/* A handle must never become a key of the default provider because a name means both. */
static void provider_own_names_are_never_the_default_providers(void **state)
{
    static const char *const own[] = {"KGR-AES-128-CBC", "KGR-AES-256-CBC", "KGR-AES-128-CTR",
                                      "KGR-AES-256-OFB"};

    (void)state;
    kgr_fake_reset();
    assert_true(load_kgr("standard-names = yes"));
    for (size_t i = 0; i < KGR_ARRAY_LEN(own); i++) {
        assert_string_equal(provider_of(own[i], NULL), "kgr");
        assert_string_equal(provider_of(own[i], "provider=default"), "");
        assert_string_equal(provider_of(own[i] + 4, "provider=default"), "default");
    }
    teardown(NULL);
}

static void provider_tells_its_version(void **state)
{
    char *name = NULL, *version = NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_ptr("name", &name, 0),
                           OSSL_PARAM_construct_utf8_ptr("version", &version, 0),
                           OSSL_PARAM_construct_end()};
    OSSL_PROVIDER *prov;

    (void)state;
    kgr_fake_reset();
    assert_true(load_kgr(""));
    prov = OSSL_PROVIDER_load(libctx, "kgr");
    assert_non_null(prov);
    assert_int_equal(OSSL_PROVIDER_get_params(prov, params), 1);
    assert_string_equal(version, KGR_VERSION);
    assert_non_null(strstr(name, "KGR"));
    OSSL_PROVIDER_unload(prov);
    teardown(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(provider_section_reaches_the_client),
        cmocka_unit_test(provider_empty_section_leaves_the_choice_to_libkgr),
        cmocka_unit_test(provider_wrong_setting_is_refused_and_named),
        cmocka_unit_test(provider_loads_without_an_agent),
        cmocka_unit_test(provider_standard_names_only_on_request),
        cmocka_unit_test(provider_own_names_are_never_the_default_providers),
        cmocka_unit_test(provider_tells_its_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
