/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void topics_name_is_checked(void **state)
{
    char name[KGR_TOPICS_NAME_MAX + 2];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[KGR_TOPICS_NAME_MAX + 1] = '\0';
    assert_false(kgr_topics_is_valid(name));
    name[KGR_TOPICS_NAME_MAX] = '\0';
    assert_true(kgr_topics_is_valid(name));
    assert_false(kgr_topics_is_valid(""));
    assert_false(kgr_topics_is_valid("#"));
    assert_false(kgr_topics_is_valid("kgr/+"));
}

static void topics_are_found_and_removed(void **state)
{
    struct kgr_topics topics = {0};
    char name[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "kgr/%d", i * 37 % 100);
        assert_int_equal(kgr_topics_add(&topics, name), KGR_OK);
        assert_int_equal(kgr_topics_add(&topics, name), KGR_OK);
    }
    assert_int_equal(topics.num, 100);
    for (int i = 0; i < 100; i += 2) {
        (void)snprintf(name, sizeof(name), "kgr/%d", i);
        assert_false(kgr_topics_remove(&topics, name));
    }
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "kgr/%d", i);
        assert_int_equal(kgr_topics_contains(&topics, name), i % 2 == 1);
    }
    assert_false(kgr_topics_contains(&topics, "kgr/"));
    kgr_topics_deinit(&topics);
}

static void topics_are_asked_once_for_each_connection(void **state)
{
    struct kgr_topics topics = {0};
    char *names[2];

    (void)state;
    assert_int_equal(kgr_topics_add(&topics, "a"), KGR_OK);
    assert_int_equal(kgr_topics_add(&topics, "b"), KGR_OK);
    assert_int_equal(kgr_topics_add(&topics, "c"), KGR_OK);
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 2);
    assert_string_equal(names[0], "a");
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 1);
    assert_string_equal(names[0], "c");
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 0);
    kgr_topics_ack(&topics);
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 0);
    kgr_topics_reset(&topics);
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 2);
    kgr_topics_deinit(&topics);
}

static void topics_remove_tells_whether_it_was_asked_for(void **state)
{
    struct kgr_topics topics = {0};
    char *names[2];

    (void)state;
    assert_int_equal(kgr_topics_add(&topics, "a"), KGR_OK);
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 1);
    assert_int_equal(kgr_topics_add(&topics, "b"), KGR_OK);
    assert_true(kgr_topics_remove(&topics, "a"));
    assert_false(kgr_topics_remove(&topics, "a"));
    assert_int_equal(kgr_topics_ask(&topics, names, 2), 1);
    assert_string_equal(names[0], "b");
    kgr_topics_deinit(&topics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_name_is_checked),
        cmocka_unit_test(topics_are_found_and_removed),
        cmocka_unit_test(topics_are_asked_once_for_each_connection),
        cmocka_unit_test(topics_remove_tells_whether_it_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
