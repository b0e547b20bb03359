/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/age.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define YEAR_S  (UINT64_C(366) * 86400)
#define WALL_S  1700000000
#define BOUND_S 86400u

static struct kgr_ks_age_mark mark(uint8_t boot, uint64_t boot_ms, int64_t wall_s)
{
    return (struct kgr_ks_age_mark){.boot_id = {boot}, .boot_ms = boot_ms, .wall_s = wall_s};
}

static uint64_t restarted(struct kgr_ks_age_mark then, struct kgr_ks_age_mark now)
{
    struct kgr_ks_age age;

    kgr_ks_age_start(&age, WALL_S, &then, &now, BOUND_S);
    return kgr_ks_age_now(&age, now.boot_ms) - WALL_S;
}

static void first_start_is_unix_time(void **state)
{
    struct kgr_ks_age_mark none = {{0}, 0, 0};
    struct kgr_ks_age_mark now = mark(1, 5000, WALL_S);
    struct kgr_ks_age age;

    (void)state;
    kgr_ks_age_start(&age, 0, &none, &now, BOUND_S);
    assert_int_equal(kgr_ks_age_now(&age, 5000), WALL_S);
    /* A host that believes it is before 1970 has a time all the same. */
    now.wall_s = -5;
    kgr_ks_age_start(&age, 0, &none, &now, BOUND_S);
    assert_int_equal(kgr_ks_age_now(&age, 5000), 1);
}

static void running_it_follows_boottime_alone(void **state)
{
    struct kgr_ks_age_mark now = mark(1, 5400, WALL_S);
    struct kgr_ks_age age;

    (void)state;
    kgr_ks_age_start(&age, WALL_S, &now, &now, BOUND_S);
    /* Steps shorter than a second are not lost, and what is older than the last look moves nothing. */
    for (uint64_t ms = 5400; ms <= 105400; ms += 300)
        (void)kgr_ks_age_now(&age, ms);
    assert_int_equal(kgr_ks_age_now(&age, 105400), WALL_S + 100);
    assert_int_equal(kgr_ks_age_now(&age, 6000), WALL_S + 100);
}

static void restart_within_a_boot_is_exact_whatever_the_wall_clock_says(void **state)
{
    (void)state;
    assert_int_equal(restarted(mark(1, 1000, WALL_S), mark(1, 61000, WALL_S + 60)), 60);
    assert_int_equal(
        restarted(mark(1, 1000, WALL_S), mark(1, 61000, WALL_S + 50 * (int64_t)YEAR_S)), 60);
    assert_int_equal(restarted(mark(1, 1000, WALL_S), mark(1, 61000, 0)), 60);
    /* 90 days of a stopped service on a running host are 90 days. */
    assert_int_equal(restarted(mark(1, 1000, WALL_S), mark(1, 1000 + 90 * 86400000ull, WALL_S)),
                     90 * 86400);
}

static void reboot_trusts_the_wall_clock_within_the_bound(void **state)
{
    (void)state;
    assert_int_equal(restarted(mark(1, 900000, WALL_S), mark(2, 20000, WALL_S + 3600)), 3600);
    /* Years ahead: at most the bound beyond what is sure. */
    assert_int_equal(
        restarted(mark(1, 900000, WALL_S), mark(2, 20000, WALL_S + 40 * (int64_t)YEAR_S)),
        BOUND_S + 20);
    /* Years back: what is sure. */
    assert_int_equal(restarted(mark(1, 900000, WALL_S), mark(2, 20000, 1000)), 20);
    assert_int_equal(restarted(mark(1, 900000, WALL_S), mark(2, 20000, WALL_S + 5)), 20);
    assert_int_equal(restarted(mark(1, 900000, WALL_S), mark(2, 20000, INT64_MAX)), BOUND_S + 20);
    assert_int_equal(restarted(mark(1, 900000, INT64_MIN), mark(2, 20000, INT64_MAX)),
                     BOUND_S + 20);
}

static void boot_that_is_unknown_or_went_back_is_another(void **state)
{
    (void)state;
    assert_int_equal(restarted(mark(0, 900000, WALL_S), mark(0, 950000, WALL_S + 3600)), 3600);
    /* A snapshot of the host was put back. */
    assert_int_equal(restarted(mark(1, 900000, WALL_S), mark(1, 20000, WALL_S + 3600)), 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_start_is_unix_time),
        cmocka_unit_test(running_it_follows_boottime_alone),
        cmocka_unit_test(restart_within_a_boot_is_exact_whatever_the_wall_clock_says),
        cmocka_unit_test(reboot_trusts_the_wall_clock_within_the_bound),
        cmocka_unit_test(boot_that_is_unknown_or_went_back_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
