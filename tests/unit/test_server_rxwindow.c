/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/rxwindow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQ(epoch, counter) ((uint64_t)(epoch) << 32 | (counter))

static void rxwindow_zero_epoch_or_counter_refused(void **state)
{
    struct kgr_rxwindow w = {0};

    (void)state;
    assert_false(kgr_rxwindow_take(&w, SEQ(0, 1)));
    assert_false(kgr_rxwindow_take(&w, SEQ(1, 0)));
    assert_true(kgr_rxwindow_take(&w, SEQ(1, 1)));
}

static void rxwindow_edges_of_window(void **state)
{
    struct kgr_rxwindow w = {0};

    (void)state;
    assert_true(kgr_rxwindow_take(&w, SEQ(3, 100)));
    assert_true(kgr_rxwindow_take(&w, SEQ(3, 37)));  /* the 64th */
    assert_false(kgr_rxwindow_take(&w, SEQ(3, 36))); /* the 65th */
    assert_false(kgr_rxwindow_take(&w, SEQ(3, 37)));
    assert_false(kgr_rxwindow_take(&w, SEQ(2, 200)));
}

static void rxwindow_higher_epoch_begins_anew(void **state)
{
    struct kgr_rxwindow w = {0};

    (void)state;
    assert_true(kgr_rxwindow_take(&w, SEQ(1, UINT32_MAX)));
    assert_true(kgr_rxwindow_take(&w, SEQ(2, 5)));
    assert_true(kgr_rxwindow_take(&w, SEQ(2, 4)));
    assert_false(kgr_rxwindow_take(&w, SEQ(1, UINT32_MAX - 1)));
}

/* Against a list of everything taken: the window never takes twice, and takes all that is near and new. */
static void rxwindow_random_agrees_with_a_list(void **state)
{
    static bool taken[4][512];

    (void)state;
    srandom(7);
    for (int round = 0; round < 200; round++) {
        struct kgr_rxwindow w = {0};
        uint32_t epoch = 0, top = 0;

        memset(taken, 0, sizeof taken);
        for (int i = 0; i < 500; i++) {
            uint32_t e = 1 + (uint32_t)random() % 3, c = 1 + (uint32_t)random() % 500;
            bool want = e > epoch || (e == epoch && (c > top || (top - c < 64 && !taken[e][c])));

            assert_int_equal(kgr_rxwindow_fresh(&w, SEQ(e, c)), want);
            assert_int_equal(kgr_rxwindow_take(&w, SEQ(e, c)), want);
            if (!want)
                continue;
            taken[e][c] = true;
            if (e > epoch || c > top)
                top = c;
            epoch = e;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rxwindow_zero_epoch_or_counter_refused),
        cmocka_unit_test(rxwindow_edges_of_window),
        cmocka_unit_test(rxwindow_higher_epoch_begins_anew),
        cmocka_unit_test(rxwindow_random_agrees_with_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
