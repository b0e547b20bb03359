/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/cbc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "agent/base/secret.h"

#define ARENA_LEN (16 * 4096)

static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};

static struct kgr_cbc *make(enum kgr_suite suite, uint8_t **out_key)
{
    struct kgr_cbc *cbc = NULL;

    *out_key = kgr_secret_alloc(KGR_ENC_KEY_MAX);
    assert_non_null(*out_key);
    for (int i = 0; i < KGR_ENC_KEY_MAX; i++)
        (*out_key)[i] = (uint8_t)(3 * i + 1);
    assert_int_equal(kgr_cbc_new(&cbc, suite, *out_key), KGR_OK);
    return cbc;
}

/* What libcrypto says by itself. */
static void expected(enum kgr_suite suite, const uint8_t *key, const uint8_t *iv, const uint8_t *in,
                     size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    assert_non_null(ctx);
    assert_int_equal(EVP_EncryptInit_ex2(ctx,
                                         suite == KGR_SUITE_AES256_SHA384 ? EVP_aes_256_cbc()
                                                                          : EVP_aes_128_cbc(),
                                         key, iv, NULL),
                     1);
    (void)EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, (int)len), 1);
    assert_int_equal(n, len);
    EVP_CIPHER_CTX_free(ctx);
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(seed += 2654435761u, seed >> 24);
}

/* Messages of all lengths, one after the other through the same context, in one piece and in several, in place and not. */
static void every_message_is_what_libcrypto_makes(void **state)
{
    (void)state;
    for (size_t s = 0; s < KGR_ARRAY_LEN(suites); s++) {
        uint8_t *key;
        struct kgr_cbc *cbc = make(suites[s], &key);
        struct kgr_cbc_use use;

        for (unsigned round = 0; round < 40; round++) {
            size_t len = (size_t)KGR_BLOCK_LEN * (1 + round % 9);
            size_t first = round % 3 == 0 ? len : KGR_BLOCK_LEN;
            uint8_t iv[KGR_IV_LEN], in[256], want[256], out[256], chain[KGR_IV_LEN];

            fill(iv, sizeof(iv), round);
            fill(in, sizeof(in), 1000 + round);
            expected(suites[s], key, iv, in, len, want);
            memcpy(out, in, len);
            if (round % 10 == 0)
                assert_int_equal(kgr_cbc_begin(&use, cbc, true), KGR_OK);
            kgr_cbc_message(&use, iv);
            kgr_cbc_chain(&use, chain);
            assert_memory_equal(chain, iv, sizeof(iv));
            assert_int_equal(kgr_cbc_update(&use, round % 2 ? in : out, first, out), KGR_OK);
            assert_int_equal(
                kgr_cbc_update(&use, (round % 2 ? in : out) + first, len - first, out + first),
                KGR_OK);
            assert_memory_equal(out, want, len);
            kgr_cbc_chain(&use, chain);
            assert_memory_equal(chain, want + len - KGR_BLOCK_LEN, KGR_BLOCK_LEN);
            if (round % 10 == 9)
                kgr_cbc_end(&use);
        }
        kgr_cbc_free(cbc);
        kgr_secret_free(key);
    }
}

static void decryption_undoes_it(void **state)
{
    (void)state;
    for (size_t s = 0; s < KGR_ARRAY_LEN(suites); s++) {
        uint8_t *key;
        struct kgr_cbc *cbc = make(suites[s], &key);
        struct kgr_cbc_use use;

        assert_int_equal(kgr_cbc_begin(&use, cbc, false), KGR_OK);
        for (unsigned round = 0; round < 40; round++) {
            size_t len = (size_t)KGR_BLOCK_LEN * (1 + round % 9);
            size_t first = round % 3 == 0 ? len : KGR_BLOCK_LEN;
            uint8_t iv[KGR_IV_LEN], plain[256], sealed[256], out[256];

            fill(iv, sizeof(iv), round);
            fill(plain, sizeof(plain), 1000 + round);
            expected(suites[s], key, iv, plain, len, sealed);
            memcpy(out, sealed, len);
            kgr_cbc_message(&use, iv);
            assert_int_equal(kgr_cbc_update(&use, round % 2 ? sealed : out, first, out), KGR_OK);
            assert_int_equal(
                kgr_cbc_update(&use, (round % 2 ? sealed : out) + first, len - first, out + first),
                KGR_OK);
            assert_memory_equal(out, plain, len);
        }
        kgr_cbc_end(&use);
        kgr_cbc_free(cbc);
        kgr_secret_free(key);
    }
}

static void update_refuses_parts_of_blocks(void **state)
{
    uint8_t *key;
    struct kgr_cbc *cbc = make(KGR_SUITE_AES128_SHA256, &key);
    struct kgr_cbc_use use;
    uint8_t data[32] = {0};

    (void)state;
    assert_int_equal(kgr_cbc_begin(&use, cbc, true), KGR_OK);
    kgr_cbc_message(&use, data);
    assert_int_equal(kgr_cbc_update(&use, data, 17, data), KGR_ERR_INVALID);
    assert_int_equal(kgr_cbc_update(&use, data, 0, data), KGR_OK);
    kgr_cbc_end(&use);
    kgr_cbc_free(cbc);
    kgr_secret_free(key);
}

static size_t room(void)
{
    size_t len = ARENA_LEN;
    void *p;

    while ((p = kgr_secret_alloc(len)) == NULL)
        len -= 32;
    kgr_secret_free(p);
    return len;
}

static void schedules_stand_in_the_arena_and_go_with_the_key(void **state)
{
    size_t before = room();
    uint8_t *key;
    struct kgr_cbc *cbc = make(KGR_SUITE_AES128_SHA256, &key);
    struct kgr_cbc_use uses[8];
    size_t with_key = room();
    size_t with_one;

    (void)state;
    assert_int_equal(kgr_cbc_begin(&uses[0], cbc, true), KGR_OK);
    kgr_cbc_end(&uses[0]);
    with_one = room();
    assert_true(with_one + 176 <= with_key); /* 11 round keys of 16 bytes at least */
    assert_int_equal(kgr_cbc_begin(&uses[0], cbc, true), KGR_OK);
    kgr_cbc_end(&uses[0]);
    assert_int_equal(room(), with_one);
    for (int i = 0; i < 8; i++)
        assert_int_equal(kgr_cbc_begin(&uses[i], cbc, true), KGR_OK);
    for (int i = 0; i < 8; i++)
        kgr_cbc_end(&uses[i]);
    kgr_cbc_free(cbc);
    kgr_secret_free(key);
    assert_int_equal(room(), before);
}

static void a_full_arena_stops_nobody(void **state)
{
    uint8_t *key;
    struct kgr_cbc *cbc = make(KGR_SUITE_AES128_SHA256, &key);
    static const uint8_t iv[KGR_IV_LEN];
    struct kgr_cbc_use use;
    uint8_t data[64] = {1};
    uint8_t want[64];
    size_t left = room();
    void *all = kgr_secret_alloc(left);

    (void)state;
    expected(KGR_SUITE_AES128_SHA256, key, iv, data, sizeof(data), want);
    assert_int_equal(kgr_cbc_begin(&use, cbc, true), KGR_OK);
    kgr_cbc_message(&use, iv);
    assert_int_equal(kgr_cbc_update(&use, data, sizeof(data), data), KGR_OK);
    assert_memory_equal(data, want, sizeof(want));
    kgr_cbc_end(&use);
    kgr_secret_free(all);
    assert_int_equal(room(), left);
    kgr_cbc_free(cbc);
    kgr_secret_free(key);
}

struct shared {
    struct kgr_cbc *cbc;
    const uint8_t *want;
};

static void *hammer(void *arg)
{
    const struct shared *shared = arg;
    static const uint8_t iv[KGR_IV_LEN];

    for (int i = 0; i < 2000; i++) {
        struct kgr_cbc_use use;
        uint8_t data[64] = {1};

        if (kgr_cbc_begin(&use, shared->cbc, true) != KGR_OK)
            return arg;
        kgr_cbc_message(&use, iv);
        if (kgr_cbc_update(&use, data, sizeof(data), data) != KGR_OK)
            return arg;
        kgr_cbc_end(&use);
        if (memcmp(data, shared->want, sizeof(data)) != 0)
            return arg;
    }
    return NULL;
}

static void one_key_serves_many_threads(void **state)
{
    uint8_t *key;
    static const uint8_t iv[KGR_IV_LEN];
    const uint8_t data[64] = {1};
    uint8_t want[64];
    struct shared shared = {.cbc = make(KGR_SUITE_AES256_SHA384, &key), .want = want};
    pthread_t threads[6];

    (void)state;
    expected(KGR_SUITE_AES256_SHA384, key, iv, data, sizeof(data), want);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &shared), 0);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    kgr_cbc_free(shared.cbc);
    kgr_secret_free(key);
}

static int open_arena(void **state)
{
    (void)state;
    return kgr_arena_init(ARENA_LEN) == KGR_OK ? 0 : -1;
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
        cmocka_unit_test(every_message_is_what_libcrypto_makes),
        cmocka_unit_test(decryption_undoes_it),
        cmocka_unit_test(update_refuses_parts_of_blocks),
        cmocka_unit_test(schedules_stand_in_the_arena_and_go_with_the_key),
        cmocka_unit_test(a_full_arena_stops_nobody),
        cmocka_unit_test(one_key_serves_many_threads),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
