/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000u

static const uint8_t self[32] = {1, 2, 3};

static enum kgr_error accept_order(struct kgr_orders *orders, uint64_t number, uint64_t expires)
{
    struct kgr_orders_claim claim = {.number = number, .expires_s = expires};

    memcpy(claim.ks, self, sizeof claim.ks);
    return kgr_orders_accept(orders, self, &claim, NOW, NULL);
}

static void orders_number_taken_once_and_only_upwards(void **state)
{
    struct kgr_orders orders = {0};

    (void)state;
    assert_int_equal(accept_order(&orders, 0, NOW + 1), KGR_ERR_REPLAY);
    assert_int_equal(accept_order(&orders, 5, NOW + 1), KGR_OK);
    assert_int_equal(accept_order(&orders, 5, NOW + 1), KGR_ERR_REPLAY);
    assert_int_equal(accept_order(&orders, 4, NOW + 1), KGR_ERR_REPLAY);
    assert_int_equal(accept_order(&orders, UINT64_C(1) << 32, NOW + 1), KGR_OK);
    assert_int_equal(accept_order(&orders, UINT32_MAX, NOW + 1), KGR_ERR_REPLAY);
}

static void orders_expiry_past_or_far_refused_and_number_kept(void **state)
{
    struct kgr_orders orders = {.highest = 9};

    (void)state;
    assert_int_equal(accept_order(&orders, 10, NOW), KGR_ERR_EXPIRED);
    assert_int_equal(accept_order(&orders, 10, 0), KGR_ERR_EXPIRED);
    assert_int_equal(accept_order(&orders, 10, NOW + KGR_ORDERS_AHEAD_S + 1), KGR_ERR_INVALID);
    assert_int_equal(accept_order(&orders, 10, UINT64_MAX), KGR_ERR_INVALID);
    assert_int_equal(orders.highest, 9);
    assert_int_equal(accept_order(&orders, 10, NOW + KGR_ORDERS_AHEAD_S), KGR_OK);
}

static void orders_for_another_ks_refused(void **state)
{
    struct kgr_orders orders = {0};
    struct kgr_orders_claim claim = {.number = 1, .expires_s = NOW + 1};

    (void)state;
    memcpy(claim.ks, self, sizeof claim.ks);
    claim.ks[31] ^= 1;
    assert_int_equal(kgr_orders_accept(&orders, self, &claim, NOW, NULL), KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(orders.highest, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_number_taken_once_and_only_upwards),
        cmocka_unit_test(orders_expiry_past_or_far_refused_and_number_kept),
        cmocka_unit_test(orders_for_another_ks_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
