/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/broker.h"
#include "agent/node/service/service.h"
#include "agent/node/service/record.h"
#include "agent/seal/seal.h"
#include "agent/wire/ipc_data.h"

#include <stdlib.h>
#include <string.h>

/* send, and what arrives on the topics of messages (docs/protocol.md, section 8.1). */

/* Records of unknown value at the TPM, of all peers together: applications' jobs queue behind these at most. */
#define MAX_OPENING      8
#define OPENING_RETRY_MS 50

/* send */

static enum kgr_error no_broker(const struct kgr_service *service, struct kgr_diag *diag)
{
    char broker[KGR_BROKER_TEXT_MAX + 1];

    return kgr_diag_set(diag, KGR_ERR_BROKER,
                        "no connection to the broker %.100s; nothing is kept for later",
                        kgr_node_broker(service->node, broker));
}

static enum kgr_error finish_send(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_service *service = base->service;
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    err = kgr_record_write(job, &wr);
    if (err == KGR_OK)
        err = kgr_mqtt_publish(service->node->mqtt, kgr_topic_text(topic, job->topic),
                               kgr_wr_slice(&wr));
    if (err == KGR_ERR_BROKER)
        return no_broker(service, diag);
    if (err == KGR_ERR_BUSY)
        return kgr_diag_set(diag, err, "the connection to the broker takes no more for now");
    if (err != KGR_OK)
        return err;
    service->messages_sent++;
    kgr_service_ok(service, base->call, kgr_slice(NULL, 0));
    return KGR_OK;
}

static enum kgr_error find_send_key(struct kgr_service *service, struct kgr_pair **out_pair,
                                    struct kgr_ring_key **out_key, const struct kgr_nid *peer,
                                    struct kgr_diag *diag)
{
    enum kgr_error err =
        kgr_service_find_key(service, out_pair, out_key, peer, 0, KGR_USE_SEND, diag);

    if (err == KGR_OK && !(*out_key)->has_send_topic)
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s: where it listens is not known", peer->s);
    /* Asked before, for a record that cannot leave has spent its sequence number and the TPM's time. */
    if (err == KGR_OK && !kgr_mqtt_is_ready(service->node->mqtt))
        return no_broker(service, diag);
    return err;
}

void kgr_service_send(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_send asked;
    struct kgr_ipc_seal seal = {.stored = false};
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct kgr_record_job *job;
    enum kgr_error err;

    if (kgr_ipc_send_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_SEND))
        return;
    err = find_send_key(service, &pair, &key, &asked.peer, &diag);
    if (err == KGR_OK)
        err = kgr_service_spend(service, &asked.peer, key->generation,
                                kgr_budget_blocks_sealed(asked.data.len), KGR_USE_SEND, &diag);
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.peer, err, &diag);
        return;
    }
    job = kgr_service_job_new(service, request->call, kgr_record_seal_size(asked.data.len));
    if (job == NULL)
        return;
    seal.peer = asked.peer;
    seal.data = asked.data;
    err = kgr_record_set_seal(job, pair, key, &seal, true);
    job->job.finish = finish_send;
    memcpy(job->topic, key->send_topic, KGR_TOPIC_LEN);
    if (err == KGR_OK)
        kgr_service_job_start(&job->job);
    else
        kgr_service_job_fail(&job->job, err, NULL);
}

/* Arrivals */

static const char *const causes[KGR_REFUSAL_COUNT] = {
    [KGR_REFUSAL_RETAINED] = "retained", [KGR_REFUSAL_SIZE] = "size",
    [KGR_REFUSAL_FORMAT] = "format",     [KGR_REFUSAL_KEY] = "key",
    [KGR_REFUSAL_STATE] = "state",       [KGR_REFUSAL_REPLAY] = "replay",
    [KGR_REFUSAL_FULL] = "full",         [KGR_REFUSAL_TAG] = "tag",
};

static void refuse(struct kgr_service *service, enum kgr_refusal cause, const struct kgr_nid *peer)
{
    service->messages_refused[cause]++;
    if (kgr_bucket_take(&service->refusal_log, kgr_clock_boot_ms()))
        kgr_warn("message_refused", "cause=%s peer=%s", causes[cause], peer->s);
}

static void tell_count(struct kgr_service *service, enum kgr_event_type type,
                       const struct kgr_pair *pair, uint64_t count)
{
    struct kgr_node_event event = {.type = type, .peer = pair->ex.s.peer, .count = count};

    kgr_service_emit(service, &event);
}

static struct kgr_pair *find_arrival(struct kgr_service *service, const struct kgr_record_job *job)
{
    struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, &job->peer);
    const struct kgr_mailbox_item *item =
        pair == NULL || pair->mailbox == NULL ? NULL : kgr_mailbox_sealed(pair->mailbox);

    return item != NULL && item->arrival == job->arrival ? pair : NULL;
}

static enum kgr_error run_arrival(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                  struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    enum kgr_error err = kgr_record_run_open(base, tpm, diag);

    job->cause = err == KGR_ERR_CORRUPT ? KGR_REFUSAL_TAG : KGR_REFUSAL_STATE;
    return err;
}

static enum kgr_error finish_arrival(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_service *service = base->service;
    struct kgr_pair *pair = find_arrival(service, job);
    enum kgr_error err;
    bool was_empty;

    if (pair == NULL)
        return KGR_ERR_NO_KEY;
    /* The padding leaves a few bytes of doubt until here. */
    if (job->out_len > KGR_RECORD_PLAIN_MAX) {
        job->cause = KGR_REFUSAL_SIZE;
        return KGR_ERR_TOO_LARGE;
    }
    err = kgr_record_accept(job, diag);
    if (err != KGR_OK) {
        job->cause = err == KGR_ERR_REPLAY   ? KGR_REFUSAL_REPLAY
                     : err == KGR_ERR_NO_KEY ? KGR_REFUSAL_KEY
                                             : KGR_REFUSAL_STATE;
        return err;
    }
    was_empty = kgr_mailbox_num_opened(pair->mailbox) == 0;
    kgr_mailbox_accept(pair->mailbox, kgr_slice(job->out, job->out_len));
    job->accepted = true;
    service->messages_accepted++;
    kgr_mailbox_set_busy(pair->mailbox, false);
    kgr_service_wake_receivers(service);
    if (was_empty && kgr_mailbox_num_opened(pair->mailbox) > 0)
        tell_count(service, KGR_EVENT_MESSAGE, pair, kgr_mailbox_num_opened(pair->mailbox));
    return KGR_OK;
}

/* find_open finds the key for a record that came on the topic of generation; otherwise out_cause says why it is refused. */
static bool find_open(struct kgr_service *service, const struct kgr_nid *peer, uint64_t generation,
                      const struct kgr_record *record, struct kgr_pair **out_pair,
                      struct kgr_ring_key **out_key, enum kgr_refusal *out_cause)
{
    const struct kgr_record_header *h = &record->header;
    struct kgr_pair_records *records;
    struct kgr_diag diag = {{0}};
    enum kgr_error err =
        kgr_service_find_key(service, out_pair, out_key, peer, generation, KGR_USE_RECEIVE, &diag);

    *out_cause = KGR_REFUSAL_KEY;
    if (err != KGR_OK) {
        if (err != KGR_ERR_UNKNOWN_PEER)
            *out_cause = KGR_REFUSAL_STATE;
        return false;
    }
    records = kgr_pair_find_records(*out_pair, generation);
    if (records == NULL || h->generation != generation || h->role == (*out_key)->own_role ||
        h->suite != (uint8_t)(*out_key)->suite)
        return false;
    *out_cause = KGR_REFUSAL_REPLAY;
    return kgr_record_recv_check(&records->recv, h->sequence) == KGR_OK;
}

static void open_next(struct kgr_service *service, struct kgr_pair *pair, uint64_t now_ms);

static void open_all(struct kgr_service *service, uint64_t now_ms)
{
    const struct kgr_pairs *pairs = &service->node->pairs;

    if (service->pool.num_sealed == 0)
        return;
    service->more_to_open = false;
    for (size_t i = 0; i < pairs->num; i++)
        open_next(service, pairs->list[i], now_ms);
}

static void release_arrival(struct kgr_service_job *base)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_service *service = base->service;
    struct kgr_pair *pair = find_arrival(service, job);
    uint64_t now = kgr_clock_boot_ms();

    service->num_opening--;
    if (!job->accepted && pair != NULL) {
        kgr_mailbox_set_busy(pair->mailbox, false);
        if (job->cause == KGR_REFUSAL_TAG)
            kgr_mailbox_charge(pair->mailbox, job->in_len, now);
        refuse(service, job->cause, &job->peer);
        kgr_mailbox_refuse(pair->mailbox);
    }
    if (service->more_to_open)
        open_all(service, now);
    else if ((pair = kgr_pairs_find(&service->node->pairs, &job->peer)) != NULL)
        open_next(service, pair, now);
}

/* open_first hands the first sealed record to the TPM; KGR_ERR_BUSY when that takes no more, other errors refuse it. */
static enum kgr_error open_first(struct kgr_service *service, struct kgr_pair *pair,
                                 const struct kgr_mailbox_item *item, enum kgr_refusal *out_cause)
{
    struct kgr_ipc_seal open = {.peer = pair->ex.s.peer};
    struct kgr_ring_key *key = NULL;
    struct kgr_record_job *job;
    struct kgr_record record;
    struct kgr_call nobody = {0};

    *out_cause = KGR_REFUSAL_FORMAT;
    if (kgr_record_decode(&record, kgr_slice(item->bytes, item->len)) != KGR_OK)
        return KGR_ERR_CORRUPT;
    if (!find_open(service, &open.peer, item->generation, &record, &pair, &key, out_cause))
        return KGR_ERR_STATE;
    job = kgr_service_job_new(service, nobody, kgr_record_open_size(&record));
    if (job == NULL)
        return KGR_ERR_BUSY;
    kgr_record_set_open(job, pair, key, &open, &record);
    job->job.run = run_arrival;
    job->job.finish = finish_arrival;
    job->job.release = release_arrival;
    job->arrival = item->arrival;
    job->cause = KGR_REFUSAL_STATE;
    if (!kgr_service_job_try(&job->job, NULL))
        return KGR_ERR_BUSY;
    service->num_opening++;
    kgr_mailbox_set_busy(pair->mailbox, true);
    return KGR_OK;
}

static void open_next(struct kgr_service *service, struct kgr_pair *pair, uint64_t now_ms)
{
    struct kgr_mailbox *box = pair->mailbox;
    const struct kgr_mailbox_item *item;

    while (box != NULL && (item = kgr_mailbox_sealed(box)) != NULL && !kgr_mailbox_is_busy(box) &&
           now_ms >= kgr_mailbox_ready_ms(box)) {
        enum kgr_refusal cause;
        enum kgr_error err;

        if (service->num_opening >= MAX_OPENING) {
            service->more_to_open = true;
            return;
        }
        err = open_first(service, pair, item, &cause);
        if (err == KGR_ERR_BUSY) {
            service->opening_retry_ms = now_ms + OPENING_RETRY_MS;
            return;
        }
        if (err != KGR_OK) {
            refuse(service, cause, &pair->ex.s.peer);
            kgr_mailbox_refuse(box);
        }
    }
}

/* Whether a payload can be a message at all: what the topic need not tell. */
static bool parse(struct kgr_record *out, struct kgr_slice payload, enum kgr_refusal *out_cause)
{
    *out_cause = KGR_REFUSAL_SIZE;
    if (payload.len > kgr_record_len(KGR_SUITE_AES256_SHA384, KGR_RECORD_PLAIN_MAX))
        return false;
    *out_cause = KGR_REFUSAL_FORMAT;
    return kgr_record_decode(out, payload) == KGR_OK && out->header.message;
}

bool kgr_service_arrive(struct kgr_service *service, const char *topic, struct kgr_slice payload)
{
    const struct kgr_route *route = kgr_routes_find(&service->routes, topic);
    uint64_t now = kgr_clock_boot_ms();
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    enum kgr_refusal cause;
    struct kgr_record record;
    enum kgr_error err = KGR_OK;

    if (route == NULL)
        return false;
    if (!parse(&record, payload, &cause) ||
        !find_open(service, &route->peer, route->generation, &record, &pair, &key, &cause)) {
        refuse(service, cause, &route->peer);
        return true;
    }
    if (pair->mailbox == NULL)
        err = kgr_mailbox_new(&pair->mailbox, &service->pool, now);
    if (err == KGR_OK)
        err = kgr_mailbox_hold(pair->mailbox, record.header.generation, record.header.sequence,
                               payload);
    if (err == KGR_OK) {
        open_next(service, pair, now);
        return true;
    }
    refuse(service, KGR_REFUSAL_FULL, &route->peer);
    if (pair->mailbox != NULL)
        tell_count(service, KGR_EVENT_OVERFLOW, pair, kgr_mailbox_num_dropped(pair->mailbox));
    return true;
}

/* Topics */

void kgr_service_listen(struct kgr_service *service, const struct kgr_nid *peer,
                        const struct kgr_ring_key *key)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = kgr_routes_add(&service->routes, kgr_topic_text(topic, key->receive_topic),
                                        peer, key->generation);

    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(service->node->mqtt, topic);
    if (err != KGR_OK && err != KGR_ERR_EXISTS)
        kgr_error_log("not_listening", "peer=%s generation=%llu reason=\"%s\"", peer->s,
                      (unsigned long long)key->generation, kgr_strerror(err));
}

void kgr_service_unlisten(struct kgr_service *service, const struct kgr_ring_key *key)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    const struct kgr_route *route =
        kgr_routes_find(&service->routes, kgr_topic_text(topic, key->receive_topic));

    if (route == NULL || route->generation != key->generation)
        return;
    kgr_routes_remove(&service->routes, topic);
    kgr_mqtt_unsubscribe(service->node->mqtt, topic);
}

/* Life */

void kgr_service_limit_messages(struct kgr_service *service)
{
    const struct kgr_settings *settings = service->node->settings;

    service->pool.limits = (struct kgr_mailbox_limits){
        .messages = settings->inbox_messages,
        .bytes = settings->inbox_bytes,
        .total_bytes = settings->inbox_total,
    };
}

void kgr_service_init_messages(struct kgr_service *service)
{
    struct kgr_ring *ring = service->node->pairs.ring;

    kgr_service_limit_messages(service);
    kgr_bucket_init(&service->refusal_log, 1, 10, kgr_clock_boot_ms());
    for (size_t i = 0; i < kgr_ring_num_peers(ring); i++)
        for (int place = 0; place < KGR_RING_NUM_PLACES; place++) {
            const struct kgr_nid *peer = kgr_ring_peer(ring, i);
            const struct kgr_ring_key *key = kgr_ring_at(ring, peer, (enum kgr_ring_place)place);

            if (key != NULL)
                kgr_service_listen(service, peer, key);
        }
}

void kgr_service_free_messages(struct kgr_service *service)
{
    const struct kgr_pairs *pairs = &service->node->pairs;

    for (size_t i = 0; i < pairs->num; i++) {
        kgr_mailbox_free(pairs->list[i]->mailbox);
        pairs->list[i]->mailbox = NULL;
    }
    kgr_routes_deinit(&service->routes);
}

uint64_t kgr_service_message_deadline(const struct kgr_service *service)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    uint64_t deadline = UINT64_MAX;

    if (service->pool.num_sealed == 0)
        return deadline;
    for (size_t i = 0; i < pairs->num; i++) {
        const struct kgr_mailbox *box = pairs->list[i]->mailbox;
        uint64_t ready;

        if (box == NULL || kgr_mailbox_sealed(box) == NULL || kgr_mailbox_is_busy(box) ||
            service->num_opening >= MAX_OPENING)
            continue;
        ready = kgr_mailbox_ready_ms(box);
        ready = ready > service->opening_retry_ms ? ready : service->opening_retry_ms;
        deadline = ready < deadline ? ready : deadline;
    }
    return deadline;
}

void kgr_service_message_timer(struct kgr_service *service, uint64_t now_ms)
{
    open_all(service, now_ms);
}

uint64_t kgr_service_num_refused(const struct kgr_service *service, enum kgr_refusal cause)
{
    uint64_t num = service->messages_refused[cause];
    struct kgr_mqtt_stats stats;

    if (service->node->mqtt == NULL)
        return num; /* revoked */
    kgr_mqtt_stats(service->node->mqtt, &stats);
    if (cause == KGR_REFUSAL_RETAINED)
        num += stats.dropped_retained;
    else if (cause == KGR_REFUSAL_SIZE)
        num += stats.dropped_oversize;
    else if (cause == KGR_REFUSAL_FULL)
        num += stats.dropped_full;
    return num;
}
