/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/node.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/audit.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/node/service/service.h"
#include "agent/wire/body_exchange.h"

#include <stdlib.h>
#include <string.h>

/* The largest body that a node sends in an exchange. */
#define BODY_MAX 512

/* Sending */

static enum kgr_error encode(struct kgr_wr *wr, const struct kgr_pair *pair,
                             const struct kgr_exchange_action *action)
{
    const struct kgr_exchange_state *s = &pair->ex.s;
    const struct kgr_exchange_offer *offer = action->offer;
    struct kgr_exchange_head head = {
        .nid1 = action->requester ? s->self : s->peer,
        .nid2 = action->requester ? s->peer : s->self,
    };

    if (offer != NULL) {
        memcpy(head.pxid, offer->pxid, KGR_XID_LEN);
        head.generation = offer->generation;
    }
    switch (action->frame) {
    case KGR_FRAME_KEY_REQ: {
        struct kgr_key_req req = {.nid1 = head.nid1,
                                  .nid2 = head.nid2,
                                  .highest = action->highest,
                                  .cause = action->cause};

        memcpy(req.topic3, action->topic, KGR_TOPIC_LEN);
        return kgr_key_req_encode(wr, &req);
    }
    case KGR_FRAME_ADV_ANS: {
        struct kgr_adv_ans ans = {.head = head, .kc = kgr_slice(offer->kc_own, offer->kc_len)};

        memcpy(ans.topic4, offer->topic_own, KGR_TOPIC_LEN);
        return kgr_adv_ans_encode(wr, &ans);
    }
    case KGR_FRAME_CONF_ANS: {
        struct kgr_conf_ans ans = {.head = head, .kc = kgr_slice(offer->kc_own, offer->kc_len)};

        return kgr_conf_ans_encode(wr, &ans);
    }
    default: {
        struct kgr_nack nack = {.type = action->refused_type,
                                .sequence = action->refused_sequence,
                                .reason = action->reason,
                                .generation = action->generation};

        return kgr_nack_encode(wr, &nack);
    }
    }
}

static void send(struct kgr_node *node, struct kgr_pair *pair,
                 const struct kgr_exchange_action *action)
{
    uint8_t body[BODY_MAX];
    struct kgr_wr wr;
    uint64_t sequence = 0;
    enum kgr_error err;

    if (!node->synced)
        return; /* what is due is sent when the synchronisation is done */
    kgr_wr_init(&wr, body, sizeof(body));
    err = encode(&wr, pair, action);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NKSK, node->topic1, action->frame,
                              action->xid, kgr_wr_slice(&wr), &sequence);
    if (err == KGR_OK)
        kgr_exchange_sent(&pair->ex, sequence);
    else
        kgr_warn("frame_not_sent", "type=%u peer=%s reason=\"%s\"", action->frame,
                 pair->ex.s.peer.s, kgr_strerror(err));
    if (err == KGR_ERR_QUOTA) /* a new start takes a new epoch */
        kgr_node_stop(node, err);
}

/* Actions, first on disk, then in memory */

static enum kgr_error write_action(struct kgr_node *node, const struct kgr_pair *pair,
                                   const struct kgr_exchange_action *action, struct kgr_diag *diag)
{
    const struct kgr_nid *peer = &pair->ex.s.peer;

    switch (action->type) {
    case KGR_EXCHANGE_DO_STORE: {
        struct kgr_generation_row *row = calloc(1, sizeof(*row));
        enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

        if (err == KGR_OK) {
            row->peer = *peer;
            row->place = KGR_RING_CANDIDATE;
            row->offer = pair->ex.s.candidate;
            row->blobs = *pair->blobs;
            err = kgr_generation_insert(node->db, row, diag);
        }
        free(row);
        return err;
    }
    case KGR_EXCHANGE_DO_PROMOTE:
        return kgr_generation_promote(node->db, peer, &pair->ex.s.current, diag);
    case KGR_EXCHANGE_DO_DROP:
        return kgr_generation_erase(node->db, peer, KGR_RING_CANDIDATE, diag);
    case KGR_EXCHANGE_DO_DESTROY:
        return kgr_generation_erase_to(node->db, peer, action->generation, diag);
    case KGR_EXCHANGE_DO_PERSIST: {
        struct kgr_pair_row row;

        kgr_pair_row_of(pair, &row);
        return kgr_pair_save(node->db, &row, diag);
    }
    default:
        return KGR_OK;
    }
}

static bool has(const struct kgr_exchange_actions *actions, enum kgr_exchange_action_type type)
{
    for (size_t i = 0; i < actions->num; i++)
        if (actions->list[i].type == type)
            return true;
    return false;
}

static enum kgr_error record_action(struct kgr_node *node, const struct kgr_pair *pair,
                                    const struct kgr_exchange_action *action, struct kgr_diag *diag)
{
    const struct kgr_exchange_state *s = &pair->ex.s;

    switch (action->type) {
    case KGR_EXCHANGE_DO_STORE:
        return kgr_node_audit_pair(node, pair, s->candidate.generation, KGR_OK, "received", diag);
    case KGR_EXCHANGE_DO_PROMOTE:
        return kgr_node_audit_pair(node, pair, s->current.generation, KGR_OK, "in force", diag);
    case KGR_EXCHANGE_DO_DROP:
        return kgr_node_audit_pair(node, pair, pair->ex.offer.generation, KGR_ERR_FAILED, "dropped",
                                   diag);
    case KGR_EXCHANGE_DO_DESTROY:
        return kgr_node_audit_pair(node, pair, s->highest, KGR_OK, "destroyed", diag);
    default:
        return KGR_OK;
    }
}

/* What an operator must be able to prove of an exchange goes to the audit log with it. */
static enum kgr_error record(struct kgr_node *node, const struct kgr_pair *pair,
                             const struct kgr_exchange *before,
                             const struct kgr_exchange_actions *actions, struct kgr_diag *diag)
{
    const struct kgr_exchange_state *s = &pair->ex.s;
    enum kgr_error err = KGR_OK;

    if (s->phase == KGR_EXCHANGE_REQUESTING && before->s.phase != KGR_EXCHANGE_REQUESTING)
        err = kgr_node_audit_pair(node, pair, 0, KGR_OK, "begun", diag);
    for (size_t i = 0; i < actions->num && err == KGR_OK; i++)
        err = record_action(node, pair, &actions->list[i], diag);
    if (err == KGR_OK && s->phase == KGR_EXCHANGE_FAILED && before->s.phase != KGR_EXCHANGE_FAILED)
        err = kgr_node_audit_pair(node, pair, 0, s->error, "failed", diag);
    return err;
}

static enum kgr_error write_actions(struct kgr_node *node, struct kgr_pair *pair,
                                    const struct kgr_exchange *before,
                                    const struct kgr_exchange_actions *actions)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (!has(actions, KGR_EXCHANGE_DO_PERSIST))
        return KGR_OK;
    err = kgr_node_begin(node);
    if (err != KGR_OK)
        return err;
    for (size_t i = 0; i < actions->num && err == KGR_OK; i++)
        err = write_action(node, pair, &actions->list[i], &diag);
    if (err == KGR_OK)
        err = record(node, pair, before, actions, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "pair", err, &diag);
        return err;
    }
    err = kgr_node_commit(node);
    /* A destroyed key shall not stay readable in the log of the database. */
    if (err == KGR_OK &&
        (has(actions, KGR_EXCHANGE_DO_DROP) || has(actions, KGR_EXCHANGE_DO_PROMOTE) ||
         has(actions, KGR_EXCHANGE_DO_DESTROY)) &&
        kgr_db_checkpoint(node->db, &diag) != KGR_OK)
        kgr_warn("checkpoint_failed", "reason=\"%s\"", kgr_diag_text(&diag, KGR_ERR_IO));
    return err;
}

static void store_candidate(struct kgr_node *node, struct kgr_pair *pair)
{
    struct kgr_ring_key *key = pair->staged;
    enum kgr_error err = key == NULL ? KGR_ERR_STATE : KGR_OK;

    if (err == KGR_OK) {
        memcpy(key->kc_own, pair->ex.s.candidate.kc_own, KGR_HASH_MAX);
        err = kgr_ring_put(node->pairs.ring, &pair->ex.s.peer, KGR_RING_CANDIDATE, key);
    }
    if (err != KGR_OK) {
        kgr_error_log("candidate_lost", "peer=%s reason=\"%s\"", pair->ex.s.peer.s,
                      kgr_strerror(err));
        return;
    }
    pair->staged = NULL;
    free(pair->blobs);
    pair->blobs = NULL;
    if (node->service != NULL)
        kgr_service_listen(node->service, &pair->ex.s.peer, key);
    if (kgr_pair_add_records(pair, key->generation) == NULL)
        kgr_error_log("records_lost", "peer=%s generation=%llu", pair->ex.s.peer.s,
                      (unsigned long long)key->generation);
    if (pair->status == KGR_PAIR_UNNAMED)
        pair->status = KGR_PAIR_ALLOWED; /* the KS gave a key for it */
}

/*
 * After a promotion a node synchronises: it tells the KS what it uses, and hears how old that is. The requester
 * comes later, and hears so what its peer uses.
 */
static void want_sync(struct kgr_node *node, bool requester)
{
    uint32_t jitter;

    kgr_random(&jitter, sizeof(jitter));
    kgr_sync_want(&node->sync, kgr_clock_boot_ms() + (requester ? 6000 : 1000) + jitter % 2000);
}

static void promote(struct kgr_node *node, struct kgr_pair *pair)
{
    const struct kgr_exchange_offer *offer = &pair->ex.s.current;
    struct kgr_ring_key *dropped = NULL;
    struct kgr_ring_key *key;
    enum kgr_error err =
        kgr_ring_promote(node->pairs.ring, &dropped, &pair->ex.s.peer, offer->generation);

    if (err != KGR_OK) {
        kgr_error_log("candidate_lost", "peer=%s reason=\"%s\"", pair->ex.s.peer.s,
                      kgr_strerror(err));
        return;
    }
    key = kgr_ring_at(node->pairs.ring, &pair->ex.s.peer, KGR_RING_CURRENT);
    key->has_send_topic = true;
    memcpy(key->send_topic, offer->topic_peer, KGR_TOPIC_LEN);
    memcpy(key->kc_own, offer->kc_own, KGR_HASH_MAX);
    if (dropped != NULL)
        kgr_pair_drop_records(pair, dropped->generation);
    kgr_exchange_bury(node, dropped);
    /* nnsk_done says that the requester has gone on. */
    if (!offer->requester)
        kgr_renewal_peer_sends(pair, offer->generation);
    want_sync(node, offer->requester);
    node->stats.exchanges_done++;
    if (offer->requester)
        kgr_histogram_add(&node->stats.durations, kgr_clock_boot_ms() - pair->requested_ms);
    kgr_info("key_ready", "peer=%s generation=%llu", pair->ex.s.peer.s,
             (unsigned long long)offer->generation);
}

static void drop_candidate(struct kgr_node *node, struct kgr_pair *pair)
{
    struct kgr_ring_key *key =
        kgr_ring_take(node->pairs.ring, &pair->ex.s.peer, KGR_RING_CANDIDATE);

    if (key != NULL)
        kgr_pair_drop_records(pair, key->generation);
    kgr_exchange_bury(node, key);
}

static void destroy(struct kgr_node *node, struct kgr_pair *pair, uint64_t generation)
{
    for (size_t place = 0; place < KGR_RING_NUM_PLACES; place++) {
        const struct kgr_nid *peer = &pair->ex.s.peer;
        struct kgr_ring_key *key = kgr_ring_at(node->pairs.ring, peer, (enum kgr_ring_place)place);

        if (key == NULL || key->generation > generation)
            continue;
        key = kgr_ring_take(node->pairs.ring, peer, (enum kgr_ring_place)place);
        kgr_pair_drop_records(pair, key->generation);
        kgr_info("key_destroyed", "peer=%s generation=%llu", peer->s,
                 (unsigned long long)key->generation);
        kgr_exchange_bury(node, key);
    }
}

static void notify(struct kgr_node *node, struct kgr_pair *pair)
{
    const struct kgr_exchange_state *s = &pair->ex.s;

    if (s->error != KGR_OK)
        kgr_warn("exchange_failed", "peer=%s error=%d reason=\"%s\"", s->peer.s, (int)s->error,
                 kgr_strerror(s->error));
    else
        kgr_info("exchange", "peer=%s phase=%s generation=%llu", s->peer.s,
                 kgr_exchange_phase_name(s->phase), (unsigned long long)s->current.generation);
    if (node->service != NULL)
        kgr_service_pair_changed(node->service, pair);
}

static void run_action(struct kgr_node *node, struct kgr_pair *pair,
                       const struct kgr_exchange_action *action, const struct kgr_key_ans *keys)
{
    switch (action->type) {
    case KGR_EXCHANGE_DO_SEND:
        send(node, pair, action);
        break;
    case KGR_EXCHANGE_DO_IMPORT:
        kgr_exchange_import(node, pair, keys);
        break;
    case KGR_EXCHANGE_DO_KC:
        kgr_exchange_confirm(node, pair);
        break;
    case KGR_EXCHANGE_DO_STORE:
        store_candidate(node, pair);
        break;
    case KGR_EXCHANGE_DO_PROMOTE:
        promote(node, pair);
        break;
    case KGR_EXCHANGE_DO_DROP:
        drop_candidate(node, pair);
        break;
    case KGR_EXCHANGE_DO_DISCARD:
        kgr_exchange_bury(node, pair->staged);
        pair->staged = NULL;
        free(pair->blobs);
        pair->blobs = NULL;
        break;
    case KGR_EXCHANGE_DO_DESTROY:
        destroy(node, pair, action->generation);
        break;
    case KGR_EXCHANGE_DO_NOTIFY:
        notify(node, pair);
        break;
    case KGR_EXCHANGE_DO_ALARM:
        kgr_node_alarm(node, "key confirmation with %s failed: generation %llu destroyed",
                       pair->ex.s.peer.s, (unsigned long long)pair->ex.offer.generation);
        break;
    case KGR_EXCHANGE_DO_IGNORED:
        kgr_debug("frame_ignored", "peer=%s phase=%s", pair->ex.s.peer.s,
                  kgr_exchange_phase_name(pair->ex.s.phase));
        break;
    case KGR_EXCHANGE_DO_PERSIST:
        break;
    }
}

static bool answers_job(enum kgr_exchange_event_type type)
{
    return type == KGR_EXCHANGE_IMPORTED || type == KGR_EXCHANGE_IMPORT_FAILED ||
           type == KGR_EXCHANGE_KC || type == KGR_EXCHANGE_KC_FAILED;
}

enum kgr_error kgr_exchange_run(struct kgr_node *node, struct kgr_pair *pair,
                                struct kgr_exchange_event *event, const struct kgr_key_ans *keys)
{
    struct kgr_exchange *before = malloc(sizeof(*before));
    struct kgr_exchange_actions *actions = malloc(sizeof(*actions));
    enum kgr_error err = before == NULL || actions == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        event->now_ms = kgr_clock_boot_ms();
        kgr_random(&event->jitter, sizeof(event->jitter));
        *before = pair->ex;
        kgr_exchange_step(&pair->ex, event, actions);
        err = write_actions(node, pair, before, actions);
        if (err != KGR_OK) {
            /* As if the event had been lost; but what answers a job will never come again. */
            pair->ex = *before;
            if (answers_job(event->type))
                pair->ex.job = KGR_EXCHANGE_JOB_NONE;
        }
    }
    if (err == KGR_OK && pair->ex.s.phase == KGR_EXCHANGE_FAILED &&
        before->s.phase != KGR_EXCHANGE_FAILED && pair->ex.s.error < KGR_ERR_COUNT)
        node->stats.exchanges_failed[pair->ex.s.error]++;
    for (size_t i = 0; err == KGR_OK && i < actions->num; i++)
        run_action(node, pair, &actions->list[i], keys);
    kgr_renewal_look(pair);
    free(actions);
    free(before);
    return err;
}

/* is_idle: nothing is known or held of the pair but that somebody here asked for it in vain. */
static bool is_idle(const struct kgr_node *node, const struct kgr_pair *pair)
{
    return pair->status == KGR_PAIR_UNNAMED && pair->jobs == 0 && pair->staged == NULL &&
           (pair->ex.s.phase == KGR_EXCHANGE_IDLE || pair->ex.s.phase == KGR_EXCHANGE_FAILED) &&
           kgr_ring_receiving(node->pairs.ring, &pair->ex.s.peer, 0) == NULL &&
           kgr_ring_at(node->pairs.ring, &pair->ex.s.peer, KGR_RING_CANDIDATE) == NULL;
}

void kgr_exchange_forget_idle(struct kgr_node *node)
{
    size_t i = 0;

    while (i < node->pairs.num) {
        struct kgr_pair *pair = node->pairs.list[i];
        struct kgr_diag diag = {{0}};
        enum kgr_error err;

        if (!is_idle(node, pair)) {
            i++;
            continue;
        }
        err = kgr_pair_erase(node->db, &pair->ex.s.peer, &diag);
        if (err != KGR_OK) {
            kgr_error_log("state_not_written", "what=pair reason=\"%s\"",
                          kgr_diag_text(&diag, err));
            return;
        }
        kgr_pairs_remove(&node->pairs, pair);
    }
}

/* Events */

enum kgr_error kgr_exchange_request(struct kgr_node *node, struct kgr_pair *pair, uint8_t cause,
                                    bool renew)
{
    uint8_t xid[KGR_XID_LEN];
    uint8_t topic[KGR_TOPIC_LEN];
    struct kgr_exchange_event event = {
        .type = KGR_EXCHANGE_REQUEST,
        .fresh_xid = xid,
        .fresh_topic = topic,
        .cause = cause,
        .renew = renew,
    };

    kgr_random(xid, sizeof(xid));
    kgr_random(topic, sizeof(topic));
    if (pair->ex.s.phase == KGR_EXCHANGE_IDLE || pair->ex.s.phase == KGR_EXCHANGE_FAILED) {
        pair->requested_ms = kgr_clock_boot_ms();
        pair->told_busy = false;
    }
    return kgr_exchange_run(node, pair, &event, NULL);
}

void kgr_exchange_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    uint8_t xid[KGR_XID_LEN];
    uint8_t topic[KGR_TOPIC_LEN];

    for (size_t i = 0; i < node->pairs.num; i++) {
        struct kgr_pair *pair = node->pairs.list[i];
        struct kgr_exchange_event event = {
            .type = KGR_EXCHANGE_TIMER, .fresh_xid = xid, .fresh_topic = topic};

        if (pair->ex.deadline_ms > now_ms)
            continue;
        kgr_random(xid, sizeof(xid));
        kgr_random(topic, sizeof(topic));
        if (kgr_exchange_run(node, pair, &event, NULL) != KGR_OK)
            pair->ex.deadline_ms = now_ms + KGR_RETRY_MAX_MS; /* the disk is full or broken */
    }
}

void kgr_exchange_resume(struct kgr_node *node)
{
    for (size_t i = 0; i < node->pairs.num; i++) {
        struct kgr_exchange_event event = {.type = KGR_EXCHANGE_RESUME};

        (void)kgr_exchange_run(node, node->pairs.list[i], &event, NULL); /* logged; timers go on */
    }
}

void kgr_exchange_on_outcome(struct kgr_node *node, const struct kgr_sync_result *result)
{
    struct kgr_pair *pair = kgr_pairs_find_xid(&node->pairs, result->xid);
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_OUTCOME, .outcome = result->outcome};

    if (pair == NULL)
        return;
    memcpy(event.xid, result->xid, KGR_XID_LEN);
    (void)kgr_exchange_run(node, pair, &event,
                           NULL); /* logged; the next synchronisation says it again */
}
