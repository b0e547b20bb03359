/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/software.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"

static const uint8_t bytes[64] = {1, 2, 3};

static void new_refuses_every_other_length(void **state)
{
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    struct kgr_software_key *key = NULL;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(suites); i++) {
        size_t enc = kgr_suite_enc_key_len(suites[i]);
        size_t mac = kgr_suite_mac_key_len(suites[i]);

        for (size_t len = 0; len <= sizeof(bytes); len++) {
            bool good_mac = len == mac || len == mac / 2;

            if (len != enc)
                assert_int_equal(kgr_software_key_new(&key, suites[i], kgr_slice(bytes, len),
                                                      kgr_slice(bytes, mac)),
                                 KGR_ERR_INVALID);
            if (!good_mac)
                assert_int_equal(kgr_software_key_new(&key, suites[i], kgr_slice(bytes, enc),
                                                      kgr_slice(bytes, len)),
                                 KGR_ERR_INVALID);
        }
    }
    assert_int_equal(
        kgr_software_key_new(&key, (enum kgr_suite)3, kgr_slice(bytes, 16), kgr_slice(bytes, 32)),
        KGR_ERR_INVALID);
    assert_null(key);
    kgr_software_key_free(NULL);
}

static void new_without_room_in_the_arena_fails(void **state)
{
    struct kgr_software_key *key = NULL;
    void *all = kgr_secret_alloc(4096 - 64);

    (void)state;
    assert_non_null(all);
    assert_int_equal(kgr_software_key_new(&key, KGR_SUITE_AES128_SHA256, kgr_slice(bytes, 16),
                                          kgr_slice(bytes, 32)),
                     KGR_ERR_NO_MEMORY);
    assert_null(key);
    kgr_secret_free(all);
}

static void free_returns_everything_to_the_arena(void **state)
{
    struct kgr_software_key *key = NULL;
    void *all;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kgr_software_key_new(&key, KGR_SUITE_AES256_SHA384, kgr_slice(bytes, 32),
                                              kgr_slice(bytes, 48)),
                         KGR_OK);
        kgr_software_key_free(key);
    }
    all = kgr_secret_alloc(4096 - 16);
    assert_non_null(all);
    kgr_secret_free(all);
}

static void *seal_and_open(void *arg)
{
    const struct kgr_seal_key *key = arg;

    for (int i = 0; i < 500; i++) {
        uint8_t iv[KGR_IV_LEN];
        uint8_t ciphertext[64];
        uint8_t tag[KGR_TAG_MAX];
        uint8_t out[64];
        size_t len;

        memset(iv, i, sizeof(iv));
        if (kgr_seal_encrypt(key, ciphertext, tag, iv, kgr_slice("a", 1), kgr_slice(bytes, 50)) !=
                KGR_OK ||
            kgr_seal_decrypt(key, out, &len, iv, kgr_slice("a", 1), kgr_slice(ciphertext, 64),
                             kgr_slice(tag, 24)) != KGR_OK ||
            len != 50 || memcmp(out, bytes, 50) != 0)
            return arg;
    }
    return NULL;
}

static void one_key_serves_many_threads(void **state)
{
    struct kgr_software_key *software = NULL;
    struct kgr_seal_key key;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(kgr_software_key_new(&software, KGR_SUITE_AES256_SHA384, kgr_slice(bytes, 32),
                                          kgr_slice(bytes, 48)),
                     KGR_OK);
    key = kgr_software_key_seal(software);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, &key), 0);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    kgr_software_key_free(software);
}

static int open_arena(void **state)
{
    (void)state;
    return kgr_arena_init(4096) == KGR_OK ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_refuses_every_other_length),
        cmocka_unit_test(new_without_room_in_the_arena_fails),
        cmocka_unit_test(free_returns_everything_to_the_arena),
        cmocka_unit_test(one_key_serves_many_threads),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
