/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/link_parts.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/mqtt/tls.h"

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
/* All of them need TLS 1.2; those of TLS 1.3 stand beside this list. The level shuts out short keys and SHA-1. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

enum kgr_error kgr_link_from_paho(const char *call, int rc)
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

/* Life */

static enum kgr_error create_client(struct kgr_link *link)
{
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    char broker[KGR_BROKER_TEXT_MAX + 1], client_id[32], uri[KGR_BROKER_TEXT_MAX + 8];
    uint8_t random[16];
    enum kgr_error err;

    (void)snprintf(uri, sizeof(uri), "%s://%s", link->broker.tls ? "ssl" : "tcp",
                   kgr_broker_text(broker, &link->broker));
    kgr_random(random, sizeof(random));
    kgr_base64url(client_id, random, sizeof(random));
    create.sendWhileDisconnected = 0;
    create.maxBufferedMessages = (int)link->max_outbox + 1;
    if (link->broker.protocol == KGR_MQTT_3_1_1)
        create.MQTTVersion = MQTTVERSION_3_1_1;
    /* Otherwise Paho keeps the first bytes of every message in its trace. */
    MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    kgr_tls_watch();
    err = kgr_link_from_paho("create", MQTTAsync_createWithOptions(&link->client, uri, client_id,
                                                                   MQTTCLIENT_PERSISTENCE_NONE,
                                                                   NULL, &create));
    return err == KGR_OK ? kgr_link_callbacks(link) : err;
}

enum kgr_error kgr_link_new(struct kgr_link **out, const struct kgr_link_options *options,
                            struct kgr_diag *diag)
{
    struct kgr_link *link = calloc(1, sizeof(*link));
    pthread_condattr_t attr;
    enum kgr_error err;

    if (link == NULL)
        return KGR_ERR_NO_MEMORY;
    atomic_init(&link->fd, -1);
    link->broker = *options->broker;
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
    err = create_client(link);
    if (err != KGR_OK) {
        kgr_link_free(link);
        return kgr_diag_set(diag, err, "cannot make an MQTT client for host %.100s",
                            options->broker->host);
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

static int add_limits(const struct kgr_link *link, MQTTProperties *properties)
{
    int rc = add_number(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM);

    if (rc == 0)
        rc = add_number(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE,
                        link->max_payload + PACKET_OVERHEAD);
    return rc;
}

/* Paho copies what it is given: the password then stands in its memory, see docs/threat-model.md. */
static int connect_with(struct kgr_link *link, const char *password, size_t password_len)
{
    MQTTAsync_connectOptions options5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions options3 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions *options = link->broker.protocol == KGR_MQTT_5 ? &options5 : &options3;
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    int rc = 0;

    if (link->broker.protocol == KGR_MQTT_5) {
        rc = add_limits(link, &properties);
        options->cleanstart = 1;
        options->connectProperties = &properties;
    } else {
        options->cleansession = 1;
        options->MQTTVersion = MQTTVERSION_3_1_1;
    }
    options->keepAliveInterval = link->keepalive_s;
    options->connectTimeout = link->connect_timeout_s;
    options->automaticReconnect = 0;
    options->maxInflight = (int)link->max_outbox;
    options->username = link->broker.user;
    if (password != NULL) {
        options->binarypwd.data = password;
        options->binarypwd.len = (int)password_len;
    }
    if (link->broker.tls) {
        tls.trustStore = link->broker.ca;
        tls.keyStore = link->broker.cert;
        tls.privateKey = link->broker.key;
        tls.enabledCipherSuites = TLS_CIPHERS;
        tls.enableServerCertAuth = 1;
        tls.verify = 1; /* the host's name too: not Paho's default */
        tls.disableDefaultTrustStore = 1;
        tls.ssl_error_cb = kgr_link_on_tls_error;
        tls.ssl_error_context = link;
        options->ssl = &tls;
    }
    kgr_link_connect_callbacks(link, options);
    if (rc == 0)
        rc = MQTTAsync_connect(link->client, options);
    MQTTProperties_free(&properties);
    return rc;
}

enum kgr_error kgr_link_connect(struct kgr_link *link, struct kgr_diag *diag)
{
    char *password = NULL;
    size_t len = 0;
    enum kgr_error err = kgr_broker_password(&link->broker, &password, &len, diag);

    if (err != KGR_OK)
        return err;
    link->tls_error[0] = '\0'; /* no attempt is under way */
    atomic_store(&link->tls_mark, kgr_tls_mark());
    atomic_fetch_add(&link->epoch, 1);
    atomic_store(&link->fd, -1);
    err = kgr_link_from_paho("connect", connect_with(link, password, len));
    kgr_secret_free(password);
    return err == KGR_OK ? err : kgr_diag_set(diag, err, "cannot begin to connect");
}

enum kgr_error kgr_link_disconnect(struct kgr_link *link)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;

    options.timeout = 0;
    kgr_link_disconnect_callbacks(link, &options);
    return kgr_link_from_paho("disconnect", MQTTAsync_disconnect(link->client, &options));
}

bool kgr_link_is_connected(struct kgr_link *link)
{
    return MQTTAsync_isConnected(link->client) != 0;
}

enum kgr_error kgr_link_subscribe(struct kgr_link *link, char *const *topics, size_t num)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    struct kgr_subscription *subscription;
    int qos[KGR_LINK_SUBSCRIBE_MAX];
    enum kgr_error err;

    if (num == 0 || num > KGR_LINK_SUBSCRIBE_MAX)
        return KGR_ERR_INVALID;
    subscription = malloc(sizeof(*subscription));
    if (subscription == NULL)
        return KGR_ERR_NO_MEMORY;
    *subscription = (struct kgr_subscription){link, atomic_load(&link->epoch), num};
    for (size_t i = 0; i < num; i++)
        qos[i] = QOS;
    kgr_link_subscribe_callbacks(subscription, &options);
    err = kgr_link_from_paho(
        "subscribe", MQTTAsync_subscribeMany(link->client, (int)num, topics, qos, &options));
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
    kgr_link_publish_callbacks(link, &options);
    /* Before the call: the acknowledgement may be here before it returns. */
    atomic_fetch_add(&link->outbox_len, 1);
    err = kgr_link_from_paho(
        "send", MQTTAsync_send(link->client, topic, (int)payload.len, payload.p, QOS, 0, &options));
    if (err != KGR_OK)
        atomic_fetch_sub(&link->outbox_len, 1);
    return err;
}

uint64_t kgr_link_publish_failures(const struct kgr_link *link)
{
    return atomic_load(&link->publish_failures);
}
