/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/renewal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIFETIME_MS 1000000u
#define OVERLAP_S   100u

static const struct kgr_renewal_rules rules = {
    .renew_at = 75,
    .overlap_s = OVERLAP_S,
    .budget = 1000000,
};

static struct kgr_renewal machine;

static struct kgr_renewal_facts facts(uint8_t role, uint64_t age_ms)
{
    return (struct kgr_renewal_facts){
        .now_ms = 5000000 + age_ms,
        .jitter = 0x8000,
        .role = role,
        .allowed = true,
        .generation = 1,
        .age_ms = age_ms,
        .lifetime_ms = LIFETIME_MS,
    };
}

static struct kgr_renewal_actions step(const struct kgr_renewal_facts *f)
{
    struct kgr_renewal_actions out;

    kgr_renewal_step(&machine, &rules, f, &out);
    return out;
}

static int setup(void **state)
{
    (void)state;
    kgr_renewal_init(&machine);
    return 0;
}

static void age_renews_role_1_before_role_2(void **state)
{
    static const uint32_t spreads[] = {0, 1, 0x7fff, 0xffff, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(spreads) / sizeof(spreads[0]); i++) {
        uint64_t one = kgr_renewal_ready_ms(&rules, 1, LIFETIME_MS, spreads[i]);
        uint64_t two = kgr_renewal_ready_ms(&rules, 2, LIFETIME_MS, spreads[i]);

        assert_in_range(one, 750000, 765625);
        assert_in_range(two, 812500, 843750);
    }
}

static void key_is_renewed_when_it_is_due_and_not_before(void **state)
{
    struct kgr_renewal_facts f = facts(1, 0);
    uint64_t due;

    (void)state;
    assert_false(step(&f).request);
    due = machine.deadline_ms;
    assert_int_equal(due, 5000000 + kgr_renewal_ready_ms(&rules, 1, LIFETIME_MS, machine.spread));
    f = facts(1, due - 5000000 - 1);
    assert_false(step(&f).request);
    f = facts(1, due - 5000000);
    assert_true(step(&f).request);
    f.busy = true;
    assert_false(step(&f).request);
    /* Done: the next generation begins anew. */
    f.busy = false;
    f.generation = 2;
    f.age_ms = 0;
    assert_false(step(&f).request);
}

static void failed_renewal_backs_off_until_expiry(void **state)
{
    struct kgr_renewal_facts f = facts(1, 800000);
    uint64_t last = 0;
    unsigned tries = 0;

    (void)state;
    while (f.age_ms < LIFETIME_MS) {
        if (step(&f).request) {
            assert_true(tries < 2 || f.age_ms - last > 1000);
            last = f.age_ms;
            tries++;
            continue; /* at once: FAILED */
        }
        assert_true(machine.deadline_ms > f.now_ms);
        f.age_ms += machine.deadline_ms - f.now_ms;
        f.now_ms = machine.deadline_ms;
    }
    assert_in_range(tries, 5, 12);
    /* An expired key waits for a wish. */
    assert_false(step(&f).request);
    assert_int_equal(machine.deadline_ms, UINT64_MAX);
}

static void forbidden_pair_is_not_renewed(void **state)
{
    struct kgr_renewal_facts f = facts(1, 900000);

    (void)state;
    f.allowed = false;
    assert_false(step(&f).request);
    f.allowed = true;
    assert_true(step(&f).request);
}

static void budget_renews_at_its_share(void **state)
{
    struct kgr_renewal_facts f = facts(1, 0);

    (void)state;
    f.blocks = 749999;
    assert_false(step(&f).request);
    f.blocks = 765625;
    assert_true(step(&f).request);
    kgr_renewal_init(&machine);
    f.role = 2;
    assert_false(step(&f).request);
    f.blocks = 843750;
    assert_true(step(&f).request);
}

static void skipped_records_renew_soon_role_2_later(void **state)
{
    struct kgr_renewal_facts f = facts(1, 10);

    (void)state;
    f.skipped = true;
    assert_false(step(&f).request);
    assert_true(machine.deadline_ms <= f.now_ms + 500);
    f.now_ms = machine.deadline_ms;
    assert_true(step(&f).request);
    kgr_renewal_init(&machine);
    f = facts(2, 10);
    f.skipped = true;
    assert_false(step(&f).request);
    assert_true(machine.deadline_ms >= f.now_ms + 2000);
}

static void first_key_is_asked_for_only_by_rule(void **state)
{
    struct kgr_renewal_rules all = rules;
    struct kgr_renewal_facts f = {.now_ms = 1000, .jitter = 3, .role = 1, .allowed = true};
    struct kgr_renewal_actions out;

    (void)state;
    assert_false(step(&f).request);
    assert_int_equal(machine.deadline_ms, UINT64_MAX);
    all.establish = true;
    kgr_renewal_step(&machine, &all, &f, &out);
    assert_false(out.request);
    f.now_ms = machine.deadline_ms;
    kgr_renewal_step(&machine, &all, &f, &out);
    assert_true(out.request);
    assert_int_equal(out.cause, KGR_RENEWAL_FIRST);
    kgr_renewal_defer(&machine, f.now_ms + 200);
    kgr_renewal_step(&machine, &all, &f, &out);
    assert_false(out.request);
    assert_int_equal(machine.failures, 0);
    f.now_ms += 200;
    kgr_renewal_step(&machine, &all, &f, &out);
    assert_true(out.request);
}

/* The overlap */

static struct kgr_renewal_facts overlapping(void)
{
    struct kgr_renewal_facts f = facts(1, 1000);

    f.generation = 2;
    f.previous = 1;
    f.previous_age_ms = 700000;
    f.previous_lifetime_ms = LIFETIME_MS;
    return f;
}

static void pass(struct kgr_renewal_facts *f, uint64_t ms)
{
    f->now_ms += ms;
    f->age_ms += ms;
    f->previous_age_ms += ms;
}

static void previous_stays_while_the_peer_may_send_under_it(void **state)
{
    struct kgr_renewal_facts f = overlapping();

    (void)state;
    f.allowed = false; /* only the overlap is looked at */
    assert_false(step(&f).forget);
    pass(&f, OVERLAP_S * 1000 * 2); /* its own clock is no reason */
    assert_false(step(&f).forget);
    /* The peer's expiry is: 300 s more, and the overlap for what was under way. */
    assert_int_equal(machine.deadline_ms - f.now_ms, 300000 + OVERLAP_S * 1000 - 200000);
    pass(&f, machine.deadline_ms - f.now_ms - 1);
    assert_false(step(&f).forget);
    pass(&f, 1);
    assert_true(step(&f).forget);
}

static void previous_goes_after_the_overlap_from_the_evidence(void **state)
{
    struct kgr_renewal_facts f = overlapping();

    (void)state;
    f.allowed = false;
    assert_false(step(&f).forget);
    f.peer_generation = 1;
    pass(&f, 1000);
    assert_false(step(&f).forget);
    f.peer_generation = 2;
    pass(&f, 1000);
    assert_false(step(&f).forget);
    pass(&f, OVERLAP_S * 1000 - 1);
    assert_false(step(&f).forget);
    pass(&f, 1);
    assert_true(step(&f).forget);
}

static void evidence_of_one_generation_is_none_of_the_next(void **state)
{
    struct kgr_renewal_facts f = overlapping();

    (void)state;
    f.allowed = false;
    f.peer_generation = 2;
    assert_false(step(&f).forget);
    pass(&f, OVERLAP_S * 1000 / 2);
    f.generation = 3;
    f.previous = 2;
    f.previous_age_ms = 0;
    assert_false(step(&f).forget);
    pass(&f, OVERLAP_S * 1000);
    assert_false(step(&f).forget);
    assert_int_equal(machine.evident_ms, 0);
}

static void end_of_a_key_that_is_not_renewed_warns_once(void **state)
{
    struct kgr_renewal_facts f = facts(1, 0);

    (void)state;
    f.busy = true;
    assert_false(step(&f).warn);
    f = facts(1, 920000);
    f.busy = true;
    assert_true(step(&f).warn);
    assert_false(step(&f).warn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(age_renews_role_1_before_role_2, setup),
        cmocka_unit_test_setup(key_is_renewed_when_it_is_due_and_not_before, setup),
        cmocka_unit_test_setup(failed_renewal_backs_off_until_expiry, setup),
        cmocka_unit_test_setup(forbidden_pair_is_not_renewed, setup),
        cmocka_unit_test_setup(budget_renews_at_its_share, setup),
        cmocka_unit_test_setup(skipped_records_renew_soon_role_2_later, setup),
        cmocka_unit_test_setup(first_key_is_asked_for_only_by_rule, setup),
        cmocka_unit_test_setup(previous_stays_while_the_peer_may_send_under_it, setup),
        cmocka_unit_test_setup(previous_goes_after_the_overlap_from_the_evidence, setup),
        cmocka_unit_test_setup(evidence_of_one_generation_is_none_of_the_next, setup),
        cmocka_unit_test_setup(end_of_a_key_that_is_not_renewed_warns_once, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
