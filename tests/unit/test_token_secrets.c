/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/token_secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"

static struct kgr_auth_root *root;

static int begin(void **state)
{
    static const uint8_t bytes[KGR_AUTH_ROOT_LEN] = {1, 2, 3};

    (void)state;
    if (kgr_arena_init(65536) != KGR_OK)
        return -1;
    return kgr_auth_root_new(&root, bytes, KGR_AUTH_TEXT) == KGR_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    kgr_auth_root_free(root);
    kgr_arena_deinit();
    return 0;
}

/* As python3-tpm2-pkcs11-tools 1.9.0 computes it: hash_pass("1234", "00" * 32). */
static void pin_auth_is_that_of_the_library(void **state)
{
    struct kgr_tpm_auth *auth = NULL;
    char salt[64];

    (void)state;
    memset(salt, '0', sizeof(salt));
    assert_int_equal(kgr_token_pin_auth(&auth, kgr_slice("1234", 4), kgr_slice(salt, sizeof(salt))),
                     KGR_OK);
    assert_true(kgr_arena_contains(auth));
    assert_int_equal(auth->len, 32);
    assert_memory_equal(auth->bytes, "fd28e164ec22473baf07d850468f5bf6", 32);
    kgr_secret_free(auth);
}

/* As AESAuthUnwrapper of the same reads it. */
static void wrapped_value_is_iv_tag_and_ciphertext(void **state)
{
    static const uint8_t iv[KGR_GCM_IV_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct kgr_tpm_auth *key = kgr_secret_alloc(sizeof(*key));
    struct kgr_tpm_auth *auth = kgr_secret_alloc(sizeof(*auth));
    char wrapped[KGR_TOKEN_WRAPPED_MAX];
    uint8_t *text = NULL;

    (void)state;
    for (uint8_t i = 0; i < KGR_TOKEN_WRAPPING_LEN; i++)
        key->bytes[i] = i;
    key->len = KGR_TOKEN_WRAPPING_LEN;
    memset(auth->bytes, 'a', KGR_TPM_AUTH_MAX);
    auth->len = KGR_TPM_AUTH_MAX;
    assert_int_equal(kgr_token_wrap(wrapped, key, iv, auth), KGR_OK);
    assert_string_equal(wrapped,
                        "000102030405060708090a0b:"
                        "eaab6e2c8b25d27c3bf4077c6397b23a:"
                        "2663b77aa484a37aec20f6ead088190ce2b7e655911a3e1d590684e47c0861d3");
    assert_int_equal(kgr_token_wrapping_text(&text, key), KGR_OK);
    assert_true(kgr_arena_contains(text));
    assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                        KGR_TOKEN_WRAPPING_TEXT_LEN);
    kgr_secret_free(text);
    kgr_secret_free(auth);
    kgr_secret_free(key);
}

static void wrapping_key_depends_on_folder_and_token(void **state)
{
    static const char *const names[][2] = {{"/a", "t"}, {"/a", "u"}, {"/b", "t"}, {"/at", ""}};
    struct kgr_tpm_auth *keys[4], *again = NULL;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kgr_token_wrapping_key(root, &keys[i], names[i][0], names[i][1]), KGR_OK);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(keys[i]->bytes, keys[j]->bytes, KGR_TOKEN_WRAPPING_LEN);
    assert_int_equal(kgr_token_wrapping_key(root, &again, "/a", "t"), KGR_OK);
    assert_memory_equal(again->bytes, keys[0]->bytes, KGR_TOKEN_WRAPPING_LEN);
    for (size_t i = 0; i < 4; i++)
        kgr_secret_free(keys[i]);
    kgr_secret_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pin_auth_is_that_of_the_library, begin, end),
        cmocka_unit_test_setup_teardown(wrapped_value_is_iv_tag_and_ciphertext, begin, end),
        cmocka_unit_test_setup_teardown(wrapping_key_depends_on_folder_and_token, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
