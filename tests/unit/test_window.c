/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t at(uint32_t epoch, uint32_t counter)
{
    return (uint64_t)epoch << 32 | counter;
}

static void accept_each_once(void **state)
{
    struct kgr_window w = {0};

    (void)state;
    for (uint32_t i = 1; i < 300; i++) {
        assert_int_equal(kgr_window_accept(&w, at(1, i)), KGR_OK);
        assert_int_equal(kgr_window_accept(&w, at(1, i)), KGR_ERR_REPLAY);
    }
}

static void accept_counter_zero_replay(void **state)
{
    struct kgr_window w = {0};

    (void)state;
    assert_int_equal(kgr_window_accept(&w, at(5, 0)), KGR_ERR_REPLAY);
}

static void accept_out_of_order_within_64(void **state)
{
    struct kgr_window w = {0};

    (void)state;
    assert_int_equal(kgr_window_accept(&w, at(1, 100)), KGR_OK);
    assert_int_equal(kgr_window_accept(&w, at(1, 37)), KGR_OK);
    assert_int_equal(kgr_window_accept(&w, at(1, 37)), KGR_ERR_REPLAY);
    assert_int_equal(kgr_window_accept(&w, at(1, 36)), KGR_ERR_REPLAY);
    for (uint32_t i = 38; i < 100; i++)
        assert_int_equal(kgr_window_accept(&w, at(1, i)), KGR_OK);
}

static void accept_higher_epoch_begins_anew(void **state)
{
    struct kgr_window w = {0};

    (void)state;
    assert_int_equal(kgr_window_accept(&w, at(3, 500)), KGR_OK);
    assert_int_equal(kgr_window_accept(&w, at(4, 2)), KGR_OK);
    assert_int_equal(kgr_window_accept(&w, at(4, 1)), KGR_OK);
    assert_int_equal(kgr_window_accept(&w, at(3, 501)), KGR_ERR_REPLAY);
    assert_int_equal(kgr_window_accept(&w, at(4, 2)), KGR_ERR_REPLAY);
}

static void accept_jumps_of_all_sizes(void **state)
{
    static const uint32_t jumps[] = {1, 2, 63, 64, 65, 1000, UINT32_MAX - 10};

    (void)state;
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        struct kgr_window w = {0};
        uint32_t next = 10 + jumps[i];

        assert_int_equal(kgr_window_accept(&w, at(1, 10)), KGR_OK);
        assert_int_equal(kgr_window_accept(&w, at(1, next)), KGR_OK);
        assert_int_equal(kgr_window_check(&w, at(1, 10)), KGR_ERR_REPLAY);
        assert_int_equal(kgr_window_check(&w, at(1, 9)), next - 9 < 64 ? KGR_OK : KGR_ERR_REPLAY);
    }
}

static void check_changes_nothing(void **state)
{
    struct kgr_window w = {0};

    (void)state;
    assert_int_equal(kgr_window_check(&w, at(9, 9)), KGR_OK);
    assert_int_equal(kgr_window_check(&w, at(1, 1)), KGR_OK);
    assert_int_equal(w.epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_each_once),
        cmocka_unit_test(accept_counter_zero_replay),
        cmocka_unit_test(accept_out_of_order_within_64),
        cmocka_unit_test(accept_higher_epoch_begins_anew),
        cmocka_unit_test(accept_jumps_of_all_sizes),
        cmocka_unit_test(check_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
