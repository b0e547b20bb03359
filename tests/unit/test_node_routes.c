/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 1000

static const char *topic_of(char out[KGR_TOPIC_TEXT_LEN + 1], uint32_t i)
{
    uint8_t topic[KGR_TOPIC_LEN] = {0};

    memcpy(topic, &i, sizeof(i));
    return kgr_topic_text(out, topic);
}

static void every_topic_leads_where_it_was_sent(void **state)
{
    struct kgr_routes routes = {0};
    struct kgr_nid peer = {"N2"};
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    (void)state;
    assert_null(kgr_routes_find(&routes, topic_of(topic, 0)));
    kgr_routes_remove(&routes, topic_of(topic, 0));
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(kgr_routes_add(&routes, topic_of(topic, i), &peer, i + 1), KGR_OK);
    assert_int_equal(kgr_routes_add(&routes, topic_of(topic, 7), &peer, 99), KGR_ERR_EXISTS);
    for (uint32_t i = 0; i < MANY; i += 2)
        kgr_routes_remove(&routes, topic_of(topic, i));
    assert_int_equal(routes.num, MANY / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        const struct kgr_route *route = kgr_routes_find(&routes, topic_of(topic, i));

        assert_true((route != NULL) == (i % 2 == 1));
        if (route != NULL)
            assert_true(route->generation == i + 1 && strcmp(route->peer.s, "N2") == 0);
    }
    kgr_routes_deinit(&routes);
    assert_int_equal(routes.num, 0);
}

static void what_is_no_topic_has_no_route(void **state)
{
    struct kgr_routes routes = {0};
    struct kgr_nid peer = {"N2"};

    (void)state;
    assert_int_equal(
        kgr_routes_add(&routes, "kgr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &peer, 1),
        KGR_ERR_INVALID);
    assert_int_equal(kgr_routes_add(&routes, "", &peer, 1), KGR_OK);
    assert_non_null(kgr_routes_find(&routes, ""));
    assert_null(kgr_routes_find(&routes, "kgr/"));
    kgr_routes_deinit(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_topic_leads_where_it_was_sent),
        cmocka_unit_test(what_is_no_topic_has_no_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
