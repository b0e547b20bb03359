/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 section 10, and the last two letters of the alphabet. */
static void text_is_that_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff", "+/8="},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t len = strlen(pairs[i][0]);

        assert_string_equal(kgr_ctl_base64(out, (const uint8_t *)pairs[i][0], len), pairs[i][1]);
        assert_int_equal(kgr_ctl_base64_len(len), strlen(pairs[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_that_of_the_rfc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
