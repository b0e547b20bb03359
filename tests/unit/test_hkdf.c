/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/hkdf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/text.h"

/* RFC 5869 appendix A, cases 1 and 3: IKM is 22 bytes of 0b. */
static void hkdf_gives_the_vectors_of_rfc_5869(void **state)
{
    uint8_t secret[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t out[42];
    char hex[2 * sizeof(out) + 1];

    (void)state;
    memset(secret, 0x0b, sizeof(secret));
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_int_equal(
        kgr_hkdf(out, sizeof(out), kgr_slice(secret, 22), kgr_slice(salt, 13), kgr_slice(info, 10)),
        KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                        "34007208d5b887185865");
    assert_int_equal(
        kgr_hkdf(out, sizeof(out), kgr_slice(secret, 22), kgr_slice(NULL, 0), kgr_slice(NULL, 0)),
        KGR_OK);
    assert_string_equal(kgr_hex(hex, out, sizeof(out)),
                        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                        "9d201395faa4b61a96c8");
}

static void hkdf_refuses_impossible_requests(void **state)
{
    static uint8_t out[255 * 32 + 1];
    struct kgr_slice secret = kgr_slice("k", 1);
    struct kgr_slice none = kgr_slice(NULL, 0);

    (void)state;
    assert_int_equal(kgr_hkdf(out, 0, secret, none, none), KGR_ERR_INVALID);
    assert_int_equal(kgr_hkdf(out, sizeof(out), secret, none, none), KGR_ERR_INVALID);
    assert_int_equal(kgr_hkdf(out, 32, none, none, none), KGR_ERR_INVALID);
    assert_int_equal(kgr_hkdf(out, sizeof(out) - 1, secret, none, none), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hkdf_gives_the_vectors_of_rfc_5869),
        cmocka_unit_test(hkdf_refuses_impossible_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
