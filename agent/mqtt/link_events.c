/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/link_parts.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/mqtt/tcp.h"
#include "agent/mqtt/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Callbacks of Paho's threads, which hold its lock: they only push and notify. */

static void push(struct kgr_link *link, enum kgr_inbox_type type, const char *text)
{
    kgr_inbox_push_event(link->inbox, type, text);
    link->notify(link->notify_arg);
}

/* MQTT 5 has names for its reasons, 3.1.1 five numbers in CONNACK and one in SUBACK. */
static const char *reason_name(const struct kgr_link *link, int code)
{
    static const char *const old[] = {
        [1] = "unacceptable protocol version",
        [2] = "client identifier rejected",
        [3] = "server unavailable",
        [4] = "bad user name or password",
        [5] = "not authorised",
    };
    const char *name = NULL;

    if (link->broker.protocol == KGR_MQTT_5)
        name = MQTTReasonCode_toString((enum MQTTReasonCodes)code);
    else if (code >= 1 && (size_t)code < KGR_ARRAY_LEN(old))
        name = old[code];
    return name != NULL ? name : "no reason given";
}

static void format_refusal(char out[KGR_LINK_TEXT_MAX], const struct kgr_link *link,
                           const char *what, int code)
{
    (void)snprintf(out, KGR_LINK_TEXT_MAX, "%s refused by the broker: %s (reason %d)", what,
                   reason_name(link, code), code);
}

/* Connecting */

static void connected(struct kgr_link *link)
{
    atomic_store(&link->refusing, false);
    atomic_store(&link->fd, kgr_tcp_adopt(kgr_broker_port(&link->broker)));
    push(link, KGR_INBOX_CONNECTED, "");
}

static void on_connected5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    connected(context);
}

static void on_connected3(void *context, MQTTAsync_successData *data)
{
    (void)data;
    connected(context);
}

int kgr_link_on_tls_error(const char *text, size_t len, void *context)
{
    struct kgr_link *link = context;
    size_t colons = 0, i;

    if (link->tls_error[0] != '\0')
        return 1; /* the first is the cause */
    /* thread:error:number:library:function:reason:file:line:data */
    for (i = 0; i < len && colons < 5; i++)
        colons += text[i] == ':';
    text += i;
    len -= i;
    for (i = 0; i < len && text[i] != ':' && text[i] != '\n';)
        i++;
    (void)kgr_log_escape(link->tls_error, sizeof(link->tls_error), text, i);
    return 1;
}

/* Without a reason of the broker's: what TLS says, or Paho's message. */
static void explain_failure(char out[KGR_LINK_TEXT_MAX], struct kgr_link *link, const char *message)
{
    const char *reason;
    enum kgr_tls_outcome outcome = kgr_tls_outcome(atomic_load(&link->tls_mark), &reason);
    bool is_silent = strstr(message, "timeout") != NULL;

    if (link->broker.tls && outcome == KGR_TLS_UNVERIFIED)
        (void)snprintf(out, KGR_LINK_TEXT_MAX, "TLS: the broker's certificate is refused: %s",
                       reason);
    else if (link->broker.tls && link->tls_error[0] != '\0')
        (void)snprintf(out, KGR_LINK_TEXT_MAX, "TLS: %s", link->tls_error);
    else if (link->broker.tls && outcome == KGR_TLS_OTHER && !is_silent)
        /* Paho compares the name after the handshake, and with TLS 1.3 a broker refuses us after it. */
        (void)snprintf(
            out, KGR_LINK_TEXT_MAX,
            "TLS: the broker's certificate is not for %.80s, or the broker %s", link->broker.host,
            link->broker.cert == NULL ? "wants one of ours (cert, key)" : "refuses ours");
    else
        (void)snprintf(out, KGR_LINK_TEXT_MAX, "%s",
                       is_silent ? "the broker does not answer" : "cannot connect");
}

/* code is a reason of the broker's CONNACK when positive, else Paho's own number. */
static void connect_failed(struct kgr_link *link, int code, const char *message)
{
    char text[KGR_LINK_TEXT_MAX];

    if (code > 0)
        format_refusal(text, link, "connection", code);
    else
        explain_failure(text, link, message != NULL ? message : "no connection");
    push(link, KGR_INBOX_FAILED, text);
}

static void on_connect_failure5(void *context, MQTTAsync_failureData5 *data)
{
    connect_failed(context, data->code, data->message);
}

static void on_connect_failure3(void *context, MQTTAsync_failureData *data)
{
    connect_failed(context, data->code, data->message);
}

void kgr_link_connect_callbacks(struct kgr_link *link, MQTTAsync_connectOptions *options)
{
    options->context = link;
    if (link->broker.protocol == KGR_MQTT_5) {
        options->onSuccess5 = on_connected5;
        options->onFailure5 = on_connect_failure5;
    } else {
        options->onSuccess = on_connected3;
        options->onFailure = on_connect_failure3;
    }
}

/* The end of a connection */

static void on_connection_lost(void *context, char *cause)
{
    push(context, KGR_INBOX_LOST, cause != NULL ? cause : "the connection broke");
}

static void on_server_disconnect(void *context, MQTTProperties *properties,
                                 enum MQTTReasonCodes reason)
{
    struct kgr_link *link = context;
    char text[KGR_LINK_TEXT_MAX];

    (void)properties;
    (void)snprintf(text, sizeof(text), "closed by the broker: %s (reason %d)",
                   reason_name(link, (int)reason), (int)reason);
    push(link, KGR_INBOX_LOST, text);
}

static void close_done(struct kgr_link *link)
{
    pthread_mutex_lock(&link->close_lock);
    link->closed = true;
    pthread_cond_signal(&link->close_cond);
    pthread_mutex_unlock(&link->close_lock);
    push(link, KGR_INBOX_LOST, "closed");
}

static void on_close_success5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    close_done(context);
}

static void on_close_failure5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    close_done(context);
}

static void on_close_success3(void *context, MQTTAsync_successData *data)
{
    (void)data;
    close_done(context);
}

static void on_close_failure3(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    close_done(context);
}

void kgr_link_disconnect_callbacks(struct kgr_link *link, MQTTAsync_disconnectOptions *options)
{
    options->context = link;
    if (link->broker.protocol == KGR_MQTT_5) {
        options->onSuccess5 = on_close_success5;
        options->onFailure5 = on_close_failure5;
    } else {
        options->onSuccess = on_close_success3;
        options->onFailure = on_close_failure3;
    }
}

/* Subscribing: each subscription is answered exactly once, by success or failure. */

static void answer(struct kgr_subscription *subscription, enum kgr_inbox_type type,
                   const char *text)
{
    struct kgr_link *link = subscription->link;
    bool is_current = subscription->epoch == atomic_load(&link->epoch);

    if (is_current)
        kgr_tcp_acknowledge(atomic_load(&link->fd));
    free(subscription);
    if (is_current)
        push(link, type, text);
}

static void answer_code(struct kgr_subscription *subscription, int code)
{
    char text[KGR_LINK_TEXT_MAX];

    if (code < (int)MQTTREASONCODE_UNSPECIFIED_ERROR) {
        answer(subscription, KGR_INBOX_REFUSED, "the connection broke");
        return;
    }
    format_refusal(text, subscription->link, "subscription", code);
    answer(subscription, KGR_INBOX_REFUSED, text);
}

/* Of several topics some may have been refused; a single one that is comes as a failure. */
static void on_subscribed5(void *context, MQTTAsync_successData5 *data)
{
    for (int i = 0; data->alt.sub.reasonCodeCount > 1 && i < data->alt.sub.reasonCodeCount; i++) {
        int reason = data->alt.sub.reasonCodes != NULL ? (int)data->alt.sub.reasonCodes[i]
                                                       : (int)MQTTREASONCODE_UNSPECIFIED_ERROR;

        if (reason >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR) {
            answer_code(context, reason);
            return;
        }
    }
    answer(context, KGR_INBOX_SUBSCRIBED, "");
}

/* How many there are is not told: as many as were asked for. */
static void on_subscribed3(void *context, MQTTAsync_successData *data)
{
    struct kgr_subscription *subscription = context;

    for (size_t i = 0; subscription->num > 1 && i < subscription->num; i++) {
        int code = data->alt.qosList != NULL ? data->alt.qosList[i]
                                             : (int)MQTTREASONCODE_UNSPECIFIED_ERROR;

        if (code >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR) {
            answer_code(subscription, code);
            return;
        }
    }
    answer(subscription, KGR_INBOX_SUBSCRIBED, "");
}

static void on_subscribe_failure5(void *context, MQTTAsync_failureData5 *data)
{
    answer_code(context, (int)data->reasonCode);
}

static void on_subscribe_failure3(void *context, MQTTAsync_failureData *data)
{
    answer_code(context, data->code);
}

void kgr_link_subscribe_callbacks(struct kgr_subscription *subscription,
                                  MQTTAsync_responseOptions *options)
{
    options->context = subscription;
    if (subscription->link->broker.protocol == KGR_MQTT_5) {
        options->onSuccess5 = on_subscribed5;
        options->onFailure5 = on_subscribe_failure5;
    } else {
        options->onSuccess = on_subscribed3;
        options->onFailure = on_subscribe_failure3;
    }
}

/* Publishing */

static void published(struct kgr_link *link)
{
    atomic_fetch_sub(&link->outbox_len, 1);
    kgr_tcp_acknowledge(atomic_load(&link->fd));
    if (atomic_exchange(&link->refusing, false))
        push(link, KGR_INBOX_PUBLISHED, "");
}

/* code below 128: the connection broke. */
static void publish_failed(struct kgr_link *link, int code)
{
    char text[KGR_LINK_TEXT_MAX];

    atomic_fetch_add(&link->publish_failures, 1);
    atomic_fetch_sub(&link->outbox_len, 1);
    if (code < (int)MQTTREASONCODE_UNSPECIFIED_ERROR)
        return;
    atomic_store(&link->refusing, true);
    format_refusal(text, link, "publication", code);
    push(link, KGR_INBOX_UNPUBLISHED, text);
}

static void on_published5(void *context, MQTTAsync_successData5 *data)
{
    if ((int)data->reasonCode >= (int)MQTTREASONCODE_UNSPECIFIED_ERROR)
        publish_failed(context, (int)data->reasonCode);
    else
        published(context);
}

static void on_publish_failure5(void *context, MQTTAsync_failureData5 *data)
{
    publish_failed(context, (int)data->reasonCode);
}

static void on_published3(void *context, MQTTAsync_successData *data)
{
    (void)data;
    published(context);
}

static void on_publish_failure3(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    publish_failed(context, 0);
}

void kgr_link_publish_callbacks(struct kgr_link *link, MQTTAsync_responseOptions *options)
{
    options->context = link;
    if (link->broker.protocol == KGR_MQTT_5) {
        options->onSuccess5 = on_published5;
        options->onFailure5 = on_publish_failure5;
    } else {
        options->onSuccess = on_published3;
        options->onFailure = on_publish_failure3;
    }
}

/* Receiving */

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

enum kgr_error kgr_link_callbacks(struct kgr_link *link)
{
    enum kgr_error err = kgr_link_from_paho(
        "setCallbacks",
        MQTTAsync_setCallbacks(link->client, link, on_connection_lost, on_message, NULL));

    /* MQTT 3.1.1 has no DISCONNECT of the server's. */
    if (err == KGR_OK && link->broker.protocol == KGR_MQTT_5)
        err = kgr_link_from_paho(
            "setDisconnected", MQTTAsync_setDisconnected(link->client, link, on_server_disconnect));
    return err;
}
