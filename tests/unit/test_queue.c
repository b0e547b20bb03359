/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static int *item(int value)
{
    int *p = malloc(sizeof(*p));

    assert_non_null(p);
    *p = value;
    return p;
}

static size_t num_freed;

static void count_free(void *p)
{
    num_freed++;
    free(p);
}

static void queue_items_come_out_in_order(void **state)
{
    struct kgr_queue *queue;

    (void)state;
    assert_int_equal(kgr_queue_new(&queue, 3, free), KGR_OK);
    /* Goes round the ring more than once. */
    for (int i = 0; i < 10; i += 2) {
        assert_int_equal(kgr_queue_push(queue, item(i)), KGR_OK);
        assert_int_equal(kgr_queue_push(queue, item(i + 1)), KGR_OK);
        for (int j = i; j < i + 2; j++) {
            int *got = kgr_queue_pop(queue);

            assert_non_null(got);
            assert_int_equal(*got, j);
            free(got);
        }
    }
    assert_null(kgr_queue_pop(queue));
    kgr_queue_free(queue);
}

static void queue_push_full_refuses_and_leaves_the_item(void **state)
{
    struct kgr_queue *queue;
    int *third = item(3);

    (void)state;
    assert_int_equal(kgr_queue_new(&queue, 2, free), KGR_OK);
    assert_int_equal(kgr_queue_push(queue, item(1)), KGR_OK);
    assert_int_equal(kgr_queue_push(queue, item(2)), KGR_OK);
    assert_int_equal(kgr_queue_push(queue, third), KGR_ERR_QUOTA);
    assert_int_equal(kgr_queue_len(queue), 2);
    free(kgr_queue_pop(queue));
    assert_int_equal(kgr_queue_push(queue, third), KGR_OK);
    kgr_queue_free(queue);
}

static void queue_free_frees_what_is_left(void **state)
{
    struct kgr_queue *queue;

    (void)state;
    num_freed = 0;
    assert_int_equal(kgr_queue_new(&queue, 4, count_free), KGR_OK);
    assert_int_equal(kgr_queue_push(queue, item(1)), KGR_OK);
    assert_int_equal(kgr_queue_push(queue, item(2)), KGR_OK);
    kgr_queue_free(queue);
    assert_int_equal(num_freed, 2);
    kgr_queue_free(NULL);
}

enum { NUM_PRODUCERS = 4, NUM_EACH = 5000 };

struct producer {
    pthread_t thread;
    struct kgr_queue *queue;
    int id;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;

    for (int i = 0; i < NUM_EACH; i++) {
        int *p = malloc(sizeof(*p));

        if (p == NULL)
            abort();
        *p = producer->id * NUM_EACH + i;
        while (kgr_queue_push(producer->queue, p) != KGR_OK)
            sched_yield();
    }
    return NULL;
}

static void queue_many_producers_lose_nothing_and_keep_their_order(void **state)
{
    struct producer producers[NUM_PRODUCERS];
    int next[NUM_PRODUCERS] = {0};
    struct kgr_queue *queue;

    (void)state;
    assert_int_equal(kgr_queue_new(&queue, 16, free), KGR_OK);
    for (int i = 0; i < NUM_PRODUCERS; i++) {
        producers[i] = (struct producer){.queue = queue, .id = i};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (int left = NUM_PRODUCERS * NUM_EACH; left > 0;) {
        int *got = kgr_queue_pop(queue);

        if (got == NULL) {
            sched_yield();
            continue;
        }
        assert_int_equal(*got % NUM_EACH, next[*got / NUM_EACH]);
        next[*got / NUM_EACH]++;
        free(got);
        left--;
    }
    for (int i = 0; i < NUM_PRODUCERS; i++)
        pthread_join(producers[i].thread, NULL);
    assert_null(kgr_queue_pop(queue));
    kgr_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_items_come_out_in_order),
        cmocka_unit_test(queue_push_full_refuses_and_leaves_the_item),
        cmocka_unit_test(queue_free_frees_what_is_left),
        cmocka_unit_test(queue_many_producers_lose_nothing_and_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
