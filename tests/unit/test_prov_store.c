/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include <openssl/store.h>

static OSSL_STORE_CTX *open_store(const char *uri)
{
    return OSSL_STORE_open_ex(uri, libctx, "provider=kgr", NULL, NULL, NULL, NULL, NULL);
}

static void assert_next_name(OSSL_STORE_CTX *store, const char *name, const char *words)
{
    OSSL_STORE_INFO *info = OSSL_STORE_load(store);

    assert_non_null(info);
    assert_int_equal(OSSL_STORE_INFO_get_type(info), OSSL_STORE_INFO_NAME);
    assert_string_equal(OSSL_STORE_INFO_get0_NAME(info), name);
    assert_non_null(strstr(OSSL_STORE_INFO_get0_NAME_description(info), words));
    OSSL_STORE_INFO_free(info);
}

static void store_lists_every_peer_by_uri(void **state)
{
    OSSL_STORE_CTX *store;

    (void)state;
    kgr_fake_set_generation("N3", 0);
    store = open_store("kgr:");
    assert_non_null(store);
    assert_next_name(store, "kgr:peer=N2", "generation 7");
    assert_false(OSSL_STORE_eof(store));
    assert_next_name(store, "kgr:peer=N3", "no key yet");
    assert_true(OSSL_STORE_eof(store));
    assert_null(OSSL_STORE_load(store));
    assert_int_equal(OSSL_STORE_close(store), 1);
}

static void store_uri_gives_that_name_if_expected(void **state)
{
    OSSL_STORE_CTX *store = open_store("kgr:peer=N2;generation=5");

    (void)state;
    assert_non_null(store);
    assert_int_equal(OSSL_STORE_expect(store, OSSL_STORE_INFO_NAME), 1);
    assert_next_name(store, "kgr:peer=N2;generation=5", "generation 5");
    assert_true(OSSL_STORE_eof(store));
    OSSL_STORE_close(store);
}

static void store_wrong_uri_or_peer_is_refused(void **state)
{
    (void)state;
    ERR_clear_error();
    assert_null(open_store("kgr:nobody"));
    assert_error(KGR_PROV_R_BAD_URI, "kgr:nobody");
    assert_null(open_store("kgr:peer=N9"));
    assert_error(KGR_ERR_UNKNOWN_PEER, "kgr:peer=N9: no such peer");
}

static void store_without_agent_says_so(void **state)
{
    (void)state;
    kgr_fake_fail(KGR_ERR_NO_AGENT, "nobody there", 0);
    assert_null(open_store("kgr:"));
    assert_error(KGR_ERR_NO_AGENT, "nobody there");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(store_lists_every_peer_by_uri),
        T(store_uri_gives_that_name_if_expected),
        T(store_wrong_uri_or_peer_is_refused),
        T(store_without_agent_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
