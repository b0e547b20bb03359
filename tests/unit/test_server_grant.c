/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/grant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kgr_grant_parties both(void)
{
    return (struct kgr_grant_parties){
        .allowed = true,
        .peer_ready = true,
        .suites = {3, 3},
        .custodies = {1, 1},
        .own_suites = 1,
        .own_custodies = 1,
        .lifetime_s = 60,
    };
}

static void grant_best_common_suite_that_the_ks_can_make(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    assert_int_equal(kgr_grant_decide(&p).suite, 1);
    p.own_suites = 3;
    assert_int_equal(kgr_grant_decide(&p).suite, 2);
    p.suites[1] = 1;
    assert_int_equal(kgr_grant_decide(&p).suite, 1);
    assert_int_equal(kgr_grant_decide(&p).custody, 1);
    assert_int_equal(kgr_grant_decide(&p).lifetime_s, 60);
    assert_int_equal(kgr_grant_decide(&p).reason, 0);
}

static void grant_permission_comes_before_everything(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    p.allowed = false;
    p.peer_ready = false; /* an unknown peer looks no different */
    p.suites[0] = 0;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_NOT_AUTHORIZED);
    p.allowed = true;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BUSY);
    assert_true(kgr_grant_decide(&p).retry_after_s > 0);
}

/* A source of entropy that is required and not good: wait, but only whoever may have a key at all. */
static void grant_is_held_while_no_key_may_be_born(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    p.held = true;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BUSY);
    assert_true(kgr_grant_decide(&p).retry_after_s > 0);
    p.allowed = false;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_NOT_AUTHORIZED);
}

static void grant_minimum_of_the_ac_is_kept(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    p.min_suite = 2;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BAD_SUITE);
    p = both();
    p.own_custodies = 7;
    p.custodies[1] = 4;
    p.min_custody = 1;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BAD_CUSTODY);
    p.min_custody = 2;
    assert_int_equal(kgr_grant_decide(&p).custody, 2);
}

static void grant_custody_that_the_ks_cannot_make_refused(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    p.custodies[0] = 4;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BAD_CUSTODY);
    p.custodies[0] = 0;
    assert_int_equal(kgr_grant_decide(&p).reason, KGR_REASON_BAD_CUSTODY);
}

static void grant_two_resident_nodes_of_a_ks_that_bears_no_keys_are_mixed(void **state)
{
    struct kgr_grant_parties p = both();

    (void)state;
    p.own_custodies = 6;
    assert_int_equal(kgr_grant_decide(&p).custody, 2);
    p.custodies[0] = 4;
    assert_int_equal(kgr_grant_decide(&p).custody, 2);
    p.custodies[1] = 4;
    assert_int_equal(kgr_grant_decide(&p).custody, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grant_best_common_suite_that_the_ks_can_make),
        cmocka_unit_test(grant_permission_comes_before_everything),
        cmocka_unit_test(grant_is_held_while_no_key_may_be_born),
        cmocka_unit_test(grant_minimum_of_the_ac_is_kept),
        cmocka_unit_test(grant_custody_that_the_ks_cannot_make_refused),
        cmocka_unit_test(grant_two_resident_nodes_of_a_ks_that_bears_no_keys_are_mixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
