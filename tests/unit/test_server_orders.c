/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000u

static const uint8_t self[32] = {1, 2, 3};

/* The verdict on an order whose bytes hash to what contents says. */
static enum kgr_orders_verdict judge(struct kgr_orders *orders, enum kgr_orders_reason *reason,
                                     uint64_t number, uint64_t expires, uint8_t contents)
{
    struct kgr_orders_claim claim = {.number = number, .expires_s = expires, .hash = {contents}};

    memcpy(claim.ks, self, sizeof claim.ks);
    return kgr_orders_judge(orders, reason, self, &claim, NOW);
}

static enum kgr_orders_reason reason_of(struct kgr_orders *orders, uint64_t number,
                                        uint64_t expires)
{
    enum kgr_orders_reason reason;
    enum kgr_orders_verdict verdict = judge(orders, &reason, number, expires, 77);

    assert_int_equal(verdict == KGR_ORDERS_REFUSE, reason != KGR_ORDERS_FINE);
    return reason;
}

static void orders_number_taken_once_and_only_upwards(void **state)
{
    struct kgr_orders orders = {0};
    enum kgr_orders_reason reason;

    (void)state;
    assert_int_equal(reason_of(&orders, 0, NOW + 1), KGR_ORDERS_REPLAY);
    assert_int_equal(reason_of(&orders, 5, NOW + 1), KGR_ORDERS_FINE);
    assert_int_equal(judge(&orders, &reason, 5, NOW + 1, 78), KGR_ORDERS_REFUSE);
    assert_int_equal(reason, KGR_ORDERS_REPLAY); /* another order of the same number */
    assert_int_equal(reason_of(&orders, 4, NOW + 1), KGR_ORDERS_REPLAY);
    assert_int_equal(reason_of(&orders, UINT64_C(1) << 32, NOW + 1), KGR_ORDERS_FINE);
    assert_int_equal(reason_of(&orders, UINT32_MAX, NOW + 1), KGR_ORDERS_REPLAY);
}

static void orders_expiry_past_or_far_refused_and_number_kept(void **state)
{
    struct kgr_orders orders = {.highest = 9};

    (void)state;
    assert_int_equal(reason_of(&orders, 10, NOW), KGR_ORDERS_EXPIRED);
    assert_int_equal(reason_of(&orders, 10, 0), KGR_ORDERS_EXPIRED);
    assert_int_equal(reason_of(&orders, 10, NOW + KGR_ORDERS_AHEAD_S + 1), KGR_ORDERS_EXPIRY);
    assert_int_equal(reason_of(&orders, 10, UINT64_MAX), KGR_ORDERS_EXPIRY);
    assert_int_equal(orders.highest, 9);
    assert_int_equal(reason_of(&orders, 10, NOW + KGR_ORDERS_AHEAD_S), KGR_ORDERS_FINE);
}

static void orders_for_another_ks_refused(void **state)
{
    struct kgr_orders orders = {0};
    struct kgr_orders_claim claim = {.number = 1, .expires_s = NOW + 1};
    enum kgr_orders_reason reason;

    (void)state;
    memcpy(claim.ks, self, sizeof claim.ks);
    claim.ks[31] ^= 1;
    assert_int_equal(kgr_orders_judge(&orders, &reason, self, &claim, NOW), KGR_ORDERS_REFUSE);
    assert_int_equal(reason, KGR_ORDERS_OTHER_KS);
    assert_int_equal(orders.highest, 0);
}

static void orders_sent_again_wait_then_repeat_even_when_expired(void **state)
{
    struct kgr_orders orders = {0};
    enum kgr_orders_reason reason;

    (void)state;
    assert_int_equal(judge(&orders, &reason, 5, NOW + 1, 1), KGR_ORDERS_CARRY_OUT);
    assert_int_equal(judge(&orders, &reason, 5, NOW + 1, 1), KGR_ORDERS_WAIT);
    assert_int_equal(judge(&orders, &reason, 6, NOW + 1, 2), KGR_ORDERS_CARRY_OUT);
    kgr_orders_done(&orders, 5);
    assert_int_equal(judge(&orders, &reason, 5, NOW + 1, 1), KGR_ORDERS_REPEAT);
    assert_int_equal(judge(&orders, &reason, 5, NOW - 1, 1), KGR_ORDERS_REPEAT);
    assert_int_equal(judge(&orders, &reason, 6, NOW + 1, 2), KGR_ORDERS_WAIT);
}

/* Whatever was taken once is never carried out again, in memory or restored from the disk. */
static void orders_taken_never_carried_out_again(void **state)
{
    struct kgr_orders orders = {0}, restored = {.highest = 1000};
    const uint8_t hash[32] = {9};
    enum kgr_orders_reason reason;

    (void)state;
    for (uint64_t n = 1; n <= 1000; n++) {
        assert_int_equal(judge(&orders, &reason, n, NOW + 1, 9), KGR_ORDERS_CARRY_OUT);
        kgr_orders_done(&orders, n);
    }
    for (uint64_t n = 1000 - KGR_ORDERS_KEPT + 1; n <= 1000; n++)
        kgr_orders_restore(&restored, n, hash);
    for (uint64_t n = 1; n <= 1000; n++) {
        enum kgr_orders_verdict wanted =
            n > 1000 - KGR_ORDERS_KEPT ? KGR_ORDERS_REPEAT : KGR_ORDERS_REFUSE;

        assert_int_equal(judge(&orders, &reason, n, NOW + 1, 9), wanted);
        assert_int_equal(judge(&restored, &reason, n, NOW + 1, 9), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_number_taken_once_and_only_upwards),
        cmocka_unit_test(orders_expiry_past_or_far_refused_and_number_kept),
        cmocka_unit_test(orders_for_another_ks_refused),
        cmocka_unit_test(orders_sent_again_wait_then_repeat_even_when_expired),
        cmocka_unit_test(orders_taken_never_carried_out_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
