/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/mqtt/broker.h"

/*
 * One MQTT connection that mends itself: clean start, no stored session, a random client id, QoS 1, never
 * retained, no will, and no property beyond the two limits sent at connect. It is only a carrier: a message may be
 * lost with a connection, and the protocol above repeats it.
 *
 * Of several brokers the first that connects and grants every subscription is used; when that ends, the next in order
 * is tried, after the last the first again. While another is in use, the ones before it are tried now and then,
 * and the first that is back takes over.
 *
 * MQTT 3.1.1 knows less: a broker tells no packet limit and gives no reason, and a publish that its rules
 * deny is acknowledged like any other. It then looks as if nobody answered.
 *
 * All functions belong to one thread, the owner's. Paho's threads only copy into a bounded inbox and call
 * notify; the owner then calls kgr_mqtt_drain, from which all other callbacks come.
 */
struct kgr_mqtt;

struct kgr_mqtt_options {
    const struct kgr_brokers *brokers; /* 1 or more; copied, its texts are borrowed until the end */
    uint16_t keepalive_s;              /* 0: 30 */
    uint32_t max_payload;              /* inbound and outbound; 0: 65,536 */
    uint32_t
        max_inbox; /* messages waiting for kgr_mqtt_drain; 0: 256. More are dropped and counted */
    uint32_t max_outbox; /* publishes without PUBACK; 0: 256. More are refused */
    uint32_t
        backoff_min_ms; /* before the first attempt to reconnect; doubled each time, with jitter; 0: 500 */
    uint32_t backoff_max_ms; /* 0: 30,000 */
    uint32_t timeout_ms;     /* for CONNACK and SUBACK each; 0: 10,000 */
    uint32_t return_ms;      /* between tries of a preferred broker; 0: 60,000 */
};

struct kgr_mqtt_callbacks {
    /* notify asks for kgr_mqtt_drain soon. Called from any thread, must not block or call back. */
    void (*notify)(void *notify_arg);
    void *notify_arg;
    /* The rest is called within kgr_mqtt_drain only, and may call everything but drain and free. */
    /* on_ready: connected, and the broker acknowledged every subscription. Also after each reconnect. */
    void (*on_ready)(void *arg);
    /* on_lost: the connection ended or an attempt failed; reason is printable. Attempts go on. */
    void (*on_lost)(void *arg, const char *reason);
    /* on_message borrows topic (NUL-terminated) and payload for the call; payload is wiped after it. */
    void (*on_message)(void *arg, const char *topic, struct kgr_slice payload);
    void *arg;
};

struct kgr_mqtt_stats {
    uint64_t connects;         /* times ready */
    uint64_t attempts_failed;  /* connections that ended, attempts that failed */
    uint64_t received;         /* messages delivered to on_message */
    uint64_t dropped_full;     /* inbound, inbox full */
    uint64_t dropped_oversize; /* inbound, longer than max_payload */
    uint64_t dropped_retained; /* inbound, marked as retained: nothing of ours is */
    uint64_t dropped_unwanted; /* inbound, topic not subscribed, or malformed */
    uint64_t published;        /* accepted by kgr_mqtt_publish */
    uint64_t publish_failed;  /* accepted, then refused by the broker or lost with the connection */
    uint64_t publish_refused; /* of these, refused */
};

/* kgr_mqtt_new makes a client that is not connected. KGR_ERR_CONFIG (kgr_broker_check), KGR_ERR_NO_MEMORY, KGR_ERR_FAILED. */
KGR_MUST_CHECK enum kgr_error kgr_mqtt_new(struct kgr_mqtt **out,
                                           const struct kgr_mqtt_options *options,
                                           const struct kgr_mqtt_callbacks *callbacks,
                                           struct kgr_diag *diag);
/* kgr_mqtt_free disconnects (waiting at most a second) and frees; accepts NULL. No callback after it. */
void kgr_mqtt_free(struct kgr_mqtt *mqtt);

/* kgr_mqtt_start begins to connect, and to reconnect for ever; the outcome comes by callback. Idempotent. */
void kgr_mqtt_start(struct kgr_mqtt *mqtt);
/* kgr_mqtt_is_ready: between on_ready and on_lost. */
bool kgr_mqtt_is_ready(const struct kgr_mqtt *mqtt);
/* kgr_mqtt_broker is the broker in use, or tried last. */
const struct kgr_broker *kgr_mqtt_broker(const struct kgr_mqtt *mqtt);
/*
 * kgr_mqtt_trouble is what stands in the way now, printable: why there is no connection, or that the broker
 * refuses what is published. Empty when there is nothing, or no mqtt. Valid until the next drain.
 */
const char *kgr_mqtt_trouble(const struct kgr_mqtt *mqtt);
/* kgr_mqtt_move_on gives the connection up and tries the next broker: for one that carries nothing. */
void kgr_mqtt_move_on(struct kgr_mqtt *mqtt, const char *reason);

/*
 * kgr_mqtt_drain delivers what has happened and does what is due. Call it after every notify, and at
 * the latest at the time it returns (ms of kgr_clock_boot_ms; UINT64_MAX: no time).
 */
uint64_t kgr_mqtt_drain(struct kgr_mqtt *mqtt);

/*
 * kgr_mqtt_subscribe adds a topic to the wanted set, which is subscribed at every connect; while ready, at
 * once, and before anything that is published after this call. A refusal by the broker costs the
 * connection (on_lost says why). Adding a topic twice is KGR_OK. A wildcard, and more than 1,023 bytes, is
 * KGR_ERR_INVALID. The set is kept without a connection, and before start too.
 */
KGR_MUST_CHECK enum kgr_error kgr_mqtt_subscribe(struct kgr_mqtt *mqtt, const char *topic);
/* kgr_mqtt_unsubscribe takes a topic out; nothing of it is delivered any more. */
void kgr_mqtt_unsubscribe(struct kgr_mqtt *mqtt, const char *topic);

/*
 * kgr_mqtt_publish copies payload and hands it over for sending. KGR_ERR_BROKER while not ready,
 * KGR_ERR_BUSY when max_outbox publishes wait, KGR_ERR_TOO_LARGE, KGR_ERR_INVALID for a bad topic.
 */
KGR_MUST_CHECK enum kgr_error kgr_mqtt_publish(struct kgr_mqtt *mqtt, const char *topic,
                                               struct kgr_slice payload);

void kgr_mqtt_stats(const struct kgr_mqtt *mqtt, struct kgr_mqtt_stats *out);
