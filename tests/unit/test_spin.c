/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Becomes ready at the n-th look. */
struct thing {
    unsigned int looks;
    unsigned int ready_at; /* 0: never */
};

static bool look(void *arg)
{
    struct thing *t = arg;

    t->looks++;
    return t->ready_at != 0 && t->looks >= t->ready_at;
}

static struct kgr_spin of_two(void)
{
    struct kgr_spin spin;

    kgr_spin_init(&spin);
    spin.never = false; /* whatever this machine has */
    return spin;
}

static void spin_ends_when_ready(void **state)
{
    struct kgr_spin spin = of_two();
    struct thing t = {.ready_at = 1};

    (void)state;
    assert_true(kgr_spin_wait(&spin, look, &t));
    assert_int_equal(t.looks, 1);
}

static void spin_gives_up(void **state)
{
    struct kgr_spin spin = of_two();
    struct thing t = {0};

    (void)state;
    assert_false(kgr_spin_wait(&spin, look, &t));
    assert_true(t.looks > 0);
}

static void spin_is_not_tried_where_waits_are_long(void **state)
{
    struct kgr_spin spin = of_two();
    struct thing t = {.ready_at = 1};

    (void)state;
    for (int i = 0; i < 40; i++) {
        struct thing never = {0};

        assert_false(kgr_spin_wait(&spin, look, &never));
        spin.began_ns -= 1000000; /* a millisecond */
        kgr_spin_slept(&spin);
    }
    assert_false(kgr_spin_wait(&spin, look, &t));
    assert_int_equal(t.looks, 0);
    /* Short ones bring it back. */
    spin.expected_ns /= 8;
    spin.pause_ns = 0; /* others may have had this processor meanwhile */
    assert_true(kgr_spin_wait(&spin, look, &t));
}

static void spin_is_not_tried_while_others_want_the_processor(void **state)
{
    struct kgr_spin spin = of_two();
    struct thing t = {.ready_at = 1};

    (void)state;
    spin.pause_ns = UINT64_MAX;
    assert_false(kgr_spin_wait(&spin, look, &t));
    assert_int_equal(t.looks, 0);
}

static void spin_is_not_tried_on_one_processor(void **state)
{
    struct kgr_spin spin = of_two();
    struct thing t = {.ready_at = 1};

    (void)state;
    spin.never = true;
    assert_false(kgr_spin_wait(&spin, look, &t));
    assert_int_equal(t.looks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spin_ends_when_ready),
        cmocka_unit_test(spin_gives_up),
        cmocka_unit_test(spin_is_not_tried_where_waits_are_long),
        cmocka_unit_test(spin_is_not_tried_while_others_want_the_processor),
        cmocka_unit_test(spin_is_not_tried_on_one_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
