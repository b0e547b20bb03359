/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/mqtt_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/authority/ac.h"
#include "agent/authority/errand.h"
#include "agent/authority/frames.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/wire/body_exchange.h"

struct link {
    struct kgr_ac *ac;
    struct kgr_brokers brokers;
    struct kgr_ac_broker room; /* for a host among these */
    struct kgr_ac_frames frames;
    struct kgr_mqtt *mqtt;
    int wakeup; /* eventfd, written by Paho's threads */
    struct kgr_errand errand;
    uint8_t xid[KGR_XID_LEN];
    struct kgr_slice order;
    char lost[160]; /* why there is no connection */
    uint8_t *out;
    size_t out_len;
    uint8_t type; /* of the answer */
    enum kgr_error err;
    struct kgr_diag *diag;
    bool over;
};

static void notify(void *arg)
{
    const uint64_t one = 1;
    const struct link *link = arg;
    ssize_t n = write(link->wakeup, &one, sizeof one); /* full means that it is awake anyway */
    (void)n;
}

static void fail(struct link *link, enum kgr_error err)
{
    link->err = err;
    link->over = true;
}

static void send_frame(struct link *link)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1], broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_wr wr;
    uint8_t *bytes = malloc(KGR_FRAME_MAX);
    enum kgr_error err = bytes == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    kgr_wr_init(&wr, bytes, KGR_FRAME_MAX);
    if (err == KGR_OK)
        err = kgr_ac_frames_seal(&link->frames, &wr, link->xid, link->order, link->diag);
    if (err != KGR_OK) {
        fail(link, err);
    } else {
        kgr_info("order", "via=broker broker=%s attempt=%u",
                 kgr_broker_text(broker, kgr_mqtt_broker(link->mqtt)), link->errand.sent);
        err = kgr_mqtt_publish(link->mqtt, kgr_topic_text(topic, link->frames.nksk->topic1),
                               kgr_wr_slice(&wr));
        if (err != KGR_OK) /* the next attempt may go out */
            kgr_info("order", "via=broker attempt=%u lost=\"%s\"", link->errand.sent,
                     kgr_strerror(err));
    }
    free(bytes);
}

static void give_up(struct link *link)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    (void)kgr_broker_text(broker, kgr_mqtt_broker(link->mqtt));
    if (link->errand.sent == 0)
        (void)kgr_diag_set(link->diag, KGR_ERR_TIMEOUT,
                           "no connection to the broker %.80s within %u s (%s); nothing was asked",
                           broker, link->ac->settings->timeout_s,
                           link->lost[0] != '\0' ? link->lost : "no answer");
    else
        (void)kgr_diag_set(
            link->diag, KGR_ERR_TIMEOUT,
            "no answer from the key server over the broker %.80s within %u s; it may "
            "still do what it was asked: give the same command again",
            broker, link->ac->settings->timeout_s);
    fail(link, KGR_ERR_TIMEOUT);
}

static void step(struct link *link, enum kgr_errand_event event)
{
    uint32_t jitter;
    kgr_random(&jitter, sizeof jitter);
    switch (kgr_errand_step(&link->errand, event, kgr_clock_boot_ms(), jitter)) {
    case KGR_ERRAND_DO_NOTHING:
        break;
    case KGR_ERRAND_DO_SEND:
        send_frame(link);
        break;
    case KGR_ERRAND_DO_FINISH:
        link->over = true;
        break;
    case KGR_ERRAND_DO_GIVE_UP:
        give_up(link);
        break;
    }
}

static void on_ready(void *arg)
{
    step(arg, KGR_ERRAND_CONNECTED);
}

static void on_lost(void *arg, const char *reason)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct link *link = arg;
    snprintf(link->lost, sizeof link->lost, "%s", reason);
    kgr_info("broker", "broker=%s state=lost reason=\"%s\"",
             kgr_broker_text(broker, kgr_mqtt_broker(link->mqtt)), reason);
    step(link, KGR_ERRAND_LOST);
}

static void on_message(void *arg, const char *topic, struct kgr_slice payload)
{
    struct link *link = arg;
    struct kgr_diag ignored = {{0}};
    (void)topic; /* the topic of arrival decides nothing */
    if (link->over)
        return;
    enum kgr_error err = kgr_ac_frames_unseal(&link->frames, link->out, &link->out_len, &link->type,
                                              link->xid, payload, &ignored);
    if (err == KGR_OK) {
        step(link, KGR_ERRAND_ANSWERED);
    } else if (err != KGR_ERR_CORRUPT && err != KGR_ERR_REPLAY) {
        (void)kgr_diag_set(link->diag, err, "%s", kgr_diag_text(&ignored, err));
        fail(link, err);
    }
}

static enum kgr_error open_link(struct link *link, struct kgr_diag *diag)
{
    const struct kgr_mqtt_options options = {.brokers = &link->brokers,
                                             .max_payload = KGR_FRAME_MAX};
    const struct kgr_mqtt_callbacks callbacks = {.notify = notify,
                                                 .notify_arg = link,
                                                 .on_ready = on_ready,
                                                 .on_lost = on_lost,
                                                 .on_message = on_message,
                                                 .arg = link};
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    link->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->wakeup < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "eventfd: %s", strerror(errno));
    enum kgr_error err = kgr_ac_frames_open(&link->frames, link->ac, diag);
    if (err == KGR_OK)
        err = kgr_mqtt_new(&link->mqtt, &options, &callbacks, diag);
    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(link->mqtt, kgr_topic_text(topic, link->frames.nksk->topic2));
    return err;
}

static void wait_for_more(const struct link *link, uint64_t deadline)
{
    struct pollfd pfd = {.fd = link->wakeup, .events = POLLIN};
    uint64_t now = kgr_clock_boot_ms(), woken;
    uint64_t left = deadline > now ? deadline - now : 0;
    /* Interrupted or timed out: what is due is found out by the caller either way. */
    if (poll(&pfd, 1, left > 10000 ? 10000 : (int)left) > 0) {
        ssize_t n = read(link->wakeup, &woken, sizeof woken);
        (void)n;
    }
}

static void run(struct link *link)
{
    kgr_errand_begin(&link->errand, kgr_clock_boot_ms(), link->ac->settings->timeout_s * 1000u);
    kgr_mqtt_start(link->mqtt);
    while (!link->over) {
        uint64_t mqtt = kgr_mqtt_drain(link->mqtt), errand;
        if (link->over)
            break;
        step(link, KGR_ERRAND_TIMER);
        errand = kgr_errand_deadline(&link->errand);
        if (!link->over)
            wait_for_more(link, mqtt < errand ? mqtt : errand);
    }
}

/* A nack says no more than that the KS does not take the order from this AC. */
static enum kgr_error take_answer(struct link *link, struct kgr_diag *diag)
{
    struct kgr_nack nack;
    if (link->type == KGR_FRAME_RESULT)
        return KGR_OK;
    if (kgr_nack_decode(&nack, kgr_slice(link->out, link->out_len)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's answer is malformed");
    return kgr_diag_set(
        diag, KGR_ERR_NOT_AUTHORIZED,
        "the key server does not take the order: it is not signed by the AC that it "
        "obeys");
}

enum kgr_error kgr_mqtt_link_order(struct kgr_ac *ac, uint8_t *out, size_t *out_len,
                                   bool *out_retried, struct kgr_slice order, struct kgr_diag *diag)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    link->ac = ac;
    link->order = order;
    link->out = out;
    link->diag = diag;
    link->wakeup = -1;
    kgr_random(link->xid, sizeof link->xid);
    enum kgr_error err = kgr_ac_brokers(ac, &link->brokers, &link->room, diag);
    if (err == KGR_OK)
        err = open_link(link, diag);
    if (err == KGR_OK) {
        run(link);
        err = link->err == KGR_OK ? take_answer(link, diag) : link->err;
        *out_len = link->out_len;
        *out_retried = link->errand.sent > 1;
    }
    kgr_mqtt_free(link->mqtt);
    kgr_ac_frames_close(&link->frames);
    if (link->wakeup >= 0)
        close(link->wakeup);
    free(link);
    return err;
}
