/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct kgr_slice text(const char *s)
{
    size_t len = 0;

    while (s[len] != '\0')
        len++;
    return kgr_slice(s, len);
}

static int setup(void **state)
{
    struct kgr_inbox *inbox;

    assert_int_equal(kgr_inbox_new(&inbox, 2, 4), KGR_OK);
    *state = inbox;
    return 0;
}

static int teardown(void **state)
{
    kgr_inbox_free(*state);
    return 0;
}

static void inbox_keeps_order_and_bytes(void **state)
{
    struct kgr_inbox_item *first, *second, *third;
    bool broken = true;

    kgr_inbox_push_event(*state, KGR_INBOX_CONNECTED, "");
    kgr_inbox_push_message(*state, text("t"), kgr_slice("\0ab", 3), false);
    kgr_inbox_push_event(*state, KGR_INBOX_LOST, "why");
    first = kgr_inbox_take(*state, &broken);
    assert_false(broken);
    assert_int_equal(first->type, KGR_INBOX_CONNECTED);
    second = first->next;
    assert_int_equal(second->type, KGR_INBOX_MESSAGE);
    assert_string_equal(second->text, "t");
    assert_true(kgr_slice_equal(second->payload, kgr_slice("\0ab", 3)));
    third = second->next;
    assert_string_equal(third->text, "why");
    assert_null(third->next);
    assert_null(kgr_inbox_take(*state, &broken));
    kgr_inbox_item_free(first);
    kgr_inbox_item_free(second);
    kgr_inbox_item_free(third);
}

static void inbox_full_drops_messages_but_no_events(void **state)
{
    struct kgr_inbox_item *item, *next;
    struct kgr_inbox_drops drops;
    size_t num = 0;
    bool broken;

    for (int i = 0; i < 3; i++)
        kgr_inbox_push_message(*state, text("t"), text("x"), false);
    kgr_inbox_push_event(*state, KGR_INBOX_LOST, "why");
    for (item = kgr_inbox_take(*state, &broken); item != NULL; item = next) {
        next = item->next;
        num++;
        assert_int_equal(item->type, num == 3 ? KGR_INBOX_LOST : KGR_INBOX_MESSAGE);
        kgr_inbox_item_free(item);
    }
    assert_int_equal(num, 3);
    kgr_inbox_drops(*state, &drops);
    assert_int_equal(drops.full, 1);
    kgr_inbox_push_message(*state, text("t"), text("x"), false);
    kgr_inbox_drops(*state, &drops);
    assert_int_equal(drops.full, 1);
}

static void inbox_wrong_messages_are_counted_by_cause(void **state)
{
    struct kgr_inbox_drops drops;
    bool broken;

    kgr_inbox_push_message(*state, text("t"), text("12345"), false);
    kgr_inbox_push_message(*state, kgr_slice("a\0b", 3), text("1"), false);
    kgr_inbox_push_message(*state, text(""), text("1"), false);
    kgr_inbox_push_message(*state, text("t"), text("1"), true);
    assert_null(kgr_inbox_take(*state, &broken));
    kgr_inbox_drops(*state, &drops);
    assert_int_equal(drops.oversize, 1);
    assert_int_equal(drops.malformed, 2);
    assert_int_equal(drops.retained, 1);
    assert_int_equal(drops.full, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inbox_keeps_order_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(inbox_full_drops_messages_but_no_events, setup, teardown),
        cmocka_unit_test_setup_teardown(inbox_wrong_messages_are_counted_by_cause, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
