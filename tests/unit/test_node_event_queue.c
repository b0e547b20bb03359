/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/event_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void push(struct kgr_event_queue *queue, uint64_t generation)
{
    struct kgr_node_event event = {.type = KGR_EVENT_KEY_READY, .generation = generation};

    kgr_event_queue_push(queue, &event);
}

static void pop(struct kgr_event_queue *queue, enum kgr_event_type type, uint64_t generation,
                uint64_t count)
{
    struct kgr_node_event event;

    assert_true(kgr_event_queue_pop(queue, &event));
    assert_int_equal(event.type, type);
    assert_true(event.generation == generation);
    assert_true(event.count == count);
}

static void events_come_in_order(void **state)
{
    struct kgr_node_event event;
    struct kgr_event_queue queue;

    (void)state;
    assert_int_equal(kgr_event_queue_init(&queue, 4), KGR_OK);
    assert_false(kgr_event_queue_pop(&queue, &event));
    for (uint64_t i = 1; i < 20; i += 2) {
        push(&queue, i);
        push(&queue, i + 1);
        pop(&queue, KGR_EVENT_KEY_READY, i, 0);
        pop(&queue, KGR_EVENT_KEY_READY, i + 1, 0);
    }
    assert_false(kgr_event_queue_pop(&queue, &event));
    kgr_event_queue_deinit(&queue);
}

static void what_is_missing_is_counted_where_it_is_missing(void **state)
{
    struct kgr_node_event event;
    struct kgr_event_queue queue;

    (void)state;
    assert_int_equal(kgr_event_queue_init(&queue, 3), KGR_OK);
    for (uint64_t i = 1; i <= 7; i++)
        push(&queue, i);
    pop(&queue, KGR_EVENT_KEY_READY, 1, 0);
    /* The mark is at the end still: what comes now is missing there too. */
    push(&queue, 8);
    pop(&queue, KGR_EVENT_KEY_READY, 2, 0);
    pop(&queue, KGR_EVENT_LOST, 0, 5);
    push(&queue, 9);
    pop(&queue, KGR_EVENT_LOST, 0, 1);
    pop(&queue, KGR_EVENT_KEY_READY, 9, 0);
    assert_false(kgr_event_queue_pop(&queue, &event));
    kgr_event_queue_deinit(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_order),
        cmocka_unit_test(what_is_missing_is_counted_where_it_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
