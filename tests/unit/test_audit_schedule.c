/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void first_record_of_a_start_is_signed_soon_then_every_hour(void **state)
{
    struct kgr_audit_schedule s = {.newest = 7, .head = 7};

    (void)state;
    assert_true(kgr_audit_schedule_due(&s) == UINT64_MAX);
    kgr_audit_schedule_added(&s, 8, false, 1000);
    assert_int_equal(kgr_audit_schedule_due(&s), 0);
    kgr_audit_schedule_added(&s, 9, true, 1000);
    assert_true(kgr_audit_schedule_due(&s) == UINT64_MAX); /* nothing new */
    kgr_audit_schedule_added(&s, 10, false, 2000);
    assert_int_equal(kgr_audit_schedule_due(&s), 1000 + KGR_AUDIT_HEAD_MS);
}

static void many_records_do_not_wait_for_the_hour(void **state)
{
    struct kgr_audit_schedule s = {0};
    uint64_t id = 1;

    (void)state;
    kgr_audit_schedule_added(&s, id++, true, 1000);
    while (id <= KGR_AUDIT_HEAD_RECORDS)
        kgr_audit_schedule_added(&s, id++, false, 5000);
    assert_int_equal(kgr_audit_schedule_due(&s), 1000 + KGR_AUDIT_HEAD_MS);
    kgr_audit_schedule_added(&s, id++, false, 5000);
    assert_int_equal(kgr_audit_schedule_due(&s), 5000);
    s.busy = true;
    assert_true(kgr_audit_schedule_due(&s) == UINT64_MAX);
}

static void failed_signature_is_tried_again_later(void **state)
{
    struct kgr_audit_schedule s = {.newest = 1};

    (void)state;
    kgr_audit_schedule_failed(&s, 1000);
    assert_int_equal(kgr_audit_schedule_due(&s), 1000 + KGR_AUDIT_RETRY_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_record_of_a_start_is_signed_soon_then_every_hour),
        cmocka_unit_test(many_records_do_not_wait_for_the_hour),
        cmocka_unit_test(failed_signature_is_tried_again_later),
    };

    return cmocka_run_group_tests_name("audit_schedule", tests, NULL, NULL);
}
