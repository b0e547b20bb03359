/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void blocks_are_counted_with_the_padding(void **state)
{
    (void)state;
    assert_int_equal(kgr_budget_blocks_sealed(0), 1);
    assert_int_equal(kgr_budget_blocks_sealed(15), 1);
    assert_int_equal(kgr_budget_blocks_sealed(16), 2);
    assert_int_equal(kgr_budget_blocks_raw(0), 0);
    assert_int_equal(kgr_budget_blocks_raw(1), 1);
    assert_int_equal(kgr_budget_blocks_raw(16), 1);
    assert_int_equal(kgr_budget_blocks_raw(17), 2);
}

/* A store that crashes now and then: what it holds is never less than what was used. */
static void stored_count_is_never_below_the_used_one(void **state)
{
    const uint64_t limit = 4096 * 10;
    struct kgr_budget budget;
    uint64_t stored = 0;
    uint64_t really = 0;
    unsigned writes = 0;

    (void)state;
    kgr_budget_restart(&budget, 0);
    for (uint64_t i = 1; i < 3000; i++) {
        uint64_t blocks = i % 7;
        uint64_t reserved;

        if (kgr_budget_need(&budget, limit, blocks, 1, &reserved)) {
            stored = reserved;
            writes++;
            kgr_budget_raise(&budget, reserved);
        }
        assert_true(kgr_budget_use(&budget, UINT64_MAX, blocks));
        really += blocks;
        assert_true(stored >= really);
        assert_true(stored - really < i / 500 * 10 + 10 + 7);
        if (i % 500 == 0)
            kgr_budget_restart(&budget, stored);
    }
    assert_in_range(writes, really / 20, really / 10 + 10);
}

static void spent_budget_has_no_room(void **state)
{
    struct kgr_budget budget;

    (void)state;
    kgr_budget_restart(&budget, 90);
    assert_false(kgr_budget_is_spent(&budget, 100, 10));
    assert_true(kgr_budget_is_spent(&budget, 100, 11));
    kgr_budget_restart(&budget, UINT64_MAX);
    assert_true(kgr_budget_is_spent(&budget, UINT64_MAX - 1, 1));
}

static void last_count_does_not_wrap(void **state)
{
    struct kgr_budget budget;
    uint64_t reserved = 0;

    (void)state;
    kgr_budget_restart(&budget, UINT64_MAX - 1);
    assert_true(kgr_budget_need(&budget, UINT64_C(1) << 32, 5, 1, &reserved));
    assert_true(reserved == UINT64_MAX);
    kgr_budget_raise(&budget, reserved);
    assert_true(kgr_budget_use(&budget, UINT64_MAX, 5));
    assert_true(budget.used == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_counted_with_the_padding),
        cmocka_unit_test(stored_count_is_never_below_the_used_one),
        cmocka_unit_test(spent_budget_has_no_room),
        cmocka_unit_test(last_count_does_not_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
