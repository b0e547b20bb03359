/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void delay_doubles_up_to_a_minute(void **state)
{
    static const uint32_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};

    (void)state;
    for (uint32_t random = 0; random < 100000; random += 777) {
        struct kgr_retry retry = {0};

        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
            assert_in_range(kgr_retry_delay_ms(&retry, random), expected[i] - expected[i] / 4,
                            expected[i] + expected[i] / 4);
    }
}

static void jitter_reaches_both_ends(void **state)
{
    (void)state;
    assert_int_equal(kgr_jitter_ms(1000, 0), 750);
    assert_int_equal(kgr_jitter_ms(1000, 500), 1250);
    assert_int_equal(kgr_jitter_ms(0, 12345), 0);
}

static void reset_begins_again(void **state)
{
    struct kgr_retry retry = {0};

    (void)state;
    for (int i = 0; i < 20; i++)
        (void)kgr_retry_delay_ms(&retry, 0);
    kgr_retry_reset(&retry);
    assert_int_equal(kgr_retry_delay_ms(&retry, 0), 750);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay_doubles_up_to_a_minute),
        cmocka_unit_test(jitter_reaches_both_ends),
        cmocka_unit_test(reset_begins_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
