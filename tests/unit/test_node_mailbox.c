/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ITEM sizeof(struct kgr_mailbox_item)

static struct kgr_mailbox_pool pool;

static struct kgr_mailbox *make(size_t messages, size_t bytes, size_t total)
{
    struct kgr_mailbox *box = NULL;

    pool = (struct kgr_mailbox_pool){.limits = {messages, bytes, total}};
    assert_int_equal(kgr_mailbox_new(&box, &pool, 1000), KGR_OK);
    return box;
}

static enum kgr_error hold(struct kgr_mailbox *box, uint64_t sequence, size_t len)
{
    static const uint8_t record[4096];

    return kgr_mailbox_hold(box, 5, sequence, kgr_slice(record, len));
}

static void opened(const struct kgr_mailbox *box, uint64_t sequence, const char *text)
{
    const struct kgr_mailbox_item *item = kgr_mailbox_opened(box);

    assert_non_null(item);
    assert_true(item->sequence == sequence);
    assert_true(item->generation == 5);
    assert_int_equal(item->len, strlen(text));
    assert_memory_equal(item->bytes, text, item->len);
}

static void accepted_messages_come_in_order_and_once(void **state)
{
    struct kgr_mailbox *box = make(10, 10000, 10000);

    (void)state;
    assert_null(kgr_mailbox_sealed(box));
    assert_null(kgr_mailbox_opened(box));
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(hold(box, i, 100), KGR_OK);
    assert_null(kgr_mailbox_opened(box));
    kgr_mailbox_accept(box, kgr_slice("one", 3));
    kgr_mailbox_refuse(box);
    assert_true(kgr_mailbox_sealed(box)->sequence == 3);
    kgr_mailbox_accept(box, kgr_slice("three", 5));
    assert_int_equal(kgr_mailbox_num_opened(box), 2);
    assert_int_equal(pool.num_opened, 2);
    assert_int_equal(pool.num_sealed, 0);
    opened(box, 1, "one");
    kgr_mailbox_take(box);
    opened(box, 3, "three");
    kgr_mailbox_take(box);
    assert_null(kgr_mailbox_opened(box));
    assert_int_equal(pool.bytes, 0);
    assert_int_equal(pool.num_opened, 0);
    kgr_mailbox_free(box);
}

static void full_refuses_the_new_and_keeps_the_old(void **state)
{
    struct kgr_mailbox *box = make(2, 10000, 10000);

    (void)state;
    assert_int_equal(hold(box, 1, 100), KGR_OK);
    kgr_mailbox_accept(box, kgr_slice("kept", 4));
    assert_int_equal(hold(box, 2, 100), KGR_OK);
    assert_int_equal(hold(box, 3, 100), KGR_ERR_QUOTA);
    assert_int_equal(kgr_mailbox_num_dropped(box), 1);
    opened(box, 1, "kept");
    assert_true(kgr_mailbox_sealed(box)->sequence == 2);
    /* An opened message counts what its record counted, until it is taken. */
    assert_int_equal(pool.bytes, 2 * (ITEM + 100));
    kgr_mailbox_take(box);
    assert_int_equal(hold(box, 4, 100), KGR_OK);
    kgr_mailbox_free(box);
    assert_int_equal(pool.bytes, 0);
    assert_int_equal(pool.num_sealed, 0);
}

static void bytes_are_bounded_for_one_and_for_all(void **state)
{
    struct kgr_mailbox *box = make(100, 2 * (ITEM + 50), 3 * (ITEM + 50));
    struct kgr_mailbox *other = NULL;

    (void)state;
    assert_int_equal(kgr_mailbox_new(&other, &pool, 1000), KGR_OK);
    assert_int_equal(hold(box, 1, 4000), KGR_ERR_QUOTA);
    assert_int_equal(hold(box, 1, 51), KGR_OK);
    assert_int_equal(hold(box, 2, 50), KGR_ERR_QUOTA);
    assert_int_equal(hold(box, 2, 49), KGR_OK);
    assert_int_equal(hold(other, 1, 51), KGR_ERR_QUOTA);
    assert_int_equal(hold(other, 1, 50), KGR_OK);
    assert_int_equal(hold(other, 2, 0), KGR_ERR_QUOTA);
    kgr_mailbox_free(box);
    assert_int_equal(hold(other, 2, 0), KGR_OK);
    kgr_mailbox_free(other);
    kgr_mailbox_free(NULL);
    assert_int_equal(pool.bytes, 0);
}

/* 40 KiB of forgeries at once, then 20 KiB a second. */
static void forgeries_cost_time_once_their_budget_is_spent(void **state)
{
    struct kgr_mailbox *box = make(10, 10000, 10000);

    (void)state;
    assert_true(kgr_mailbox_ready_ms(box) <= 1000);
    for (int i = 0; i < 40; i++)
        kgr_mailbox_charge(box, 100, 1000);
    assert_true(kgr_mailbox_ready_ms(box) <= 1000);
    kgr_mailbox_charge(box, 100, 1000);
    assert_true(kgr_mailbox_ready_ms(box) == 1050);
    kgr_mailbox_charge(box, 61440, 1050);
    assert_true(kgr_mailbox_ready_ms(box) == 1050 + 60 * 50);
    kgr_mailbox_free(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_messages_come_in_order_and_once),
        cmocka_unit_test(full_refuses_the_new_and_keeps_the_old),
        cmocka_unit_test(bytes_are_bounded_for_one_and_for_all),
        cmocka_unit_test(forgeries_cost_time_once_their_budget_is_spent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
