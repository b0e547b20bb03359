/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_sync sync_machine;
static uint64_t now;
static uint8_t nonce[KGR_SYNC_NONCE_LEN];

static int setup(void **state)
{
    (void)state;
    kgr_sync_init(&sync_machine);
    now = 100000;
    memset(nonce, 1, sizeof(nonce));
    return 0;
}

static enum kgr_sync_action happen(enum kgr_sync_event_type type, uint32_t own_pages)
{
    struct kgr_sync_event event = {
        .type = type, .now_ms = now, .fresh_nonce = nonce, .own_pages = own_pages};

    nonce[0]++;
    return kgr_sync_step(&sync_machine, &event);
}

static enum kgr_sync_action answer(uint32_t page, uint32_t num_pages, uint32_t epoch)
{
    struct kgr_sync_event event = {
        .type = KGR_SYNC_ANSWER,
        .now_ms = now,
        .fresh_nonce = nonce,
        .own_pages = 1,
        .nonce = sync_machine.nonce,
        .ks_epoch = epoch,
        .page = page,
        .num_pages = num_pages,
        .lease_s = 300,
    };
    uint8_t asked[KGR_SYNC_NONCE_LEN];

    memcpy(asked, sync_machine.nonce, sizeof(asked));
    event.nonce = asked;
    nonce[0]++;
    return kgr_sync_step(&sync_machine, &event);
}

static void one_page_gives_the_lease(void **state)
{
    (void)state;
    assert_false(kgr_sync_has_lease(&sync_machine, now));
    assert_int_equal(happen(KGR_SYNC_CONNECTED, 1), KGR_SYNC_DO_BEGIN);
    assert_false(kgr_sync_has_lease(&sync_machine, now));
    now += 5000;
    assert_int_equal(answer(0, 1, 7), KGR_SYNC_DO_COMPLETE);
    /* It begins when page 0 was sent, not when the answer came. */
    assert_true(kgr_sync_has_lease(&sync_machine, 100000 + 299999));
    assert_false(kgr_sync_has_lease(&sync_machine, 100000 + 300000));
    assert_in_range(sync_machine.deadline_ms, now + 75000, now + 100000);
}

static void all_pages_are_asked_in_order(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    assert_int_equal(answer(0, 3, 7), KGR_SYNC_DO_TAKE);
    assert_int_equal(sync_machine.page, 1);
    assert_int_equal(answer(0, 3, 7), KGR_SYNC_DO_IGNORE);
    assert_int_equal(answer(2, 3, 7), KGR_SYNC_DO_IGNORE);
    assert_int_equal(answer(1, 3, 7), KGR_SYNC_DO_TAKE);
    assert_false(kgr_sync_has_lease(&sync_machine, now));
    assert_int_equal(answer(2, 3, 7), KGR_SYNC_DO_COMPLETE);
}

static void own_pages_beyond_those_of_the_ks(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 3);
    assert_int_equal(answer(0, 1, 7), KGR_SYNC_DO_TAKE);
    assert_int_equal(answer(1, 1, 7), KGR_SYNC_DO_TAKE);
    assert_int_equal(answer(2, 1, 7), KGR_SYNC_DO_COMPLETE);
}

static void lost_page_is_asked_again(void **state)
{
    uint8_t before[KGR_SYNC_NONCE_LEN];

    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    memcpy(before, sync_machine.nonce, sizeof(before));
    assert_int_equal(happen(KGR_SYNC_TIMER, 1), KGR_SYNC_DO_NOTHING);
    now = sync_machine.deadline_ms;
    assert_int_equal(happen(KGR_SYNC_TIMER, 1), KGR_SYNC_DO_SEND);
    assert_memory_equal(before, sync_machine.nonce, sizeof(before));
    (void)answer(0, 1, 7);
    assert_true(sync_machine.lease_ms == 100000 + 300000);
}

static void another_nonce_is_ignored(void **state)
{
    struct kgr_sync_event event = {.type = KGR_SYNC_ANSWER, .now_ms = now, .num_pages = 1};
    uint8_t wrong[KGR_SYNC_NONCE_LEN] = {0};

    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    event.nonce = wrong;
    assert_int_equal(kgr_sync_step(&sync_machine, &event), KGR_SYNC_DO_IGNORE);
    assert_int_equal(sync_machine.answer_ms, 0);
}

static void ks_that_restarted_or_changed_begins_anew(void **state)
{
    uint8_t before[KGR_SYNC_NONCE_LEN];

    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    (void)answer(0, 2, 7);
    memcpy(before, sync_machine.nonce, sizeof(before));
    assert_int_equal(answer(1, 2, 8), KGR_SYNC_DO_BEGIN);
    assert_memory_not_equal(before, sync_machine.nonce, sizeof(before));
    assert_int_equal(sync_machine.page, 0);
    (void)answer(0, 2, 8);
    assert_int_equal(answer(1, 3, 8), KGR_SYNC_DO_BEGIN);
}

static void shortest_lease_of_all_pages_counts(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    (void)answer(0, 2, 7);
    sync_machine.lease_s = 100; /* as if page 0 had said so */
    (void)answer(1, 2, 7);
    assert_true(sync_machine.lease_ms == 100000 + 100000);
}

static void lost_connection_keeps_the_lease(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    (void)answer(0, 1, 7);
    assert_int_equal(happen(KGR_SYNC_LOST, 1), KGR_SYNC_DO_NOTHING);
    assert_true(kgr_sync_has_lease(&sync_machine, now));
    assert_true(sync_machine.deadline_ms == UINT64_MAX);
    assert_int_equal(answer(0, 1, 7), KGR_SYNC_DO_IGNORE);
    assert_int_equal(happen(KGR_SYNC_CONNECTED, 1), KGR_SYNC_DO_BEGIN);
}

static void renewal_of_the_lease_is_a_new_sync(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    (void)answer(0, 1, 7);
    now = sync_machine.deadline_ms;
    assert_int_equal(happen(KGR_SYNC_TIMER, 2), KGR_SYNC_DO_BEGIN);
    assert_int_equal(sync_machine.own_pages, 2);
    assert_true(kgr_sync_has_lease(&sync_machine, now)); /* the old one, meanwhile */
}

static void wish_brings_the_next_forward(void **state)
{
    uint64_t before;

    (void)state;
    kgr_sync_want(&sync_machine, now);
    assert_true(sync_machine.deadline_ms == UINT64_MAX); /* not connected */
    (void)happen(KGR_SYNC_CONNECTED, 1);
    before = sync_machine.deadline_ms;
    kgr_sync_want(&sync_machine, now);
    assert_true(sync_machine.deadline_ms == before); /* under way */
    assert_int_equal(answer(0, 1, 7), KGR_SYNC_DO_COMPLETE);
    before = sync_machine.deadline_ms;
    kgr_sync_want(&sync_machine, before + 1);
    assert_true(sync_machine.deadline_ms == before);
    kgr_sync_want(&sync_machine, now + 10);
    now += 10;
    assert_int_equal(happen(KGR_SYNC_TIMER, 1), KGR_SYNC_DO_BEGIN);
}

static void answers_without_pages_are_ignored(void **state)
{
    (void)state;
    (void)happen(KGR_SYNC_CONNECTED, 1);
    assert_int_equal(answer(0, 0, 7), KGR_SYNC_DO_IGNORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wish_brings_the_next_forward, setup),
        cmocka_unit_test_setup(one_page_gives_the_lease, setup),
        cmocka_unit_test_setup(all_pages_are_asked_in_order, setup),
        cmocka_unit_test_setup(own_pages_beyond_those_of_the_ks, setup),
        cmocka_unit_test_setup(lost_page_is_asked_again, setup),
        cmocka_unit_test_setup(another_nonce_is_ignored, setup),
        cmocka_unit_test_setup(ks_that_restarted_or_changed_begins_anew, setup),
        cmocka_unit_test_setup(shortest_lease_of_all_pages_counts, setup),
        cmocka_unit_test_setup(lost_connection_keeps_the_lease, setup),
        cmocka_unit_test_setup(renewal_of_the_lease_is_a_new_sync, setup),
        cmocka_unit_test_setup(answers_without_pages_are_ignored, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
