/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <MQTTAsync.h>

#include "agent/mqtt/link.h"

/* What the files of kgr_link share: link.c (life and calls), link_events.c (Paho's callbacks). */
#define KGR_LINK_TEXT_MAX 200

struct kgr_link {
    MQTTAsync client; /* owned */
    struct kgr_broker broker;
    struct kgr_inbox *inbox;
    void (*notify)(void *arg);
    void *notify_arg;
    uint16_t keepalive_s;
    uint32_t max_payload;
    uint32_t max_outbox;
    int connect_timeout_s;
    atomic_uint epoch; /* of the connection, see struct kgr_subscription */
    atomic_int fd;     /* of the connection, -1: unknown; Paho's (agent/mqtt/tcp.h) */
    atomic_uint outbox_len;
    atomic_ullong publish_failures;
    atomic_bool refusing;       /* the last publish that was answered was refused */
    atomic_ulong tls_mark;      /* of kgr_tls_mark, when the attempt began */
    char tls_error[120];        /* of this attempt; Paho's threads only, under its lock */
    pthread_mutex_t close_lock; /* guards closed; for kgr_link_free */
    pthread_cond_t close_cond;
    bool closed;
};

/*
 * A SUBSCRIBE that Paho has not sent when the connection breaks goes out on the next one: its answer must
 * not be taken for that of a SUBSCRIBE of then.
 */
struct kgr_subscription {
    struct kgr_link *link;
    unsigned epoch;
    size_t num; /* topics */
};

/* The callbacks of MQTT 5 and of 3.1.1 differ in what they are given; Paho wants those of the version. */
enum kgr_error kgr_link_callbacks(struct kgr_link *link);
void kgr_link_connect_callbacks(struct kgr_link *link, MQTTAsync_connectOptions *options);
void kgr_link_disconnect_callbacks(struct kgr_link *link, MQTTAsync_disconnectOptions *options);
void kgr_link_subscribe_callbacks(struct kgr_subscription *subscription,
                                  MQTTAsync_responseOptions *options);
void kgr_link_publish_callbacks(struct kgr_link *link, MQTTAsync_responseOptions *options);
/* kgr_link_on_tls_error collects what OpenSSL says of a failed handshake. */
int kgr_link_on_tls_error(const char *text, size_t len, void *context);
enum kgr_error kgr_link_from_paho(const char *call, int rc);
