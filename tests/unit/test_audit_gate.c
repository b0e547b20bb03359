/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW UINT64_C(1000000)

static void gate_is_open_for_few_and_counts_the_rest(void **state)
{
    struct kgr_audit_gate gate = {0};

    (void)state;
    for (unsigned int i = 0; i < KGR_AUDIT_GATE_NUM; i++)
        assert_int_equal(kgr_audit_gate_count(&gate, KGR_AUDIT_GATE_NUM, NOW + i), 1);
    for (unsigned int i = 0; i < 1000; i++)
        assert_int_equal(
            kgr_audit_gate_count(&gate, KGR_AUDIT_GATE_NUM, NOW + KGR_AUDIT_GATE_S - 1), 0);
    assert_int_equal(kgr_audit_gate_count(&gate, KGR_AUDIT_GATE_NUM, NOW + KGR_AUDIT_GATE_S), 1001);
    assert_int_equal(kgr_audit_gate_count(&gate, KGR_AUDIT_GATE_NUM, NOW + KGR_AUDIT_GATE_S), 1);
}

static void a_year_of_refusals_is_bounded(void **state)
{
    struct kgr_audit_gate gate = {0};
    uint64_t records = 0, events = 0;

    (void)state;
    for (uint64_t s = 0; s < 365u * 86400u; s += 60)
        for (int i = 0; i < 3; i++) {
            uint32_t count = kgr_audit_gate_count(&gate, KGR_AUDIT_GATE_NUM, NOW + s);

            records += count != 0;
            events += count;
        }
    assert_true(records <= 365u * 24u * KGR_AUDIT_GATE_NUM);
    assert_int_equal(events + gate.silent, 365u * 1440u * 3u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_is_open_for_few_and_counts_the_rest),
        cmocka_unit_test(a_year_of_refusals_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
