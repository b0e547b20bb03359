/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/gcm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 and 14. */
static void gcm_is_that_of_its_authors(void **state)
{
    static const uint8_t zero[32];
    static const uint8_t empty_tag[] = {0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
                                        0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b};
    static const uint8_t block[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                    0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
    static const uint8_t block_tag[] = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                        0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    uint8_t out[16], tag[KGR_GCM_TAG_LEN];

    (void)state;
    assert_int_equal(kgr_gcm_encrypt(out, tag, zero, zero, kgr_slice(zero, 0)), KGR_OK);
    assert_memory_equal(tag, empty_tag, sizeof(tag));
    assert_int_equal(kgr_gcm_encrypt(out, tag, zero, zero, kgr_slice(zero, 16)), KGR_OK);
    assert_memory_equal(out, block, sizeof(out));
    assert_memory_equal(tag, block_tag, sizeof(tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_is_that_of_its_authors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
