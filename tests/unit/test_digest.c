/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/text.h"

/* FIPS 180-4, example "abc". */
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA512_ABC                                                                                 \
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                             \
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
#define SHA384_ABC                                                                                 \
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"                             \
    "8086072ba1e7cc2358baeca134c825a7"

static void sha_gives_the_published_values_over_parts(void **state)
{
    const struct kgr_slice parts[] = {
        kgr_slice("a", 1),
        kgr_slice(NULL, 0),
        kgr_slice("bc", 2),
    };
    uint8_t out[KGR_SHA512_LEN];
    char hex[2 * sizeof(out) + 1];

    (void)state;
    assert_int_equal(kgr_sha256(out, parts, 3), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, KGR_SHA256_LEN), SHA256_ABC);
    assert_int_equal(kgr_sha384(out, parts, 3), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, KGR_SHA384_LEN), SHA384_ABC);
    assert_int_equal(kgr_sha512(out, parts, 3), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, KGR_SHA512_LEN), SHA512_ABC);
}

static void sha_of_nothing_is_that_of_the_empty_string(void **state)
{
    uint8_t out[KGR_SHA256_LEN];
    char hex[2 * sizeof(out) + 1];

    (void)state;
    assert_int_equal(kgr_sha256(out, NULL, 0), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_gives_case_2_of_rfc_4231(void **state)
{
    const struct kgr_slice parts[] = {
        kgr_slice("what do ya want ", 16),
        kgr_slice("for nothing?", 12),
    };
    uint8_t out[KGR_SHA256_LEN];
    char hex[2 * sizeof(out) + 1];

    (void)state;
    assert_int_equal(kgr_hmac_sha256(out, kgr_slice("Jefe", 4), parts, 2), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void hmac_takes_an_empty_key(void **state)
{
    uint8_t out[KGR_SHA256_LEN];
    char hex[2 * sizeof(out) + 1];

    (void)state;
    assert_int_equal(kgr_hmac_sha256(out, kgr_slice(NULL, 0), NULL, 0), KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha_gives_the_published_values_over_parts),
        cmocka_unit_test(sha_of_nothing_is_that_of_the_empty_string),
        cmocka_unit_test(hmac_gives_case_2_of_rfc_4231),
        cmocka_unit_test(hmac_takes_an_empty_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
