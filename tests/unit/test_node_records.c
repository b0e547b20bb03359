/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_record_recv recv_window;
static struct kgr_record_send sender;

static int setup(void **state)
{
    (void)state;
    kgr_record_send_restart(&sender, 0);
    kgr_record_recv_restart(&recv_window, 0);
    return 0;
}

/* As the owner does it: the ceiling first, then the number. */
static uint64_t take(void)
{
    uint64_t ceiling = 0;
    uint64_t sequence = 0;
    bool needed = false;

    assert_int_equal(kgr_record_send_need(&sender, 1, &needed, &ceiling), KGR_OK);
    if (needed)
        kgr_record_send_raise(&sender, ceiling);
    assert_int_equal(kgr_record_send_take(&sender, 1, &sequence), KGR_OK);
    return sequence;
}

static enum kgr_error accept_record(uint64_t sequence)
{
    uint64_t ceiling = 0;
    enum kgr_error err = kgr_record_recv_check(&recv_window, sequence);

    if (err != KGR_OK)
        return err;
    if (kgr_record_recv_need(&recv_window, sequence, 1, &ceiling))
        kgr_record_recv_raise(&recv_window, ceiling);
    return kgr_record_recv_accept(&recv_window, sequence);
}

static void send_counts_from_one(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3000; i++)
        assert_true(take() == i);
}

static void send_without_ceiling_is_refused(void **state)
{
    uint64_t sequence;

    (void)state;
    assert_int_equal(kgr_record_send_take(&sender, 1, &sequence), KGR_ERR_STATE);
}

static void send_writes_once_a_block(void **state)
{
    int writes = 0;

    (void)state;
    for (int i = 0; i < 4096; i++) {
        uint64_t ceiling = 0;
        uint64_t sequence = 0;
        bool needed = false;

        assert_int_equal(kgr_record_send_need(&sender, 1, &needed, &ceiling), KGR_OK);
        if (needed) {
            writes++;
            kgr_record_send_raise(&sender, ceiling);
        }
        assert_int_equal(kgr_record_send_take(&sender, 1, &sequence), KGR_OK);
    }
    assert_int_equal(writes, 4);
}

static void send_after_a_crash_skips_the_block(void **state)
{
    uint64_t last;

    (void)state;
    last = take();
    kgr_record_send_restart(&sender, sender.ceiling);
    assert_true(take() > last);
    /* Past all that the receiver may have reserved, if it crashed too. */
    assert_true(sender.next - 1 == (uint64_t)KGR_RECORD_BLOCKS * KGR_RECORD_BLOCK + 1);
}

static void send_after_a_clean_stop_goes_on(void **state)
{
    (void)state;
    (void)take();
    (void)take();
    kgr_record_send_restart(&sender, kgr_record_send_exact(&sender));
    assert_true(take() == 3);
}

static void send_last_number_then_quota(void **state)
{
    uint64_t ceiling;
    bool needed;

    (void)state;
    kgr_record_send_restart(&sender, UINT64_MAX - 2);
    assert_true(take() == UINT64_MAX - 1);
    assert_true(take() == UINT64_MAX);
    assert_int_equal(kgr_record_send_need(&sender, 1, &needed, &ceiling), KGR_ERR_QUOTA);
}

static void recv_each_once(void **state)
{
    (void)state;
    assert_int_equal(accept_record(0), KGR_ERR_CORRUPT);
    for (uint64_t i = 1; i <= 2500; i++) {
        assert_int_equal(accept_record(i), KGR_OK);
        assert_int_equal(accept_record(i), KGR_ERR_REPLAY);
    }
    assert_int_equal(accept_record(1), KGR_ERR_REPLAY);
}

static void recv_out_of_order_within_the_window(void **state)
{
    (void)state;
    assert_int_equal(accept_record(2000), KGR_OK);
    for (uint64_t i = 1999; i > 2000 - KGR_RECORD_WINDOW; i--)
        assert_int_equal(accept_record(i), KGR_OK);
    assert_int_equal(accept_record(2000 - KGR_RECORD_WINDOW), KGR_ERR_REPLAY);
    for (uint64_t i = 2000; i > 2000 - KGR_RECORD_WINDOW; i--)
        assert_int_equal(accept_record(i), KGR_ERR_REPLAY);
}

static void recv_jumps_forget_old_bits(void **state)
{
    static const uint64_t jumps[] = {1, 63, 64, 65, 1023, 1024, 1025, 100000};

    (void)state;
    for (size_t j = 0; j < sizeof(jumps) / sizeof(jumps[0]); j++) {
        uint64_t base;

        kgr_record_recv_restart(&recv_window, 0);
        for (uint64_t i = 1; i <= 1500; i++)
            assert_int_equal(accept_record(i), KGR_OK);
        base = 1500 + jumps[j];
        assert_int_equal(accept_record(base), KGR_OK);
        for (uint64_t i = 1501; i < base && i < 4000; i++)
            assert_int_equal(accept_record(i),
                             base - i < KGR_RECORD_WINDOW ? KGR_OK : KGR_ERR_REPLAY);
        assert_int_equal(accept_record(1500), KGR_ERR_REPLAY);
    }
}

static void recv_above_the_ceiling_is_refused(void **state)
{
    (void)state;
    assert_int_equal(kgr_record_recv_accept(&recv_window, 1), KGR_ERR_STATE);
}

static void recv_after_a_crash_refuses_at_most_a_block(void **state)
{
    uint64_t ceiling;

    (void)state;
    assert_int_equal(accept_record(10), KGR_OK);
    ceiling = recv_window.ceiling;
    kgr_record_recv_restart(&recv_window, ceiling);
    for (uint64_t i = 1; i <= ceiling; i++)
        assert_int_equal(accept_record(i), KGR_ERR_REPLAY);
    assert_true(ceiling - 10 <= KGR_RECORD_BLOCK);
    assert_int_equal(accept_record(ceiling + 1), KGR_OK);
}

static void recv_after_a_clean_stop_is_exact(void **state)
{
    uint64_t seen[KGR_RECORD_WINDOW / 64];

    (void)state;
    assert_int_equal(accept_record(10), KGR_OK);
    assert_int_equal(accept_record(8), KGR_OK);
    memcpy(seen, recv_window.seen, sizeof(seen));
    kgr_record_recv_restore(&recv_window, kgr_record_recv_exact(&recv_window), seen);
    assert_int_equal(accept_record(8), KGR_ERR_REPLAY);
    assert_int_equal(accept_record(10), KGR_ERR_REPLAY);
    assert_int_equal(accept_record(9), KGR_OK);
    assert_int_equal(accept_record(11), KGR_OK);
}

static void recv_highest_number_of_all(void **state)
{
    (void)state;
    assert_int_equal(accept_record(UINT64_MAX), KGR_OK);
    assert_int_equal(accept_record(UINT64_MAX), KGR_ERR_REPLAY);
    assert_int_equal(accept_record(UINT64_MAX - 5), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(send_counts_from_one, setup),
        cmocka_unit_test_setup(send_without_ceiling_is_refused, setup),
        cmocka_unit_test_setup(send_writes_once_a_block, setup),
        cmocka_unit_test_setup(send_after_a_crash_skips_the_block, setup),
        cmocka_unit_test_setup(send_after_a_clean_stop_goes_on, setup),
        cmocka_unit_test_setup(send_last_number_then_quota, setup),
        cmocka_unit_test_setup(recv_each_once, setup),
        cmocka_unit_test_setup(recv_out_of_order_within_the_window, setup),
        cmocka_unit_test_setup(recv_jumps_forget_old_bits, setup),
        cmocka_unit_test_setup(recv_above_the_ceiling_is_refused, setup),
        cmocka_unit_test_setup(recv_after_a_crash_refuses_at_most_a_block, setup),
        cmocka_unit_test_setup(recv_after_a_clean_stop_is_exact, setup),
        cmocka_unit_test_setup(recv_highest_number_of_all, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
