/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void boot_clock_never_goes_back(void **state)
{
    uint64_t last = kgr_clock_boot_ms();

    (void)state;
    assert_true(last > 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = kgr_clock_boot_ms();

        assert_true(now >= last);
        last = now;
    }
    assert_true(kgr_clock_wall_s() > 1600000000);
}

static void random_fills_every_byte(void **state)
{
    uint8_t seen[300] = {0};
    uint8_t out[300];

    (void)state;
    /* After 16 rounds a byte that is still zero was never written (chance 2^-128 each). */
    for (int round = 0; round < 16; round++) {
        kgr_random(out, sizeof(out));
        for (size_t i = 0; i < sizeof(out); i++)
            seen[i] |= out[i];
    }
    for (size_t i = 0; i < sizeof(seen); i++)
        assert_int_not_equal(seen[i], 0);
    memset(out, 7, sizeof(out));
    kgr_random(out, 0);
    assert_int_equal(out[0], 7);
}

static unsigned int take_all(struct kgr_bucket *b, uint64_t now)
{
    unsigned int n = 0;

    while (kgr_bucket_take(b, now))
        n++;
    return n;
}

static void bucket_gives_its_burst_then_its_rate(void **state)
{
    struct kgr_bucket b;

    (void)state;
    kgr_bucket_init(&b, 2, 5, 1000);
    assert_int_equal(take_all(&b, 1000), 5);
    assert_int_equal(take_all(&b, 1499), 0);
    assert_int_equal(take_all(&b, 1500), 1);
    assert_int_equal(take_all(&b, 2500), 2);
}

static void bucket_collects_fractions(void **state)
{
    struct kgr_bucket b;
    unsigned int n = 0;

    (void)state;
    kgr_bucket_init(&b, 3, 1, 0);
    assert_int_equal(take_all(&b, 0), 1);
    for (uint64_t now = 1; now <= 10000; now++)
        n += take_all(&b, now);
    assert_in_range(n, 29, 30);
}

static void bucket_never_holds_more_than_its_burst(void **state)
{
    struct kgr_bucket b;

    (void)state;
    kgr_bucket_init(&b, UINT32_MAX, 4, 0);
    assert_int_equal(take_all(&b, 0), 4);
    assert_int_equal(take_all(&b, UINT64_MAX), 4);
}

static void bucket_ignores_a_clock_that_goes_back(void **state)
{
    struct kgr_bucket b;

    (void)state;
    kgr_bucket_init(&b, 1, 1, 5000);
    assert_int_equal(take_all(&b, 5000), 1);
    assert_int_equal(take_all(&b, 0), 0);
    assert_int_equal(take_all(&b, 5999), 0);
    assert_int_equal(take_all(&b, 6000), 1);
}

static void bucket_of_no_rate_stays_empty(void **state)
{
    struct kgr_bucket b;

    (void)state;
    kgr_bucket_init(&b, 0, 1, 0);
    assert_int_equal(take_all(&b, 0), 1);
    assert_int_equal(take_all(&b, UINT64_MAX), 0);
}

static void wall_clock_that_is_set_is_told_once(void **state)
{
    struct kgr_clock_look last = {0, 0};
    struct kgr_clock_look now = {1000, 5000};

    (void)state;
    assert_int_equal(kgr_clock_jump(&last, &now), 0); /* the first look */
    now = (struct kgr_clock_look){11000, 5010};
    assert_int_equal(kgr_clock_jump(&last, &now), 0);
    now = (struct kgr_clock_look){21000, 5079}; /* it is being kept */
    assert_int_equal(kgr_clock_jump(&last, &now), 0);
    now = (struct kgr_clock_look){31000, 5089 + 3600};
    assert_int_equal(kgr_clock_jump(&last, &now), 3600);
    now = (struct kgr_clock_look){41000, 5099 + 3600};
    assert_int_equal(kgr_clock_jump(&last, &now), 0);
    now = (struct kgr_clock_look){51000, 100};
    assert_int_equal(kgr_clock_jump(&last, &now), 100 - (5109 + 3600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_clock_that_is_set_is_told_once),
        cmocka_unit_test(boot_clock_never_goes_back),
        cmocka_unit_test(random_fills_every_byte),
        cmocka_unit_test(bucket_gives_its_burst_then_its_rate),
        cmocka_unit_test(bucket_collects_fractions),
        cmocka_unit_test(bucket_never_holds_more_than_its_burst),
        cmocka_unit_test(bucket_ignores_a_clock_that_goes_back),
        cmocka_unit_test(bucket_of_no_rate_stays_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
