/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/hmac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"

static void compute(uint8_t *out, enum kgr_suite suite, struct kgr_slice key,
                    const struct kgr_slice *parts, size_t num)
{
    struct kgr_hmac_key *set = kgr_secret_alloc(sizeof(*set));
    struct kgr_hmac run;

    assert_non_null(set);
    assert_int_equal(kgr_hmac_key_set(set, suite, key), KGR_OK);
    kgr_hmac_start(&run, set);
    for (size_t i = 0; i < num; i++)
        kgr_hmac_add(&run, parts[i]);
    kgr_hmac_end(&run, &set->outer, out);
    kgr_secret_free(set);
}

/* RFC 4231, test cases 1, 2 and 3. */
static void known_answers(void **state)
{
    static const uint8_t first[32] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
                                      0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
                                      0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7,
                                      0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7};
    static const uint8_t second[48] = {0xaf, 0x45, 0xd2, 0xe3, 0x76, 0x48, 0x40, 0x31, 0x61, 0x7f,
                                       0x78, 0xd2, 0xb5, 0x8a, 0x6b, 0x1b, 0x9c, 0x7e, 0xf4, 0x64,
                                       0xf5, 0xa0, 0x1b, 0x47, 0xe4, 0x2e, 0xc3, 0x73, 0x63, 0x22,
                                       0x44, 0x5e, 0x8e, 0x22, 0x40, 0xca, 0x5e, 0x69, 0xe2, 0xc7,
                                       0x8b, 0x32, 0x39, 0xec, 0xfa, 0xb2, 0x16, 0x49};
    static const uint8_t third[32] = {0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46,
                                      0x85, 0x4d, 0xb8, 0xeb, 0xd0, 0x91, 0x81, 0xa7,
                                      0x29, 0x59, 0x09, 0x8b, 0x3e, 0xf8, 0xc1, 0x22,
                                      0xd9, 0x63, 0x55, 0x14, 0xce, 0xd5, 0x65, 0xfe};
    static const char what[] = "what do ya want for nothing?";
    uint8_t key[20];
    uint8_t data[50];
    uint8_t out[KGR_HASH_MAX];
    struct kgr_slice part;

    (void)state;
    memset(key, 0x0b, sizeof(key));
    part = kgr_slice("Hi There", 8);
    compute(out, KGR_SUITE_AES128_SHA256, kgr_slice(key, sizeof(key)), &part, 1);
    assert_memory_equal(out, first, sizeof(first));
    part = kgr_slice(what, sizeof(what) - 1);
    compute(out, KGR_SUITE_AES256_SHA384, kgr_slice("Jefe", 4), &part, 1);
    assert_memory_equal(out, second, sizeof(second));
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    part = kgr_slice(data, sizeof(data));
    compute(out, KGR_SUITE_AES128_SHA256, kgr_slice(key, sizeof(key)), &part, 1);
    assert_memory_equal(out, third, sizeof(third));
}

static void parts_are_one_message_however_they_stand(void **state)
{
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    static const uint8_t key[32] = {7};
    uint8_t data[300];
    uint8_t other[100];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    memcpy(other, data + 100, sizeof(other));
    for (size_t i = 0; i < KGR_ARRAY_LEN(suites); i++) {
        const struct kgr_slice whole = kgr_slice(data, sizeof(data));
        const struct kgr_slice adjacent[] = {kgr_slice(data, 3), kgr_slice(data + 3, 0),
                                             kgr_slice(NULL, 0), kgr_slice(data + 3, 97),
                                             kgr_slice(data + 100, 200)};
        const struct kgr_slice apart[] = {kgr_slice(data, 100), kgr_slice(other, 100),
                                          kgr_slice(data + 200, 100)};
        uint8_t a[KGR_HASH_MAX];
        uint8_t b[KGR_HASH_MAX];
        uint8_t c[KGR_HASH_MAX];

        compute(a, suites[i], kgr_slice(key, sizeof(key)), &whole, 1);
        compute(b, suites[i], kgr_slice(key, sizeof(key)), adjacent, KGR_ARRAY_LEN(adjacent));
        compute(c, suites[i], kgr_slice(key, sizeof(key)), apart, KGR_ARRAY_LEN(apart));
        assert_memory_equal(a, b, kgr_suite_hash_len(suites[i]));
        assert_memory_equal(a, c, kgr_suite_hash_len(suites[i]));
    }
}

static void set_refuses_what_it_cannot_hold(void **state)
{
    static const uint8_t long_key[65];
    struct kgr_hmac_key set;

    (void)state;
    assert_int_equal(kgr_hmac_key_set(&set, KGR_SUITE_AES128_SHA256, kgr_slice(long_key, 65)),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_hmac_key_set(&set, (enum kgr_suite)3, kgr_slice(long_key, 32)),
                     KGR_ERR_INVALID);
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
        cmocka_unit_test(known_answers),
        cmocka_unit_test(parts_are_one_message_however_they_stand),
        cmocka_unit_test(set_refuses_what_it_cannot_hold),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
