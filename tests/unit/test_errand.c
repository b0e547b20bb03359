/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/errand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW     UINT64_C(5000)
#define TIMEOUT 30000u

static void without_a_broker_it_gives_up_in_time_and_sends_nothing(void **state)
{
    struct kgr_errand e;

    (void)state;
    kgr_errand_begin(&e, NOW, TIMEOUT);
    assert_int_equal(kgr_errand_deadline(&e), NOW + TIMEOUT);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_LOST, NOW + 1, 0), KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, NOW + TIMEOUT - 1, 0),
                     KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, NOW + TIMEOUT, 0),
                     KGR_ERRAND_DO_GIVE_UP);
    assert_int_equal(e.sent, 0);
    assert_int_equal(kgr_errand_deadline(&e), UINT64_MAX);
}

static void every_connection_gets_a_frame_at_once(void **state)
{
    struct kgr_errand e;

    (void)state;
    kgr_errand_begin(&e, NOW, TIMEOUT);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_CONNECTED, NOW, 0), KGR_ERRAND_DO_SEND);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_LOST, NOW + 1, 0), KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, NOW + 9000, 0), KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_CONNECTED, NOW + 9001, 0), KGR_ERRAND_DO_SEND);
}

/* Whatever the jitter: delays of 1, 2, 4, 8, 8 s, a quarter more or less, until the time is over. */
static void retries_are_spaced_and_end(void **state)
{
    static const uint32_t delays[] = {1000, 2000, 4000, 8000, 8000};

    (void)state;
    for (uint32_t jitter = 0; jitter < 100000; jitter += 77) {
        struct kgr_errand e;
        uint64_t now = NOW;

        kgr_errand_begin(&e, now, TIMEOUT);
        assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_CONNECTED, now, jitter),
                         KGR_ERRAND_DO_SEND);
        for (size_t i = 0; i < 5; i++) {
            uint64_t next = kgr_errand_deadline(&e);

            if (next == e.give_up_ms)
                break;
            assert_in_range(next - now, delays[i] - delays[i] / 4, delays[i] + delays[i] / 4);
            assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, next - 1, jitter),
                             KGR_ERRAND_DO_NOTHING);
            now = next;
            assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, now, jitter),
                             KGR_ERRAND_DO_SEND);
        }
        assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, e.give_up_ms, jitter),
                         KGR_ERRAND_DO_GIVE_UP);
    }
}

static void an_answer_ends_it_once(void **state)
{
    struct kgr_errand e;

    (void)state;
    kgr_errand_begin(&e, NOW, TIMEOUT);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_CONNECTED, NOW, 0), KGR_ERRAND_DO_SEND);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_ANSWERED, NOW + 1, 0), KGR_ERRAND_DO_FINISH);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_ANSWERED, NOW + 2, 0), KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_CONNECTED, NOW + 3, 0), KGR_ERRAND_DO_NOTHING);
    assert_int_equal(kgr_errand_step(&e, KGR_ERRAND_TIMER, NOW + TIMEOUT, 0),
                     KGR_ERRAND_DO_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_broker_it_gives_up_in_time_and_sends_nothing),
        cmocka_unit_test(every_connection_gets_a_frame_at_once),
        cmocka_unit_test(retries_are_spaced_and_end),
        cmocka_unit_test(an_answer_ends_it_once),
    };

    return cmocka_run_group_tests_name("errand", tests, NULL, NULL);
}
