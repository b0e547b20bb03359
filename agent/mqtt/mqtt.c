/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/mqtt.h"

#include "agent/base/clock.h"
#include "agent/mqtt/inbox.h"
#include "agent/mqtt/link.h"
#include "agent/mqtt/topics.h"

#include <stdlib.h>
#include <string.h>

#define HOST_MAX 255
#define NEVER    UINT64_MAX

enum state {
    STATE_IDLE,        /* not started */
    STATE_WAITING,     /* until deadline_ms, then an attempt */
    STATE_CONNECTING,  /* Paho's own time-out runs */
    STATE_SUBSCRIBING, /* connected, some topics are not acknowledged */
    STATE_READY,
    STATE_CLOSING, /* we end the connection; until deadline_ms */
};

struct kgr_mqtt {
    struct kgr_mqtt_options options; /* defaults filled in; host is not kept */
    struct kgr_mqtt_callbacks callbacks;
    struct kgr_inbox *inbox; /* owned */
    struct kgr_link *link;   /* owned */
    struct kgr_topics topics;
    enum state state;
    uint64_t deadline_ms;
    unsigned num_subscribing; /* SUBSCRIBEs under way, until subscribe_deadline_ms */
    uint64_t subscribe_deadline_ms;
    unsigned num_failures; /* in a row, for the backoff */
    struct kgr_mqtt_stats stats;
};

static void fill_defaults(struct kgr_mqtt_options *options)
{
    if (options->port == 0)
        options->port = 1883;
    if (options->keepalive_s == 0)
        options->keepalive_s = 30;
    if (options->max_payload == 0)
        options->max_payload = 65536;
    if (options->max_inbox == 0)
        options->max_inbox = 256;
    if (options->max_outbox == 0)
        options->max_outbox = 256;
    if (options->max_outbox > UINT16_MAX)
        options->max_outbox = UINT16_MAX;
    if (options->backoff_min_ms == 0)
        options->backoff_min_ms = 500;
    if (options->backoff_max_ms == 0)
        options->backoff_max_ms = 30000;
    if (options->timeout_ms == 0)
        options->timeout_ms = 10000;
}

enum kgr_error kgr_mqtt_new(struct kgr_mqtt **out, const struct kgr_mqtt_options *options,
                            const struct kgr_mqtt_callbacks *callbacks, struct kgr_diag *diag)
{
    struct kgr_link_options link_options;
    struct kgr_mqtt *mqtt;
    enum kgr_error err;

    if (options->host == NULL || options->host[0] == '\0' ||
        strnlen(options->host, HOST_MAX + 1) > HOST_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the broker's host must be 1 to %d bytes long",
                            HOST_MAX);
    mqtt = calloc(1, sizeof(*mqtt));
    if (mqtt == NULL)
        return KGR_ERR_NO_MEMORY;
    mqtt->options = *options;
    mqtt->options.host = NULL;
    fill_defaults(&mqtt->options);
    mqtt->callbacks = *callbacks;
    mqtt->deadline_ms = NEVER;
    err = kgr_inbox_new(&mqtt->inbox, mqtt->options.max_inbox, mqtt->options.max_payload);
    if (err != KGR_OK)
        goto fail;
    link_options = (struct kgr_link_options){
        .host = options->host,
        .port = mqtt->options.port,
        .keepalive_s = mqtt->options.keepalive_s,
        .max_payload = mqtt->options.max_payload,
        .max_outbox = mqtt->options.max_outbox,
        .timeout_ms = mqtt->options.timeout_ms,
        .inbox = mqtt->inbox,
        .notify = callbacks->notify,
        .notify_arg = callbacks->notify_arg,
    };
    err = kgr_link_new(&mqtt->link, &link_options, diag);
    if (err != KGR_OK)
        goto fail;
    *out = mqtt;
    return KGR_OK;
fail:
    kgr_mqtt_free(mqtt);
    return err;
}

void kgr_mqtt_free(struct kgr_mqtt *mqtt)
{
    if (mqtt == NULL)
        return;
    kgr_link_free(mqtt->link); /* first: its callbacks use the inbox */
    kgr_inbox_free(mqtt->inbox);
    kgr_topics_deinit(&mqtt->topics);
    free(mqtt);
}

/* The connection */

static bool is_connected_state(enum state state)
{
    return state == STATE_SUBSCRIBING || state == STATE_READY;
}

/* Half to all of the doubled delay, so that nodes cut off together do not come back together. */
static uint64_t next_attempt_ms(struct kgr_mqtt *mqtt)
{
    uint64_t delay = mqtt->options.backoff_min_ms;
    uint64_t max = mqtt->options.backoff_max_ms;
    uint32_t random;

    for (unsigned i = 0; i < mqtt->num_failures && delay < max; i++)
        delay *= 2;
    if (delay > max)
        delay = max;
    kgr_random(&random, sizeof(random));
    return kgr_clock_boot_ms() + delay - random % (delay / 2 + 1);
}

static void wait_for_attempt(struct kgr_mqtt *mqtt)
{
    mqtt->state = STATE_WAITING;
    mqtt->deadline_ms = next_attempt_ms(mqtt);
    mqtt->num_failures++;
}

/* The connection ended, or must end; reason is told. */
static void lose(struct kgr_mqtt *mqtt, const char *reason)
{
    kgr_topics_reset(&mqtt->topics);
    mqtt->num_subscribing = 0;
    mqtt->stats.attempts_failed++;
    if (kgr_link_is_connected(mqtt->link) && kgr_link_disconnect(mqtt->link) == KGR_OK) {
        mqtt->state = STATE_CLOSING;
        mqtt->deadline_ms = kgr_clock_boot_ms() + mqtt->options.timeout_ms;
    } else {
        wait_for_attempt(mqtt);
    }
    mqtt->callbacks.on_lost(mqtt->callbacks.arg, reason);
}

static void attempt(struct kgr_mqtt *mqtt)
{
    mqtt->state = STATE_CONNECTING;
    mqtt->deadline_ms = NEVER;
    if (kgr_link_connect(mqtt->link) != KGR_OK)
        lose(mqtt, "cannot begin to connect");
}

/* Sends a SUBSCRIBE for all that is new. When that fails the deadline is now, and the next drain sees to it. */
static void send_subscriptions(struct kgr_mqtt *mqtt)
{
    char *names[KGR_LINK_SUBSCRIBE_MAX];
    size_t num;

    while ((num = kgr_topics_ask(&mqtt->topics, names, KGR_LINK_SUBSCRIBE_MAX)) > 0) {
        mqtt->num_subscribing++;
        mqtt->subscribe_deadline_ms = kgr_clock_boot_ms() + mqtt->options.timeout_ms;
        if (kgr_link_subscribe(mqtt->link, names, num) != KGR_OK) {
            mqtt->subscribe_deadline_ms = 0;
            return;
        }
    }
}

static void become_ready_if_subscribed(struct kgr_mqtt *mqtt)
{
    if (mqtt->state != STATE_SUBSCRIBING || mqtt->num_subscribing > 0)
        return;
    mqtt->state = STATE_READY;
    mqtt->num_failures = 0;
    mqtt->stats.connects++;
    mqtt->callbacks.on_ready(mqtt->callbacks.arg);
}

static void handle_connected(struct kgr_mqtt *mqtt)
{
    if (mqtt->state != STATE_CONNECTING)
        return;
    mqtt->state = STATE_SUBSCRIBING;
    send_subscriptions(mqtt);
    become_ready_if_subscribed(mqtt);
}

static void handle_subscribed(struct kgr_mqtt *mqtt)
{
    if (!is_connected_state(mqtt->state) || mqtt->num_subscribing == 0)
        return;
    mqtt->num_subscribing--;
    if (mqtt->num_subscribing == 0)
        kgr_topics_ack(&mqtt->topics);
    become_ready_if_subscribed(mqtt);
}

static void deliver(struct kgr_mqtt *mqtt, const struct kgr_inbox_item *item)
{
    if (!kgr_topics_contains(&mqtt->topics, item->text)) {
        mqtt->stats.dropped_unwanted++;
        return;
    }
    mqtt->stats.received++;
    mqtt->callbacks.on_message(mqtt->callbacks.arg, item->text, item->payload);
}

/* Events can be late: what does not fit the state belongs to a connection that was given up. */
static void handle(struct kgr_mqtt *mqtt, const struct kgr_inbox_item *item)
{
    switch (item->type) {
    case KGR_INBOX_MESSAGE:
        deliver(mqtt, item);
        break;
    case KGR_INBOX_CONNECTED:
        handle_connected(mqtt);
        break;
    case KGR_INBOX_FAILED:
        if (mqtt->state == STATE_CONNECTING)
            lose(mqtt, item->text);
        break;
    case KGR_INBOX_LOST:
        if (mqtt->state == STATE_CLOSING)
            wait_for_attempt(mqtt);
        else if (is_connected_state(mqtt->state))
            lose(mqtt, item->text);
        break;
    case KGR_INBOX_SUBSCRIBED:
        handle_subscribed(mqtt);
        break;
    case KGR_INBOX_REFUSED:
        if (is_connected_state(mqtt->state))
            lose(mqtt, item->text);
        break;
    }
}

static void do_what_is_due(struct kgr_mqtt *mqtt)
{
    uint64_t now_ms = kgr_clock_boot_ms();

    if (mqtt->num_subscribing > 0 && now_ms >= mqtt->subscribe_deadline_ms)
        lose(mqtt, "a subscription was not answered in time");
    if (now_ms < mqtt->deadline_ms)
        return;
    if (mqtt->state == STATE_WAITING)
        attempt(mqtt);
    else if (mqtt->state == STATE_CLOSING)
        wait_for_attempt(mqtt);
}

uint64_t kgr_mqtt_drain(struct kgr_mqtt *mqtt)
{
    struct kgr_inbox_item *item, *next;
    bool broken;

    for (item = kgr_inbox_take(mqtt->inbox, &broken); item != NULL; item = next) {
        next = item->next;
        handle(mqtt, item);
        kgr_inbox_item_free(item);
    }
    if (broken && mqtt->state != STATE_IDLE && mqtt->state != STATE_WAITING)
        lose(mqtt, "out of memory");
    do_what_is_due(mqtt);
    if (mqtt->num_subscribing > 0 && mqtt->subscribe_deadline_ms < mqtt->deadline_ms)
        return mqtt->subscribe_deadline_ms;
    return mqtt->deadline_ms;
}

/* The owner's calls */

void kgr_mqtt_start(struct kgr_mqtt *mqtt)
{
    if (mqtt->state != STATE_IDLE)
        return;
    mqtt->state = STATE_WAITING;
    mqtt->deadline_ms = 0;
    mqtt->callbacks.notify(mqtt->callbacks.notify_arg);
}

bool kgr_mqtt_is_ready(const struct kgr_mqtt *mqtt)
{
    return mqtt->state == STATE_READY;
}

enum kgr_error kgr_mqtt_subscribe(struct kgr_mqtt *mqtt, const char *topic)
{
    enum kgr_error err;

    if (!kgr_topics_is_valid(topic))
        return KGR_ERR_INVALID;
    err = kgr_topics_add(&mqtt->topics, topic);
    if (err != KGR_OK)
        return err;
    /* While subscribing too: ready means that all of the set is acknowledged. */
    if (is_connected_state(mqtt->state)) {
        send_subscriptions(mqtt);
        mqtt->callbacks.notify(mqtt->callbacks.notify_arg); /* there is a deadline now */
    }
    return KGR_OK;
}

void kgr_mqtt_unsubscribe(struct kgr_mqtt *mqtt, const char *topic)
{
    if (kgr_topics_remove(&mqtt->topics, topic) && is_connected_state(mqtt->state))
        kgr_link_unsubscribe(mqtt->link, topic);
}

enum kgr_error kgr_mqtt_publish(struct kgr_mqtt *mqtt, const char *topic, struct kgr_slice payload)
{
    enum kgr_error err;

    if (!kgr_topics_is_valid(topic))
        return KGR_ERR_INVALID;
    if (payload.len > mqtt->options.max_payload)
        return KGR_ERR_TOO_LARGE;
    if (mqtt->state != STATE_READY)
        return KGR_ERR_BROKER;
    err = kgr_link_publish(mqtt->link, topic, payload);
    if (err == KGR_OK)
        mqtt->stats.published++;
    return err;
}

void kgr_mqtt_stats(const struct kgr_mqtt *mqtt, struct kgr_mqtt_stats *out)
{
    struct kgr_inbox_drops drops;

    kgr_inbox_drops(mqtt->inbox, &drops);
    *out = mqtt->stats;
    out->dropped_full = drops.full;
    out->dropped_oversize = drops.oversize;
    out->dropped_retained = drops.retained;
    out->dropped_unwanted += drops.malformed;
    out->publish_failed = kgr_link_publish_failures(mqtt->link);
}
