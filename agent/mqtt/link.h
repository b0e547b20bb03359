/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/mqtt/broker.h"
#include "agent/mqtt/inbox.h"

/*
 * Paho behind a handful of calls: one client of one broker, of MQTT 5 or 3.1.1, whose every event goes into an
 * inbox. Only link*.c include Paho. Nothing here retries; agent/mqtt/mqtt.c decides.
 *
 * Paho runs its callbacks with its own lock held. So they only push and notify, and no lock of ours is ever
 * held around a call of Paho's.
 */
/* Topics in one SUBSCRIBE: far below any broker's packet limit. */
#define KGR_LINK_SUBSCRIBE_MAX 64

struct kgr_link;

struct kgr_link_options {
    const struct kgr_broker *broker; /* its texts are borrowed */
    uint16_t keepalive_s;
    uint32_t max_payload;
    uint32_t max_outbox;
    uint32_t timeout_ms;       /* of TCP and CONNACK together, in whole seconds */
    struct kgr_inbox *inbox;   /* borrowed */
    void (*notify)(void *arg); /* from any thread */
    void *notify_arg;
};

KGR_MUST_CHECK enum kgr_error
kgr_link_new(struct kgr_link **out, const struct kgr_link_options *options, struct kgr_diag *diag);
/* kgr_link_free disconnects, waits for at most a second, and frees; accepts NULL. */
void kgr_link_free(struct kgr_link *link);

/* kgr_link_connect: on KGR_OK CONNECTED or FAILED follows. KGR_ERR_CONFIG: the password cannot be read. */
KGR_MUST_CHECK enum kgr_error kgr_link_connect(struct kgr_link *link, struct kgr_diag *diag);
/* kgr_link_disconnect: on KGR_OK LOST follows. KGR_ERR_BROKER: there is no connection. */
KGR_MUST_CHECK enum kgr_error kgr_link_disconnect(struct kgr_link *link);
bool kgr_link_is_connected(struct kgr_link *link);
/*
 * kgr_link_subscribe sends one SUBSCRIBE for 1 to KGR_LINK_SUBSCRIBE_MAX topics, in its order among publishes. On
 * KGR_OK SUBSCRIBED or REFUSED follows, unless the connection ends.
 */
KGR_MUST_CHECK enum kgr_error kgr_link_subscribe(struct kgr_link *link, char *const *topics,
                                                 size_t num);
/* kgr_link_unsubscribe is not answered, and not repeated: what still comes is dropped by the owner. */
void kgr_link_unsubscribe(struct kgr_link *link, const char *topic);
/* kgr_link_publish: QoS 1. KGR_ERR_BUSY when max_outbox are unacknowledged, KGR_ERR_BROKER, KGR_ERR_TOO_LARGE. */
KGR_MUST_CHECK enum kgr_error kgr_link_publish(struct kgr_link *link, const char *topic,
                                               struct kgr_slice payload);
/* kgr_link_publish_failures counts publishes that were accepted and not acknowledged with success. */
uint64_t kgr_link_publish_failures(const struct kgr_link *link);
