/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

static EVP_RAND_CTX *new_ours(void)
{
    EVP_RAND *rand = EVP_RAND_fetch(libctx, "KGR-TPM-RAND", "provider=kgr");
    EVP_RAND_CTX *ctx;

    assert_non_null(rand);
    ctx = EVP_RAND_CTX_new(rand, NULL);
    assert_non_null(ctx);
    EVP_RAND_free(rand);
    return ctx;
}

static void rand_fills_any_length(void **state)
{
    static const size_t lens[] = {1, 31, 32, 33, 65536, 65537, 200000};
    EVP_RAND_CTX *ctx = new_ours();
    uint8_t *a = calloc(1, 200000), *b = calloc(1, 200000);

    (void)state;
    assert_int_equal(EVP_RAND_instantiate(ctx, 256, 0, NULL, 0, NULL), 1);
    assert_int_equal(EVP_RAND_get_state(ctx), EVP_RAND_STATE_READY);
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        assert_int_equal(EVP_RAND_generate(ctx, a, lens[i], 256, 1, NULL, 0), 1);
        assert_int_equal(EVP_RAND_generate(ctx, b, lens[i], 0, 0, (const uint8_t *)"x", 1), 1);
        assert_true(lens[i] < 8 || memcmp(a, b, lens[i]) != 0);
        assert_true(lens[i] < 64 || memcmp(a + lens[i] - 32, b + lens[i] - 32, 32) != 0);
    }
    EVP_RAND_CTX_free(ctx);
    free(a);
    free(b);
}

static void rand_before_instantiate_is_refused(void **state)
{
    EVP_RAND_CTX *ctx = new_ours();
    uint8_t out[8] = {0};

    (void)state;
    assert_int_equal(EVP_RAND_get_state(ctx), EVP_RAND_STATE_UNINITIALISED);
    assert_int_equal(EVP_RAND_generate(ctx, out, sizeof(out), 0, 0, NULL, 0), 0);
    assert_error(KGR_PROV_R_NOT_STARTED, "KGR-TPM-RAND");
    assert_int_equal(EVP_RAND_instantiate(ctx, 512, 0, NULL, 0, NULL), 0);
    ERR_clear_error();
    EVP_RAND_CTX_free(ctx);
}

static void rand_without_agent_fails_and_recovers(void **state)
{
    EVP_RAND_CTX *ctx = new_ours();
    uint8_t out[8] = {0}, zero[8] = {0};

    (void)state;
    assert_int_equal(EVP_RAND_instantiate(ctx, 0, 0, NULL, 0, NULL), 1);
    kgr_fake_fail(KGR_ERR_NO_AGENT, "nobody there", 0);
    assert_int_equal(EVP_RAND_generate(ctx, out, sizeof(out), 0, 0, NULL, 0), 0);
    assert_error(KGR_ERR_NO_AGENT, "nobody there");
    assert_memory_equal(out, zero, sizeof(out));
    kgr_fake_fail(KGR_OK, "", 0);
    assert_int_equal(EVP_RAND_generate(ctx, out, sizeof(out), 0, 0, NULL, 0), 1);
    EVP_RAND_CTX_free(ctx);
}

static void rand_serves_rand_bytes(void **state)
{
    uint8_t a[40], b[40];
    unsigned int before;

    (void)state;
    assert_int_equal(RAND_set_DRBG_type(libctx, "KGR-TPM-RAND", "provider=kgr", NULL, NULL), 1);
    before = kgr_fake_calls();
    assert_int_equal(RAND_bytes_ex(libctx, a, sizeof(a), 0), 1);
    assert_int_equal(RAND_priv_bytes_ex(libctx, b, sizeof(b), 256), 1);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(kgr_fake_calls() - before >= 2);
    assert_int_equal(EVP_RAND_get_state(RAND_get0_primary(libctx)), EVP_RAND_STATE_READY);
    before = kgr_fake_calls();
    assert_int_equal(EVP_RAND_reseed(RAND_get0_primary(libctx), 0, a, sizeof(a), NULL, 0), 1);
    assert_true(kgr_fake_calls() > before);
}

static void rand_seeds_the_default_drbg(void **state)
{
    uint8_t a[40];

    (void)state;
    assert_int_equal(RAND_set_seed_source_type(libctx, "KGR-TPM-RAND", "provider=kgr"), 1);
    kgr_fake_fail(KGR_ERR_NO_AGENT, "nobody there", 0);
    assert_int_equal(RAND_bytes_ex(libctx, a, sizeof(a), 0), 0);
    ERR_clear_error();
    kgr_fake_fail(KGR_OK, "", 0);
    assert_int_equal(RAND_bytes_ex(libctx, a, sizeof(a), 0), 1);
}

static void rand_needs_no_lock(void **state)
{
    EVP_RAND_CTX *ctx = new_ours();

    (void)state;
    assert_int_equal(EVP_RAND_enable_locking(ctx), 1);
    assert_int_equal(EVP_RAND_get_strength(ctx), 256);
    EVP_RAND_CTX_free(ctx);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(rand_fills_any_length),
        T(rand_before_instantiate_is_refused),
        T(rand_without_agent_fails_and_recovers),
        T(rand_serves_rand_bytes),
        T(rand_seeds_the_default_drbg),
        T(rand_needs_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
