/* SPDX-License-Identifier: BSD-2-Clause */

/* Output buffers stay untouched by every operation that fails, whichever of its requests did. */
#include "tests/support/prov-fixture.h"

#include "agent/base/text.h"

#define MAX_LEN    200000
#define GUARD      64
#define UNTOUCHED  0xee
#define MAX_CALLS  10
#define MAX_PREFIX 31

static const uint8_t some_iv[16] = {9, 8, 7};

static uint8_t *in, *out;

static int setup_buffers(void **state)
{
    in = malloc(MAX_LEN);
    out = malloc(MAX_LEN + GUARD);
    assert_non_null(in);
    assert_non_null(out);
    draw_bytes(in, MAX_LEN);
    return setup(state);
}

static int teardown_buffers(void **state)
{
    free(in);
    free(out);
    return teardown(state);
}

static EVP_CIPHER_CTX *begin(const char *name, int encrypt)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, "provider=kgr");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_non_null(cipher);
    assert_int_equal(
        EVP_CipherInit_ex2(ctx, cipher, NULL, some_iv, encrypt,
                           uri_params(strstr(name, "AES-256") ? "kgr:peer=N3" : "kgr:peer=N2")),
        1);
    EVP_CIPHER_free(cipher);
    return ctx;
}

static void assert_untouched(void)
{
    for (size_t i = 0; i < MAX_LEN + GUARD; i++) {
        if (out[i] != UNTOUCHED) {
            fail_msg("byte %zu was written", i);
        }
    }
}

/* One update, or EVP_Cipher(), after `prefix` bytes, of which the request number `passed` fails. */
static int run_failing(const char *name, int encrypt, int bare, size_t prefix, size_t len,
                       unsigned int passed)
{
    EVP_CIPHER_CTX *ctx = begin(name, encrypt);
    uint8_t first[MAX_PREFIX + GUARD];
    int n, went;

    if (prefix > 0) {
        assert_int_equal(EVP_CipherUpdate(ctx, first, &n, in, (int)prefix), 1);
    }
    memset(out, UNTOUCHED, MAX_LEN + GUARD);
    kgr_fake_fail(KGR_ERR_NO_AGENT, "gone", passed);
    went = bare ? EVP_Cipher(ctx, out, in, (unsigned int)len) > 0
                : EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1;
    kgr_fake_fail(KGR_OK, "", 0);
    EVP_CIPHER_CTX_free(ctx);
    return went;
}

static void output_of_a_failed_update_is_untouched(void **state)
{
    static const char *const names[] = {"KGR-AES-128-ECB", "KGR-AES-128-CBC",
                                        "KGR-AES-128-CTR", "KGR-AES-128-CFB",
                                        "KGR-AES-128-OFB", "KGR-AES-128-CBC-HMAC-SHA256-ETM",
                                        "KGR-AES-256-CBC", "KGR-AES-256-CBC-HMAC-SHA384-ETM"};
    static const size_t prefixes[] = {0, 1, 15, 16, 31};
    static const size_t lens[] = {64, 65520, 65536, 65552, 131072, 199984};
    unsigned int num_failures = 0;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(names); i++) {
        int aead = strstr(names[i], "ETM") != NULL;

        for (size_t j = 0; j < KGR_ARRAY_LEN(prefixes) * KGR_ARRAY_LEN(lens) * 4; j++) {
            size_t prefix = prefixes[j % KGR_ARRAY_LEN(prefixes)];
            size_t len = lens[j / KGR_ARRAY_LEN(prefixes) % KGR_ARRAY_LEN(lens)];
            int encrypt = j / (KGR_ARRAY_LEN(prefixes) * KGR_ARRAY_LEN(lens)) % 2 == 0;
            int bare = j >= KGR_ARRAY_LEN(prefixes) * KGR_ARRAY_LEN(lens) * 2;
            unsigned int passed = 0;

            if (aead && (bare || !encrypt)) {
                continue; /* decryption: below */
            }
            while (passed < MAX_CALLS &&
                   !run_failing(names[i], encrypt, bare, prefix, len, passed)) {
                assert_untouched();
                passed++;
                num_failures++;
            }
            assert_true(passed < MAX_CALLS);
            assert_int_equal(out[MAX_LEN + GUARD - 1], UNTOUCHED);
        }
    }
    assert_true(num_failures > 1000);
}

static void failed_aead(bool whole)
{
    static const size_t lens[] = {0, 64, 65520, 65536, 190000};
    uint8_t *sealed = malloc(MAX_LEN);

    kgr_fake_know_whole(whole);
    assert_non_null(sealed);
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC-HMAC-SHA256-ETM", 1);
        uint8_t tag[16];
        int n = 0, m, went = 0;

        if (lens[i] > 0) {
            assert_int_equal(EVP_EncryptUpdate(ctx, sealed, &n, in, (int)lens[i]), 1);
        }
        /* The last block and the tag: neither appears if its request fails. An agent that knows whole messages gave both before. */
        EVP_CIPHER_CTX *copy = NULL;
        if (lens[i] <= (whole ? 0 : 64)) {
            copy = EVP_CIPHER_CTX_new();
            assert_int_equal(EVP_CIPHER_CTX_copy(copy, ctx), 1);
            memset(out, UNTOUCHED, MAX_LEN + GUARD);
            kgr_fake_fail(KGR_ERR_NO_AGENT, "gone", 1);
            assert_int_equal(EVP_EncryptFinal_ex(copy, out, &m), 0);
            kgr_fake_fail(KGR_OK, "", 0);
            assert_untouched();
            assert_int_equal(EVP_CIPHER_CTX_ctrl(copy, EVP_CTRL_AEAD_GET_TAG, 16, tag), 0);
        }
        EVP_CIPHER_CTX_free(copy);
        assert_int_equal(EVP_EncryptFinal_ex(ctx, sealed + n, &m), 1);
        assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
        EVP_CIPHER_CTX_free(ctx);
        for (unsigned int passed = 0; !went; passed++) {
            int back_len;

            assert_true(passed < MAX_CALLS);
            ctx = begin("KGR-AES-128-CBC-HMAC-SHA256-ETM", 0);
            assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag), 1);
            memset(out, UNTOUCHED, MAX_LEN + GUARD);
            kgr_fake_fail(KGR_ERR_NO_AGENT, "gone", passed);
            went = EVP_DecryptUpdate(ctx, out, &back_len, sealed, n + m);
            kgr_fake_fail(KGR_OK, "", 0);
            if (went) {
                assert_int_equal(back_len, (int)lens[i]);
                assert_memory_equal(out, in, lens[i]);
            } else {
                assert_untouched();
            }
            EVP_CIPHER_CTX_free(ctx);
        }
    }
    free(sealed);
}

static void output_of_a_failed_aead_decryption_is_untouched(void **state)
{
    (void)state;
    failed_aead(true);
    failed_aead(false);
}

static void output_of_a_failed_final_is_untouched(void **state)
{
    (void)state;
    for (int encrypt = 0; encrypt < 2; encrypt++) {
        EVP_CIPHER_CTX *ctx = begin("KGR-AES-128-CBC", encrypt);
        int n;

        assert_int_equal(EVP_CipherUpdate(ctx, out, &n, in, 32), 1);
        memset(out, UNTOUCHED, MAX_LEN + GUARD);
        kgr_fake_fail(KGR_ERR_NO_AGENT, "gone", 0);
        assert_int_equal(EVP_CipherFinal_ex(ctx, out, &n), 0);
        kgr_fake_fail(KGR_OK, "", 0);
        assert_untouched();
        EVP_CIPHER_CTX_free(ctx);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_buffers, teardown_buffers)
    const struct CMUnitTest tests[] = {
        T(output_of_a_failed_update_is_untouched),
        T(output_of_a_failed_aead_decryption_is_untouched),
        T(output_of_a_failed_final_is_untouched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
