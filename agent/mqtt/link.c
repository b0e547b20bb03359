/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/link.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/base/text.h"

#include <MQTTAsync.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QOS 1
/* A PUBLISH beside its payload: fixed header, topic, packet id, and room for properties we ignore. */
#define PACKET_OVERHEAD 4096u
/* What the broker may send before we acknowledge. */
#define RECEIVE_MAXIMUM 64
#define CLOSE_WAIT_S    1

struct kgr_link {
    MQTTAsync client; /* owned */
    struct kgr_inbox *inbox;
    void (*notify)(void *arg);
    void *notify_arg;
    uint16_t keepalive_s;
    uint32_t max_payload;
    uint32_t max_outbox;
    int connect_timeout_s;
    atomic_uint epoch; /* of the connection, see struct subscription */
    atomic_uint outbox_len;
    atomic_ullong publish_failures;
    pthread_mutex_t close_lock; /* guards closed; for kgr_link_free */
    pthread_cond_t close_cond;
    bool closed;
};

/*
 * A SUBSCRIBE that Paho has not sent when the connection breaks goes out on the next one: its answer must
 * not be taken for that of a SUBSCRIBE of then.
 */
struct subscription {
    struct kgr_link *link;
    unsigned epoch;
};

static void push(struct kgr_link *link, enum kgr_inbox_type type, const char *text)
{
    kgr_inbox_push_event(link->inbox, type, text);
    link->notify(link->notify_arg);
}

static const char *reason_name(int code)
{
    const char *name = MQTTReasonCode_toString((enum MQTTReasonCodes)code);

    return name != NULL ? name : "unknown reason";
}

static enum kgr_error from_paho(const char *call, int rc)
{
    switch (rc) {
    case MQTTASYNC_SUCCESS:
        return KGR_OK;
    case MQTTASYNC_DISCONNECTED:
        return KGR_ERR_BROKER;
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
    case MQTTASYNC_MAX_MESSAGES_INFLIGHT:
    case MQTTASYNC_NO_MORE_MSGIDS:
        return KGR_ERR_BUSY;
    case MQTTASYNC_BAD_UTF8_STRING:
        return KGR_ERR_INVALID;
    default:
        kgr_error_log("mqtt", "call=%s code=%d error=%s", call, rc,
                      MQTTAsync_strerror(rc) != NULL ? MQTTAsync_strerror(rc) : "?");
        return KGR_ERR_FAILED;
    }
}

/* Callbacks of Paho's threads */

static void on_connected(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    push(context, KGR_INBOX_CONNECTED, "");
}

static void on_connect_failure(void *context, MQTTAsync_failureData5 *data)
{
    const char *message = data->message != NULL ? data->message : "no connection";
    char text[160];

    /* code is a reason of the broker's CONNACK when positive, else Paho's own number. */
    if (data->code > 0)
        (void)snprintf(text, sizeof(text), "refused by the broker: %s", reason_name(data->code));
    else
        (void)snprintf(text, sizeof(text), "%s", message);
    push(context, KGR_INBOX_FAILED, text);
}

static void on_connection_lost(void *context, char *cause)
{
    push(context, KGR_INBOX_LOST, cause != NULL ? cause : "the connection broke");
}

static void on_server_disconnect(void *context, MQTTProperties *properties,
                                 enum MQTTReasonCodes reason)
{
    char text[160];

    (void)properties;
    (void)snprintf(text, sizeof(text), "closed by the broker: %s", reason_name((int)reason));
    push(context, KGR_INBOX_LOST, text);
}

static void close_done(struct kgr_link *link)
{
    pthread_mutex_lock(&link->close_lock);
    link->closed = true;
    pthread_cond_signal(&link->close_cond);
    pthread_mutex_unlock(&link->close_lock);
    push(link, KGR_INBOX_LOST, "closed");
}

static void on_close_success(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    close_done(context);
}

static void on_close_failure(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    close_done(context);
}

/* Each subscription is answered exactly once, by success or failure. */
static void answer(struct subscription *subscription, enum kgr_inbox_type type, const char *text)
{
    struct kgr_link *link = subscription->link;
    bool is_current = subscription->epoch == atomic_load(&link->epoch);

    free(subscription);
    if (is_current)
        push(link, type, text);
}

static void answer_refused(struct subscription *subscription, int reason)
{
    char text[160];

    (void)snprintf(text, sizeof(text), "subscription refused by the broker: %s",
                   reason_name(reason));
    answer(subscription, KGR_INBOX_REFUSED, text);
}

static void on_subscribed(void *context, MQTTAsync_successData5 *data)
{
    /* Of several topics some may have been refused; a single one that is comes as a failure. */
    for (int i = 0; data->alt.sub.reasonCodeCount > 1 && i < data->alt.sub.reasonCodeCount; i++) {
        int reason = data->alt.sub.reasonCodes != NULL ? (int)data->alt.sub.reasonCodes[i]
                                                       : (int)MQTTREASONCODE_UNSPECIFIED_ERROR;

        if (reason >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR) {
            answer_refused(context, reason);
            return;
        }
    }
    answer(context, KGR_INBOX_SUBSCRIBED, "");
}

static void on_subscribe_failure(void *context, MQTTAsync_failureData5 *data)
{
    if ((int)data->reasonCode >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR)
        answer_refused(context, (int)data->reasonCode);
    else
        answer(context, KGR_INBOX_REFUSED, "the connection broke");
}

static void on_published(void *context, MQTTAsync_successData5 *data)
{
    struct kgr_link *link = context;

    if ((int)data->reasonCode >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR)
        atomic_fetch_add(&link->publish_failures, 1);
    atomic_fetch_sub(&link->outbox_len, 1);
}

static void on_publish_failure(void *context, MQTTAsync_failureData5 *data)
{
    struct kgr_link *link = context;

    (void)data;
    atomic_fetch_add(&link->publish_failures, 1);
    atomic_fetch_sub(&link->outbox_len, 1);
}

static int on_message(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    struct kgr_link *link = context;
    /* Paho gives the length only of a topic with a zero byte in it. */
    size_t len = topic_len > 0 ? (size_t)topic_len : strlen(topic);
    size_t payload_len = message->payloadlen > 0 ? (size_t)message->payloadlen : 0;

    kgr_inbox_push_message(link->inbox, kgr_slice(topic, len),
                           kgr_slice(message->payload, payload_len), message->retained != 0);
    if (payload_len > 0)
        kgr_cleanse(message->payload, payload_len);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    link->notify(link->notify_arg);
    return 1;
}

/* Life */

static enum kgr_error create_client(struct kgr_link *link, const struct kgr_link_options *options)
{
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    bool is_ipv6 = strchr(options->host, ':') != NULL;
    uint8_t random[16];
    char client_id[32], uri[320];
    enum kgr_error err;
    int len;

    len = snprintf(uri, sizeof(uri), "tcp://%s%s%s:%u", is_ipv6 ? "[" : "", options->host,
                   is_ipv6 ? "]" : "", (unsigned)options->port);
    if (len < 0 || (size_t)len >= sizeof(uri))
        return KGR_ERR_INVALID;
    kgr_random(random, sizeof(random));
    kgr_base64url(client_id, random, sizeof(random));
    create.sendWhileDisconnected = 0;
    create.maxBufferedMessages = (int)options->max_outbox + 1;
    /* Otherwise Paho keeps the first bytes of every message in its trace. */
    MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    err = from_paho("create",
                    MQTTAsync_createWithOptions(&link->client, uri, client_id,
                                                MQTTCLIENT_PERSISTENCE_NONE, NULL, &create));
    if (err == KGR_OK)
        err =
            from_paho("setCallbacks", MQTTAsync_setCallbacks(link->client, link, on_connection_lost,
                                                             on_message, NULL));
    if (err == KGR_OK)
        err = from_paho("setDisconnected",
                        MQTTAsync_setDisconnected(link->client, link, on_server_disconnect));
    return err;
}

enum kgr_error kgr_link_new(struct kgr_link **out, const struct kgr_link_options *options,
                            struct kgr_diag *diag)
{
    struct kgr_link *link = calloc(1, sizeof(*link));
    pthread_condattr_t attr;
    enum kgr_error err;

    if (link == NULL)
        return KGR_ERR_NO_MEMORY;
    link->inbox = options->inbox;
    link->notify = options->notify;
    link->notify_arg = options->notify_arg;
    link->keepalive_s = options->keepalive_s;
    link->max_payload = options->max_payload;
    link->max_outbox = options->max_outbox;
    link->connect_timeout_s = (int)((options->timeout_ms + 999) / 1000);
    pthread_mutex_init(&link->close_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&link->close_cond, &attr);
    pthread_condattr_destroy(&attr);
    err = create_client(link, options);
    if (err != KGR_OK) {
        kgr_link_free(link);
        return kgr_diag_set(diag, err, "cannot make an MQTT client for host %s", options->host);
    }
    *out = link;
    return KGR_OK;
}

static void wait_closed(struct kgr_link *link)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_WAIT_S;
    pthread_mutex_lock(&link->close_lock);
    while (!link->closed && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&link->close_cond, &link->close_lock, &until);
    pthread_mutex_unlock(&link->close_lock);
}

void kgr_link_free(struct kgr_link *link)
{
    if (link == NULL)
        return;
    if (link->client != NULL) {
        pthread_mutex_lock(&link->close_lock);
        link->closed = false;
        pthread_mutex_unlock(&link->close_lock);
        if (kgr_link_disconnect(link) == KGR_OK)
            wait_closed(link);
        /* Takes the lock under which callbacks run: none is under way when it returns. */
        MQTTAsync_destroy(&link->client);
    }
    pthread_cond_destroy(&link->close_cond);
    pthread_mutex_destroy(&link->close_lock);
    free(link);
}

/* Operations */

static int add_number(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t value)
{
    MQTTProperty property = {.identifier = code};

    if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
        property.value.integer2 = (unsigned short)value;
    else
        property.value.integer4 = value;
    return MQTTProperties_add(properties, &property);
}

enum kgr_error kgr_link_connect(struct kgr_link *link)
{
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
    MQTTProperties properties = MQTTProperties_initializer;
    int rc;

    rc = add_number(&properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM);
    if (rc == 0)
        rc = add_number(&properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE,
                        link->max_payload + PACKET_OVERHEAD);
    if (rc != 0)
        goto out;
    options.keepAliveInterval = link->keepalive_s;
    options.connectTimeout = link->connect_timeout_s;
    options.cleanstart = 1;
    options.automaticReconnect = 0;
    options.maxInflight = (int)link->max_outbox;
    options.connectProperties = &properties;
    options.onSuccess5 = on_connected;
    options.onFailure5 = on_connect_failure;
    options.context = link;
    atomic_fetch_add(&link->epoch, 1);
    rc = MQTTAsync_connect(link->client, &options);
out:
    MQTTProperties_free(&properties);
    return from_paho("connect", rc);
}

enum kgr_error kgr_link_disconnect(struct kgr_link *link)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;

    options.timeout = 0;
    options.onSuccess5 = on_close_success;
    options.onFailure5 = on_close_failure;
    options.context = link;
    return from_paho("disconnect", MQTTAsync_disconnect(link->client, &options));
}

bool kgr_link_is_connected(struct kgr_link *link)
{
    return MQTTAsync_isConnected(link->client) != 0;
}

enum kgr_error kgr_link_subscribe(struct kgr_link *link, char *const *topics, size_t num)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    struct subscription *subscription;
    int qos[KGR_LINK_SUBSCRIBE_MAX];
    enum kgr_error err;

    if (num == 0 || num > KGR_LINK_SUBSCRIBE_MAX)
        return KGR_ERR_INVALID;
    subscription = malloc(sizeof(*subscription));
    if (subscription == NULL)
        return KGR_ERR_NO_MEMORY;
    *subscription = (struct subscription){link, atomic_load(&link->epoch)};
    for (size_t i = 0; i < num; i++)
        qos[i] = QOS;
    options.onSuccess5 = on_subscribed;
    options.onFailure5 = on_subscribe_failure;
    options.context = subscription;
    err = from_paho("subscribe",
                    MQTTAsync_subscribeMany(link->client, (int)num, topics, qos, &options));
    if (err != KGR_OK)
        free(subscription);
    return err;
}

void kgr_link_unsubscribe(struct kgr_link *link, const char *topic)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    int rc = MQTTAsync_unsubscribe(link->client, topic, &options);

    if (rc != MQTTASYNC_SUCCESS && rc != MQTTASYNC_DISCONNECTED)
        kgr_warn("mqtt", "call=unsubscribe code=%d", rc);
}

enum kgr_error kgr_link_publish(struct kgr_link *link, const char *topic, struct kgr_slice payload)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    enum kgr_error err;

    if (payload.len > link->max_payload || payload.len > INT_MAX)
        return KGR_ERR_TOO_LARGE;
    if (atomic_load(&link->outbox_len) >= link->max_outbox)
        return KGR_ERR_BUSY;
    options.onSuccess5 = on_published;
    options.onFailure5 = on_publish_failure;
    options.context = link;
    /* Before the call: the acknowledgement may be here before it returns. */
    atomic_fetch_add(&link->outbox_len, 1);
    err = from_paho(
        "send", MQTTAsync_send(link->client, topic, (int)payload.len, payload.p, QOS, 0, &options));
    if (err != KGR_OK)
        atomic_fetch_sub(&link->outbox_len, 1);
    return err;
}

uint64_t kgr_link_publish_failures(const struct kgr_link *link)
{
    return atomic_load(&link->publish_failures);
}
