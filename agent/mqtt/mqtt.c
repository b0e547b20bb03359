/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/mqtt.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/inbox.h"
#include "agent/mqtt/link.h"
#include "agent/mqtt/topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX
/* A connection that lasted so long was a good one: what follows its loss begins anew. */
#define GOOD_MS     10000
#define TROUBLE_MAX 200

enum state {
    STATE_IDLE,        /* not started */
    STATE_WAITING,     /* until deadline_ms, then an attempt */
    STATE_CONNECTING,  /* Paho's own time-out runs */
    STATE_SUBSCRIBING, /* connected, some topics are not acknowledged */
    STATE_READY,
    STATE_CLOSING, /* we end the connection; until deadline_ms */
};

/* The way to one broker. */
struct way {
    struct kgr_inbox *inbox; /* owned */
    struct kgr_link *link;   /* owned */
};

struct kgr_mqtt {
    struct kgr_mqtt_options options; /* defaults filled in; brokers are ours */
    struct kgr_brokers brokers;
    struct kgr_mqtt_callbacks callbacks;
    struct way ways[KGR_BROKERS_MAX];
    size_t current; /* the way of state */
    size_t next;    /* that of the next attempt */
    bool trying;    /* a preferred broker, by the way `tried`, beside the current one */
    size_t tried;
    uint64_t return_ms; /* the next such try */
    struct kgr_topics topics;
    enum state state;
    uint64_t deadline_ms;
    uint64_t ready_ms; /* since when, of the last time */
    char trouble[TROUBLE_MAX];
    struct kgr_bucket log_bucket; /* of refusals */
    unsigned num_subscribing;     /* SUBSCRIBEs under way, until subscribe_deadline_ms */
    uint64_t subscribe_deadline_ms;
    unsigned num_failures; /* in a row, for the backoff */
    struct kgr_mqtt_stats stats;
};

static void fill_defaults(struct kgr_mqtt_options *options)
{
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
    if (options->return_ms == 0)
        options->return_ms = 60000;
}

static enum kgr_error open_way(struct kgr_mqtt *mqtt, size_t i, struct kgr_diag *diag)
{
    struct kgr_link_options options = {
        .broker = &mqtt->brokers.list[i],
        .keepalive_s = mqtt->options.keepalive_s,
        .max_payload = mqtt->options.max_payload,
        .max_outbox = mqtt->options.max_outbox,
        .timeout_ms = mqtt->options.timeout_ms,
        .notify = mqtt->callbacks.notify,
        .notify_arg = mqtt->callbacks.notify_arg,
    };
    struct way *way = &mqtt->ways[i];
    enum kgr_error err = kgr_broker_check(options.broker, diag);

    if (err == KGR_OK && options.broker->password_file != NULL && !options.broker->tls)
        kgr_warn("mqtt", "broker=%s text=\"its password goes over the network in clear: no TLS\"",
                 options.broker->host);
    if (err == KGR_OK)
        err = kgr_inbox_new(&way->inbox, mqtt->options.max_inbox, mqtt->options.max_payload);
    options.inbox = way->inbox;
    return err == KGR_OK ? kgr_link_new(&way->link, &options, diag) : err;
}

enum kgr_error kgr_mqtt_new(struct kgr_mqtt **out, const struct kgr_mqtt_options *options,
                            const struct kgr_mqtt_callbacks *callbacks, struct kgr_diag *diag)
{
    struct kgr_mqtt *mqtt;
    enum kgr_error err = KGR_OK;

    if (options->brokers->num == 0 || options->brokers->num > KGR_BROKERS_MAX)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "1 to %d brokers are needed", KGR_BROKERS_MAX);
    mqtt = calloc(1, sizeof(*mqtt));
    if (mqtt == NULL)
        return KGR_ERR_NO_MEMORY;
    mqtt->brokers = *options->brokers;
    mqtt->options = *options;
    mqtt->options.brokers = &mqtt->brokers;
    fill_defaults(&mqtt->options);
    mqtt->callbacks = *callbacks;
    mqtt->deadline_ms = NEVER;
    mqtt->return_ms = NEVER;
    kgr_bucket_init(&mqtt->log_bucket, 1, 5, kgr_clock_boot_ms());
    for (size_t i = 0; i < mqtt->brokers.num && err == KGR_OK; i++)
        err = open_way(mqtt, i, diag);
    if (err != KGR_OK) {
        kgr_mqtt_free(mqtt);
        return err;
    }
    *out = mqtt;
    return KGR_OK;
}

void kgr_mqtt_free(struct kgr_mqtt *mqtt)
{
    if (mqtt == NULL)
        return;
    for (size_t i = 0; i < mqtt->brokers.num; i++) {
        kgr_link_free(mqtt->ways[i].link); /* first: its callbacks use the inbox */
        kgr_inbox_free(mqtt->ways[i].inbox);
    }
    kgr_topics_deinit(&mqtt->topics);
    free(mqtt);
}

/* The connection */

static bool is_connected_state(enum state state)
{
    return state == STATE_SUBSCRIBING || state == STATE_READY;
}

static struct kgr_link *link_of(struct kgr_mqtt *mqtt)
{
    return mqtt->ways[mqtt->current].link;
}

/* Half to all of the delay, so that nodes cut off together do not come back together. */
static uint64_t jittered(uint64_t delay)
{
    uint32_t random;

    kgr_random(&random, sizeof(random));
    return kgr_clock_boot_ms() + delay - random % (delay / 2 + 1);
}

static uint64_t next_attempt_ms(const struct kgr_mqtt *mqtt)
{
    uint64_t delay = mqtt->options.backoff_min_ms;
    uint64_t max = mqtt->options.backoff_max_ms;

    for (unsigned i = 0; i < mqtt->num_failures && delay < max; i++)
        delay *= 2;
    return jittered(delay < max ? delay : max);
}

/* The other brokers at once, then again from the first after a while. */
static void wait_for_attempt(struct kgr_mqtt *mqtt)
{
    mqtt->state = STATE_WAITING;
    mqtt->deadline_ms = 0;
    if (mqtt->next != 0)
        return;
    mqtt->deadline_ms = next_attempt_ms(mqtt);
    mqtt->num_failures++;
}

static void set_trouble(struct kgr_mqtt *mqtt, const char *text)
{
    (void)snprintf(mqtt->trouble, sizeof(mqtt->trouble), "%s", text);
}

/* The connection ended, or must end; reason is told. */
static void lose(struct kgr_mqtt *mqtt, const char *reason)
{
    bool was_good = mqtt->state == STATE_READY && kgr_clock_boot_ms() - mqtt->ready_ms >= GOOD_MS;

    kgr_topics_reset(&mqtt->topics);
    mqtt->num_subscribing = 0;
    mqtt->return_ms = NEVER;
    mqtt->stats.attempts_failed++;
    if (was_good)
        mqtt->num_failures = 0;
    mqtt->next = was_good ? 0 : (mqtt->current + 1) % mqtt->brokers.num;
    set_trouble(mqtt, reason);
    if (kgr_link_is_connected(link_of(mqtt)) && kgr_link_disconnect(link_of(mqtt)) == KGR_OK) {
        mqtt->state = STATE_CLOSING;
        mqtt->deadline_ms = kgr_clock_boot_ms() + mqtt->options.timeout_ms;
    } else {
        wait_for_attempt(mqtt);
    }
    mqtt->callbacks.on_lost(mqtt->callbacks.arg, mqtt->trouble);
}

static void attempt(struct kgr_mqtt *mqtt)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    mqtt->current = mqtt->next;
    mqtt->state = STATE_CONNECTING;
    mqtt->deadline_ms = NEVER;
    if (mqtt->trying && mqtt->tried == mqtt->current) {
        mqtt->trying = false; /* it is under way */
        return;
    }
    err = kgr_link_connect(link_of(mqtt), &diag);
    if (err != KGR_OK)
        lose(mqtt, kgr_diag_text(&diag, err));
}

/* Sends a SUBSCRIBE for all that is new. When that fails the deadline is now, and the next drain sees to it. */
static void send_subscriptions(struct kgr_mqtt *mqtt)
{
    char *names[KGR_LINK_SUBSCRIBE_MAX];
    size_t num;

    while ((num = kgr_topics_ask(&mqtt->topics, names, KGR_LINK_SUBSCRIBE_MAX)) > 0) {
        mqtt->num_subscribing++;
        mqtt->subscribe_deadline_ms = kgr_clock_boot_ms() + mqtt->options.timeout_ms;
        if (kgr_link_subscribe(link_of(mqtt), names, num) != KGR_OK) {
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
    mqtt->ready_ms = kgr_clock_boot_ms();
    if (mqtt->current > 0)
        mqtt->return_ms = jittered(mqtt->options.return_ms);
    mqtt->trouble[0] = '\0';
    mqtt->stats.connects++;
    mqtt->callbacks.on_ready(mqtt->callbacks.arg);
}

static void handle_connected(struct kgr_mqtt *mqtt)
{
    if (mqtt->state != STATE_CONNECTING)
        return;
    mqtt->state = STATE_SUBSCRIBING;
    mqtt->deadline_ms = NEVER;
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

static void note_refusal(struct kgr_mqtt *mqtt, const char *reason)
{
    mqtt->stats.publish_refused++;
    if (mqtt->state == STATE_READY)
        set_trouble(mqtt, reason);
    if (kgr_bucket_take(&mqtt->log_bucket, kgr_clock_boot_ms()))
        kgr_warn("mqtt", "broker=%s text=\"%s\" count=%llu", kgr_mqtt_broker(mqtt)->host, reason,
                 (unsigned long long)mqtt->stats.publish_refused);
}

/* Events can be late: what does not fit the state belongs to a connection that was given up. */
static void handle_current(struct kgr_mqtt *mqtt, const struct kgr_inbox_item *item)
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
    case KGR_INBOX_UNPUBLISHED:
        note_refusal(mqtt, item->text);
        break;
    case KGR_INBOX_PUBLISHED:
        if (mqtt->state == STATE_READY)
            mqtt->trouble[0] = '\0';
        break;
    }
}

/* Ends a connection whose end is of no interest. */
static void hang_up(struct kgr_link *link)
{
    if (kgr_link_is_connected(link) && kgr_link_disconnect(link) != KGR_OK)
        kgr_debug("mqtt", "call=disconnect text=\"it is gone already\"");
}

/* Back to a preferred broker, which has just connected. */
static void take_over(struct kgr_mqtt *mqtt)
{
    struct kgr_link *before = link_of(mqtt);
    bool had_connection = is_connected_state(mqtt->state);

    mqtt->trying = false;
    mqtt->current = mqtt->tried;
    mqtt->state = STATE_CONNECTING;
    mqtt->return_ms = NEVER;
    mqtt->num_subscribing = 0;
    mqtt->num_failures = 0;
    kgr_topics_reset(&mqtt->topics);
    hang_up(before);
    if (had_connection) {
        set_trouble(mqtt, "a preferred broker is back");
        mqtt->callbacks.on_lost(mqtt->callbacks.arg, mqtt->trouble);
    }
    handle_connected(mqtt);
}

/* A way that is not the current one: it is tried, or what comes by it is late. */
static void handle_other(struct kgr_mqtt *mqtt, size_t i, const struct kgr_inbox_item *item)
{
    bool is_tried = mqtt->trying && mqtt->tried == i;

    if (item->type == KGR_INBOX_MESSAGE)
        deliver(mqtt, item);
    else if (item->type == KGR_INBOX_CONNECTED && is_tried)
        take_over(mqtt);
    else if (item->type == KGR_INBOX_CONNECTED)
        hang_up(mqtt->ways[i].link);
    else if (is_tried && (item->type == KGR_INBOX_FAILED || item->type == KGR_INBOX_LOST))
        mqtt->trying = false;
}

/* Each time another of the brokers before the current one. */
static void try_preferred(struct kgr_mqtt *mqtt)
{
    mqtt->return_ms = jittered(mqtt->options.return_ms);
    if (mqtt->trying)
        return;
    mqtt->tried = (mqtt->tried + 1) % mqtt->current;
    mqtt->trying = kgr_link_connect(mqtt->ways[mqtt->tried].link, NULL) == KGR_OK;
}

static void do_what_is_due(struct kgr_mqtt *mqtt)
{
    uint64_t now_ms = kgr_clock_boot_ms();

    if (mqtt->num_subscribing > 0 && now_ms >= mqtt->subscribe_deadline_ms)
        lose(mqtt, "a subscription was not answered in time");
    if (mqtt->state == STATE_READY && mqtt->current > 0 && now_ms >= mqtt->return_ms)
        try_preferred(mqtt);
    if (now_ms < mqtt->deadline_ms)
        return;
    if (mqtt->state == STATE_WAITING)
        attempt(mqtt);
    else if (mqtt->state == STATE_CLOSING)
        wait_for_attempt(mqtt);
}

static void drain_way(struct kgr_mqtt *mqtt, size_t i)
{
    struct kgr_inbox_item *item, *next;
    bool broken;

    for (item = kgr_inbox_take(mqtt->ways[i].inbox, &broken); item != NULL; item = next) {
        next = item->next;
        if (i == mqtt->current)
            handle_current(mqtt, item);
        else
            handle_other(mqtt, i, item);
        kgr_inbox_item_free(item);
    }
    if (!broken)
        return;
    if (i != mqtt->current)
        mqtt->trying = false;
    else if (mqtt->state != STATE_IDLE && mqtt->state != STATE_WAITING)
        lose(mqtt, "out of memory");
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t kgr_mqtt_drain(struct kgr_mqtt *mqtt)
{
    uint64_t deadline_ms;

    for (size_t i = 0; i < mqtt->brokers.num; i++)
        drain_way(mqtt, i);
    do_what_is_due(mqtt);
    deadline_ms = mqtt->deadline_ms;
    if (mqtt->state == STATE_READY)
        deadline_ms = earlier(deadline_ms, mqtt->return_ms);
    if (mqtt->num_subscribing > 0)
        deadline_ms = earlier(deadline_ms, mqtt->subscribe_deadline_ms);
    return deadline_ms;
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

const struct kgr_broker *kgr_mqtt_broker(const struct kgr_mqtt *mqtt)
{
    return &mqtt->brokers.list[mqtt->current];
}

const char *kgr_mqtt_trouble(const struct kgr_mqtt *mqtt)
{
    return mqtt != NULL ? mqtt->trouble : "";
}

void kgr_mqtt_move_on(struct kgr_mqtt *mqtt, const char *reason)
{
    if (!is_connected_state(mqtt->state))
        return;
    mqtt->ready_ms = kgr_clock_boot_ms(); /* it was no good one */
    lose(mqtt, reason);
    mqtt->callbacks.notify(mqtt->callbacks.notify_arg);
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
        kgr_link_unsubscribe(link_of(mqtt), topic);
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
    err = kgr_link_publish(link_of(mqtt), topic, payload);
    if (err == KGR_OK)
        mqtt->stats.published++;
    return err;
}

void kgr_mqtt_stats(const struct kgr_mqtt *mqtt, struct kgr_mqtt_stats *out)
{
    *out = mqtt->stats;
    for (size_t i = 0; i < mqtt->brokers.num; i++) {
        struct kgr_inbox_drops drops;

        kgr_inbox_drops(mqtt->ways[i].inbox, &drops);
        out->dropped_full += drops.full;
        out->dropped_oversize += drops.oversize;
        out->dropped_retained += drops.retained;
        out->dropped_unwanted += drops.malformed;
        out->publish_failed += kgr_link_publish_failures(mqtt->ways[i].link);
    }
}
