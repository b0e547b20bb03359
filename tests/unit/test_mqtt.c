/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/mqtt.h"
#include "agent/mqtt/tcp.h"

#include "tests/support/broker.h"
#include "tests/unit/mqtt_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Against a real Mosquitto. */
struct fixture {
    struct broker broker;
    struct client a, b;
};

static void client_init(struct client *client, const struct broker *broker, uint32_t max_payload)
{
    const struct kgr_brokers brokers = {.list = {{.host = "127.0.0.1", .port = broker->port}},
                                        .num = 1};
    const struct kgr_mqtt_options options = {.brokers = &brokers,
                                             .max_payload = max_payload,
                                             .backoff_min_ms = 10,
                                             .backoff_max_ms = 100};

    client_open(client, &options);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    broker_start(&f->broker, NULL);
    client_init(&f->a, &f->broker, 0);
    client_init(&f->b, &f->broker, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    client_close(&f->a);
    client_close(&f->b);
    broker_stop(&f->broker);
    free(f);
    return 0;
}

static void mqtt_two_clients_exchange_messages(void **state)
{
    struct fixture *f = *state;
    struct kgr_mqtt_stats stats;

    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    assert_int_equal(kgr_mqtt_subscribe(f->b.mqtt, "kgr/b"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    kgr_mqtt_start(f->b.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    serve_until(&f->a, &f->b, &f->b.num_ready, 1);
    assert_int_equal(kgr_tcp_adopt((uint16_t)f->broker.port), -1); /* both send at once already */
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/b", kgr_slice("\0hello", 6)), KGR_OK);
    serve_until(&f->a, &f->b, &f->b.num_messages, 1);
    assert_string_equal(f->b.topic, "kgr/b");
    assert_int_equal(f->b.payload_len, 6);
    assert_memory_equal(f->b.payload, "\0hello", 6);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a", kgr_slice(NULL, 0)), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_messages, 1);
    assert_int_equal(f->a.payload_len, 0);
    kgr_mqtt_stats(f->a.mqtt, &stats);
    assert_int_equal(stats.connects, 1);
    assert_int_equal(stats.received, 1);
    assert_int_equal(stats.published, 1);
    assert_int_equal(stats.attempts_failed, 0);
}

static void mqtt_broker_killed_and_back_flows_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    kgr_mqtt_start(f->b.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    serve_until(&f->a, &f->b, &f->b.num_ready, 1);
    broker_kill(&f->broker);
    serve_until(&f->a, &f->b, &f->a.num_lost, 2); /* the connection, then an attempt */
    serve_until(&f->a, &f->b, &f->b.num_lost, 1);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a", kgr_slice("x", 1)), KGR_ERR_BROKER);
    /* Asked for while there is no connection. */
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a2"), KGR_OK);
    broker_restart(&f->broker);
    serve_until(&f->a, &f->b, &f->a.num_ready, 2);
    serve_until(&f->a, &f->b, &f->b.num_ready, 2);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a", kgr_slice("1", 1)), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_messages, 1);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a2", kgr_slice("2", 1)), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_messages, 2);
    assert_string_equal(f->a.topic, "kgr/a2");
}

static void mqtt_broker_down_at_start_is_told_and_overcome(void **state)
{
    struct fixture *f = *state;

    broker_kill(&f->broker);
    f->a.publish_when_ready = "kgr/a";
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_lost, 3);
    assert_true(strlen(f->a.reason) > 0);
    assert_int_equal(f->a.num_ready, 0);
    broker_restart(&f->broker);
    serve_until(&f->a, &f->b, &f->a.num_messages, 1);
    assert_int_equal(f->a.num_ready, 1);
}

static void mqtt_subscription_at_run_time_precedes_the_publish_after_it(void **state)
{
    struct fixture *f = *state;

    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    for (unsigned i = 0; i < 20; i++) {
        char topic[16];

        (void)snprintf(topic, sizeof(topic), "kgr/%u", i);
        assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, topic), KGR_OK);
        assert_int_equal(kgr_mqtt_publish(f->a.mqtt, topic, kgr_slice("x", 1)), KGR_OK);
    }
    serve_until(&f->a, &f->b, &f->a.num_messages, 20);
}

static void mqtt_many_subscriptions_go_in_batches(void **state)
{
    struct fixture *f = *state;
    char topic[16];

    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(topic, sizeof(topic), "kgr/%u", i);
        assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, topic), KGR_OK);
    }
    kgr_mqtt_start(f->a.mqtt);
    kgr_mqtt_start(f->b.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    serve_until(&f->a, &f->b, &f->b.num_ready, 1);
    for (unsigned i = 0; i < 300; i += 50) {
        (void)snprintf(topic, sizeof(topic), "kgr/%u", i);
        assert_int_equal(kgr_mqtt_publish(f->b.mqtt, topic, kgr_slice("x", 1)), KGR_OK);
    }
    serve_until(&f->a, &f->b, &f->a.num_messages, 6);
}

static void mqtt_unsubscribed_topic_is_not_delivered(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/end"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    kgr_mqtt_unsubscribe(f->a.mqtt, "kgr/a");
    kgr_mqtt_unsubscribe(f->a.mqtt, "kgr/never");
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/a", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/end", kgr_slice("x", 1)), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_messages, 1);
    assert_string_equal(f->a.topic, "kgr/end");
}

static void mqtt_wrong_publishes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const uint8_t large[65537];

    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/a", kgr_slice("x", 1)), KGR_ERR_BROKER);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/a", kgr_slice(large, sizeof(large))),
                     KGR_ERR_TOO_LARGE);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/#", kgr_slice("x", 1)), KGR_ERR_INVALID);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "", kgr_slice("x", 1)), KGR_ERR_INVALID);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "#"), KGR_ERR_INVALID);
}

static void mqtt_oversized_message_is_dropped_and_counted(void **state)
{
    struct fixture *f = *state;
    struct kgr_mqtt_stats stats;
    uint8_t data[200] = {0};

    client_close(&f->a);
    client_init(&f->a, &f->broker, 100);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    kgr_mqtt_start(f->b.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_ready, 1);
    serve_until(&f->a, &f->b, &f->b.num_ready, 1);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a", kgr_slice(data, 101)), KGR_OK);
    assert_int_equal(kgr_mqtt_publish(f->b.mqtt, "kgr/a", kgr_slice(data, 100)), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_messages, 1);
    assert_int_equal(f->a.payload_len, 100);
    kgr_mqtt_stats(f->a.mqtt, &stats);
    assert_int_equal(stats.dropped_oversize, 1);
}

static void mqtt_refused_connection_is_named(void **state)
{
    struct fixture *f = *state;
    struct broker closed;

    broker_start(&closed, "allow_anonymous false");
    client_close(&f->a);
    client_init(&f->a, &closed, 0);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_lost, 2);
    assert_non_null(strstr(f->a.reason, "Not authorized (reason 135)"));
    assert_int_equal(f->a.num_ready, 0);
    broker_stop(&closed);
}

/* Mosquitto refuses subscriptions only through this plugin of its own. */
static void start_strict(struct broker *broker, const char *rules)
{
    char extra[512];
    glob_t plugins;

    if (glob("/usr/lib/*/mosquitto_dynamic_security.so", 0, NULL, &plugins) != 0)
        skip();
    (void)snprintf(extra, sizeof(extra), "plugin %s\nplugin_opt_config_file %s",
                   plugins.gl_pathv[0], rules);
    globfree(&plugins);
    broker_start(broker, extra);
}

static void mqtt_refused_subscription_is_named_and_never_ready(void **state)
{
    static const char text[] = "{ \"defaultACLAccess\": { \"publishClientSend\": true,"
                               " \"publishClientReceive\": true, \"subscribe\": false,"
                               " \"unsubscribe\": true } }";
    struct fixture *f = *state;
    char rules[] = "/tmp/kgr-test-XXXXXX";
    struct broker strict;
    int fd = mkstemp(rules);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    start_strict(&strict, rules);
    client_close(&f->a);
    client_init(&f->a, &strict, 0);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, &f->b, &f->a.num_lost, 2);
    assert_non_null(strstr(f->a.reason, "Not authorized (reason 135)"));
    /* Several in one SUBSCRIBE are answered in another way. */
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/b"), KGR_OK);
    serve_until(&f->a, &f->b, &f->a.num_lost, 4);
    assert_non_null(strstr(f->a.reason, "Not authorized (reason 135)"));
    assert_int_equal(f->a.num_ready, 0);
    broker_stop(&strict);
    (void)unlink(rules);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void mqtt_wrong_options_are_refused(void **state)
{
    const struct kgr_mqtt_callbacks callbacks = {.notify = ignore};
    struct kgr_brokers brokers = {.list = {{.host = ""}}, .num = 1};
    struct kgr_mqtt_options options = {.brokers = &brokers};
    struct kgr_mqtt *mqtt = NULL;
    char host[300];

    (void)state;
    assert_int_equal(kgr_mqtt_new(&mqtt, &options, &callbacks, NULL), KGR_ERR_CONFIG);
    memset(host, 'a', sizeof(host));
    host[sizeof(host) - 1] = '\0';
    brokers.list[0].host = host;
    assert_int_equal(kgr_mqtt_new(&mqtt, &options, &callbacks, NULL), KGR_ERR_CONFIG);
    brokers.num = 0;
    assert_int_equal(kgr_mqtt_new(&mqtt, &options, &callbacks, NULL), KGR_ERR_CONFIG);
    assert_null(mqtt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    /* Paho obeys these; the services take them out of their environment. */
    (void)unsetenv("http_proxy");
    (void)unsetenv("https_proxy");
    const struct CMUnitTest tests[] = {
        TEST(mqtt_two_clients_exchange_messages),
        TEST(mqtt_broker_killed_and_back_flows_again),
        TEST(mqtt_broker_down_at_start_is_told_and_overcome),
        TEST(mqtt_subscription_at_run_time_precedes_the_publish_after_it),
        TEST(mqtt_many_subscriptions_go_in_batches),
        TEST(mqtt_unsubscribed_topic_is_not_delivered),
        TEST(mqtt_wrong_publishes_are_refused),
        TEST(mqtt_oversized_message_is_dropped_and_counted),
        TEST(mqtt_refused_connection_is_named),
        TEST(mqtt_refused_subscription_is_named_and_never_ready),
        cmocka_unit_test(mqtt_wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
