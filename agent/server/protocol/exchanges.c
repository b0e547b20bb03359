/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/exchanges.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/server/birth/birth.h"
#include "agent/server/orders/audit.h"
#include "agent/server/protocol/bodies.h"
#include "agent/server/protocol/pairset.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/body_sync.h"
#include "agent/wire/frame.h"

static const char *const phases[] = {
    [KGR_COORDINATOR_FREE] = "none",
    [KGR_COORDINATOR_BIRTH] = "birth",
    [KGR_COORDINATOR_ADVERTISED] = "advertised",
    [KGR_COORDINATOR_COMMITTED] = "committed",
    [KGR_COORDINATOR_CONFIRMED] = "confirmed",
    [KGR_COORDINATOR_ABORTED] = "aborted",
};

/* A birth under way. */
struct bearing {
    struct kgr_ks_after after;
    struct kgr_ks *ks;
    struct kgr_ks_pair *pair;
    uint64_t generation;
    uint64_t begun_ms;
    struct kgr_ks_birth birth;
};

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                          const struct kgr_coordinator_event *event,
                          const struct kgr_ks_birth *born, struct kgr_diag *diag);

static void fill_clocks(struct kgr_ks *ks, struct kgr_coordinator_event *event)
{
    event->now_ms = kgr_clock_boot_ms();
    event->now_s = kgr_ks_now_s(ks);
    event->jitter = kgr_ks_jitter();
}

static void step_alone(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                       struct kgr_coordinator_event *event, const struct kgr_ks_birth *born)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_ks_begin(ks);

    if (err != KGR_OK)
        return;
    fill_clocks(ks, event);
    kgr_ks_end(ks, act(ks, pair, event, born, &diag), &diag);
}

static enum kgr_error run_bearing(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct bearing *b = ctx;

    enum kgr_error err = kgr_entropy_pool_stir(b->ks->entropy, tpm, diag);

    return err == KGR_OK ? kgr_ks_birth_run(&b->birth, &b->ks->id, tpm, diag) : err;
}

static void bearing_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct bearing *b = ctx;
    struct kgr_coordinator_event event = {
        .type = err == KGR_OK ? KGR_COORDINATOR_BORN : KGR_COORDINATOR_BIRTH_FAILED,
        .generation = b->generation,
        .iv = b->birth.iv,
        .final = err == KGR_ERR_CORRUPT || err == KGR_ERR_UNSUPPORTED || err == KGR_ERR_INVALID,
    };

    b->pair->births--;
    if (err == KGR_OK)
        kgr_histogram_add(&b->ks->stats.births, kgr_clock_boot_ms() - b->begun_ms);
    else
        b->ks->stats.births_failed++;
    if (err != KGR_OK && err != KGR_ERR_STATE)
        kgr_warn("birth-failed", "pair=%s,%s generation=%" PRIu64 " reason=\"%s\"",
                 b->pair->co.s.nids[0].s, b->pair->co.s.nids[1].s, b->generation,
                 kgr_diag_text(diag, err));
    if (!b->ks->failed)
        step_alone(b->ks, b->pair, &event, &b->birth);
    kgr_ks_pairs_drop_idle(b->ks);
    kgr_ks_arm(b->ks);
    free(b);
}

static void start_bearing(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct bearing *b = (struct bearing *)self;
    enum kgr_error err = kgr_tpm_worker_submit(
        ks->worker, KGR_TPM_CONTROL,
        &(struct kgr_tpm_job){.run = run_bearing, .done = bearing_done, .ctx = b});

    if (err != KGR_OK)
        bearing_done(b, err, NULL);
}

static void drop_bearing(struct kgr_ks_after *self)
{
    struct bearing *b = (struct bearing *)self;

    b->pair->births--;
    free(b);
}

static enum kgr_error begin_birth(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                                  const struct kgr_coordinator_row *row)
{
    struct bearing *b = calloc(1, sizeof *b);

    if (b == NULL)
        return KGR_ERR_NO_MEMORY;
    b->after.start = start_bearing;
    b->after.drop = drop_bearing;
    b->ks = ks;
    b->pair = pair;
    b->generation = row->generation;
    b->begun_ms = kgr_clock_boot_ms();
    b->birth.suite = (enum kgr_suite)row->suite;
    b->birth.custody = row->custody;
    for (size_t side = 0; side < 2; side++) {
        struct kgr_ks_node *node = kgr_ks_node_find(ks, &pair->co.s.nids[side]);

        if (node == NULL || !kgr_ks_node_ready(node))
            continue; /* the birth fails for good */
        b->birth.targets[side] = node->r.storage;
        b->birth.custodies[side] = node->r.custodies;
    }
    pair->births++;
    kgr_ks_later(ks, &b->after);
    return KGR_OK;
}

static enum kgr_error keep(struct kgr_ks *ks, const struct kgr_ks_pair *pair,
                           const struct kgr_coordinator_row *row, const struct kgr_ks_birth *born,
                           struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    for (uint8_t side = 0; side < 2 && err == KGR_OK; side++)
        err = kgr_ks_duplicate_save(ks->db, pair->co.s.nids, row->generation, side,
                                    kgr_slice(born->objects[side], born->objects_len[side]), diag);
    return err;
}

static enum kgr_error send_frame(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                                 const struct kgr_coordinator_action *action, struct kgr_diag *diag)
{
    const struct kgr_coordinator_state *state = &pair->co.s;
    struct kgr_ks_node *node = kgr_ks_node_find(ks, &state->nids[action->side]);
    uint8_t *objects = NULL, *body = NULL;
    size_t objects_len = 0, body_len = 0;
    uint64_t sequence;
    enum kgr_error err = KGR_OK;

    if (node == NULL || !kgr_ks_node_ready(node))
        return KGR_OK;
    if (action->frame == KGR_FRAME_KEY_ANS || action->frame == KGR_FRAME_ADV_REQ)
        err = kgr_ks_duplicate_load(ks->db, state->nids, action->row->generation, action->side,
                                    &objects, &objects_len, diag);
    if (err == KGR_ERR_NO_KEY)
        return KGR_OK; /* this end proved that it has them: nothing is left to send */
    if (err == KGR_OK)
        err = kgr_ks_body(state, action, kgr_slice(objects, objects_len), &body, &body_len);
    if (err == KGR_OK)
        err = kgr_ks_frames_send(ks, node->nksk, action->frame, action->xid,
                                 kgr_slice(body, body_len), &sequence);
    if (err == KGR_OK &&
        (action->frame == KGR_FRAME_KEY_ANS || action->frame == KGR_FRAME_ADV_REQ ||
         action->frame == KGR_FRAME_CONF_REQ))
        kgr_coordinator_sent(&pair->co, sequence);
    free(objects);
    free(body);
    return err;
}

static void report(const struct kgr_ks_pair *pair, const struct kgr_coordinator_action *action)
{
    const struct kgr_coordinator_state *state = &pair->co.s;

    kgr_info("exchange", "requester=%s destined=%s generation=%" PRIu64 " state=%s",
             state->nids[action->side].s, state->nids[1 - action->side].s, action->generation,
             phases[action->phase]);
}

/* What the machine reports is what it decided: begun, committed, confirmed, aborted. */
static enum kgr_error record(struct kgr_ks *ks, const struct kgr_ks_pair *pair,
                             const struct kgr_coordinator_action *action, struct kgr_diag *diag)
{
    const struct kgr_nid *nids = pair->co.s.nids;
    const struct kgr_ks_audit_exchange exchange = {
        .requester = nids[action->side].s,
        .destined = nids[1 - action->side].s,
        .generation = action->generation,
        .status = action->phase == KGR_COORDINATOR_ABORTED ? KGR_ERR_FAILED : KGR_OK,
        .text = phases[action->phase],
    };

    ks->stats.exchanges[action->phase]++;
    return kgr_ks_audit_exchange(ks, &exchange, diag);
}

static enum kgr_error act_one(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                              const struct kgr_coordinator_action *action,
                              const struct kgr_ks_birth *born, struct kgr_diag *diag)
{
    switch (action->type) {
    case KGR_COORDINATOR_DO_PERSIST:
        return kgr_ks_pairs_save(ks->db, &pair->co.s, diag);
    case KGR_COORDINATOR_DO_BIRTH:
        return begin_birth(ks, pair, action->row);
    case KGR_COORDINATOR_DO_KEEP:
        return keep(ks, pair, action->row, born, diag);
    case KGR_COORDINATOR_DO_ERASE:
        ks->erased = true;
        return kgr_ks_duplicate_erase(ks->db, pair->co.s.nids, action->generation, action->side,
                                      diag);
    case KGR_COORDINATOR_DO_SEND:
        return send_frame(ks, pair, action, diag);
    case KGR_COORDINATOR_DO_REPORT:
        report(pair, action);
        return record(ks, pair, action, diag);
    case KGR_COORDINATOR_DO_IGNORED:
        kgr_debug("frame-ignored", "pair=%s,%s", pair->co.s.nids[0].s, pair->co.s.nids[1].s);
        return KGR_OK;
    }
    return KGR_ERR_FAILED;
}

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_pair *pair,
                          const struct kgr_coordinator_event *event,
                          const struct kgr_ks_birth *born, struct kgr_diag *diag)
{
    struct kgr_coordinator_actions *actions = malloc(sizeof *actions);
    enum kgr_error err = actions == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        kgr_coordinator_step(&pair->co, event, actions);
        for (size_t i = 0; i < actions->num && err == KGR_OK; i++)
            err = act_one(ks, pair, &actions->list[i], born, diag);
    }
    free(actions);
    kgr_ks_arm(ks);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of our own rows, not of the frame */
}

/* What the tables say about a new request. */
static enum kgr_error grant(struct kgr_ks *ks, const struct kgr_nid nids[2],
                            const struct kgr_ks_node *requester, struct kgr_grant *out,
                            struct kgr_diag *diag)
{
    struct kgr_coordinator_state *state = malloc(sizeof *state);
    struct kgr_grant_parties parties = {
        .own_suites = ks->custody.suites,
        .own_custodies = kgr_ks_custody_pairs(&ks->custody),
        .lifetime_s = ks->settings.lifetime_s,
        .held = !kgr_entropy_pool_ready(ks->entropy),
    };
    struct kgr_ks_policy policy;
    enum kgr_error err =
        state == NULL ? KGR_ERR_NO_MEMORY : kgr_ks_pairs_load(ks->db, &policy, state, nids, diag);

    free(state);
    if (err != KGR_OK)
        return err;
    parties.allowed = policy.allowed;
    parties.peer_ready = true;
    parties.min_suite = policy.min_suite;
    parties.min_custody = policy.min_custody;
    for (size_t side = 0; side < 2; side++) {
        const struct kgr_ks_node *node = kgr_ks_node_find(ks, &nids[side]);

        if (node == NULL || (node != requester && !kgr_ks_node_ready(node))) {
            parties.peer_ready = false;
        } else {
            parties.suites[side] = node->r.suites & kgr_tpm_storage_suites(&node->r.storage);
            parties.custodies[side] = node->r.custodies;
        }
    }
    *out = kgr_grant_decide(&parties);
    return KGR_OK;
}

static enum kgr_error on_key_req(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                 struct kgr_coordinator_event *event, struct kgr_diag *diag)
{
    uint8_t pxid[KGR_XID_LEN], fresh_xid[KGR_XID_LEN];
    struct kgr_ks_pair *pair;
    struct kgr_nid nids[2];
    struct kgr_key_req req;
    enum kgr_error err;

    if (kgr_key_req_decode(&req, frame->body) != KGR_OK ||
        kgr_nid_cmp(&req.nid1, &frame->node->r.nid) != 0 || kgr_nid_cmp(&req.nid1, &req.nid2) == 0)
        return KGR_ERR_CORRUPT;
    kgr_ks_pair_order(nids, &req.nid1, &req.nid2);
    err = grant(ks, nids, frame->node, &event->grant, diag);
    if (err == KGR_OK)
        err = kgr_ks_topic_known(ks->db, &event->topic_known, req.topic3, diag);
    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    if (event->grant.reason == KGR_REASON_NOT_AUTHORIZED && kgr_ks_pair_find(ks, nids) == NULL) {
        kgr_info("request-refused", "node=%s peer=%s reason=\"not authorised\"", req.nid1.s,
                 req.nid2.s);
        return kgr_ks_frames_nack(ks, frame, KGR_REASON_NOT_AUTHORIZED, 0);
    }
    err = kgr_ks_pair_get(ks, nids, &pair, diag);
    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    kgr_random(pxid, sizeof pxid);
    kgr_random(fresh_xid, sizeof fresh_xid);
    event->type = KGR_COORDINATOR_KEY_REQ;
    event->side = kgr_coordinator_side(&pair->co.s, &frame->node->r.nid);
    event->pxid = pxid;
    event->fresh_xid = fresh_xid;
    event->highest = req.highest;
    event->topic = req.topic3;
    err = act(ks, pair, event, NULL, diag);
    kgr_ks_pairs_drop_idle(ks);
    return err;
}

/* The machine of the pair that head names, one end of which must be the sender. */
static enum kgr_error pair_of(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                              const struct kgr_exchange_head *head, bool sender_first,
                              struct kgr_coordinator_event *event, struct kgr_ks_pair **out,
                              struct kgr_diag *diag)
{
    struct kgr_nid nids[2];
    enum kgr_error err;

    if (kgr_nid_cmp(sender_first ? &head->nid1 : &head->nid2, &frame->node->r.nid) != 0 ||
        kgr_nid_cmp(&head->nid1, &head->nid2) == 0)
        return KGR_ERR_CORRUPT;
    kgr_ks_pair_order(nids, &head->nid1, &head->nid2);
    err = kgr_ks_pair_get(ks, nids, out, diag);
    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    event->side = kgr_coordinator_side(&(*out)->co.s, &frame->node->r.nid);
    event->pxid = head->pxid;
    event->generation = head->generation;
    return KGR_OK;
}

static enum kgr_error on_adv_ans(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                 struct kgr_coordinator_event *event, struct kgr_diag *diag)
{
    struct kgr_ks_pair *pair;
    struct kgr_adv_ans ans;
    enum kgr_error err;

    if (kgr_adv_ans_decode(&ans, frame->body) != KGR_OK)
        return KGR_ERR_CORRUPT;
    err = pair_of(ks, frame, &ans.head, false, event, &pair, diag);
    if (err == KGR_ERR_UNKNOWN_PEER)
        return kgr_ks_frames_nack(ks, frame, KGR_REASON_ABORTED, 0);
    if (err != KGR_OK)
        return err;
    err = kgr_ks_topic_known(ks->db, &event->topic_known, ans.topic4, diag);
    event->type = KGR_COORDINATOR_ADV_ANS;
    event->topic = ans.topic4;
    event->kc = ans.kc;
    if (err == KGR_OK)
        err = act(ks, pair, event, NULL, diag);
    kgr_ks_pairs_drop_idle(ks);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

static enum kgr_error on_conf_ans(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                  struct kgr_coordinator_event *event, struct kgr_diag *diag)
{
    struct kgr_conf_ans ans;
    struct kgr_ks_pair *pair;
    enum kgr_error err;

    if (kgr_conf_ans_decode(&ans, frame->body) != KGR_OK)
        return KGR_ERR_CORRUPT;
    err = pair_of(ks, frame, &ans.head, true, event, &pair, diag);
    if (err != KGR_OK)
        return err == KGR_ERR_UNKNOWN_PEER ? KGR_OK : err;
    event->type = KGR_COORDINATOR_CONF_ANS;
    event->kc = ans.kc;
    err = act(ks, pair, event, NULL, diag);
    kgr_ks_pairs_drop_idle(ks);
    return err;
}

/* A nack names no pair: its exchange id does. */
static enum kgr_error on_nack(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                              struct kgr_coordinator_event *event, struct kgr_diag *diag)
{
    struct kgr_nack nack;
    uint64_t generation;
    enum kgr_error err = KGR_OK;

    if (kgr_nack_decode(&nack, frame->body) != KGR_OK)
        return KGR_ERR_CORRUPT;
    event->type = KGR_COORDINATOR_NACK;
    event->generation = nack.generation;
    event->refused_type = nack.type;
    event->refused_sequence = nack.sequence;
    event->reason = nack.reason;
    event->retry_after_s = nack.retry_after_s;
    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next) {
        const struct kgr_nid *nids = pair->co.s.nids;

        event->side = kgr_coordinator_side(&pair->co.s, &frame->node->r.nid);
        if (kgr_nid_cmp(&nids[event->side], &frame->node->r.nid) != 0 ||
            kgr_coordinator_outcome(&pair->co.s, event->side, frame->xid, &generation) ==
                KGR_COORDINATOR_OUTCOME_UNKNOWN)
            continue;
        err = act(ks, pair, event, NULL, diag);
        break;
    }
    kgr_ks_pairs_drop_idle(ks);
    return err;
}

enum kgr_error kgr_ks_exchanges_frame(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                      struct kgr_diag *diag)
{
    struct kgr_coordinator_event event = {.xid = frame->xid, .sequence = frame->sequence};

    fill_clocks(ks, &event);
    switch (frame->type) {
    case KGR_FRAME_KEY_REQ:
        return on_key_req(ks, frame, &event, diag);
    case KGR_FRAME_ADV_ANS:
        return on_adv_ans(ks, frame, &event, diag);
    case KGR_FRAME_CONF_ANS:
        return on_conf_ans(ks, frame, &event, diag);
    case KGR_FRAME_NACK:
        return on_nack(ks, frame, &event, diag);
    default:
        return KGR_ERR_CORRUPT;
    }
}

enum kgr_error kgr_ks_exchanges_sync(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                     const struct kgr_sync_req *req, struct kgr_diag *diag)
{
    struct kgr_coordinator_event event = {
        .type = KGR_COORDINATOR_SYNC,
        .sequence = frame->sequence,
        .complete = req->page == 0 && req->num_open < KGR_SYNC_PAGE_MAX,
        .open_xids = req->open[0],
        .num_open = req->num_open,
    };
    enum kgr_error err = KGR_OK;

    fill_clocks(ks, &event);
    for (size_t i = 0; i < req->num_peers; i++)
        if (kgr_nid_cmp(&req->peers[i].peer, &frame->node->r.nid) == 0)
            return KGR_ERR_CORRUPT;
    for (size_t i = 0; i < req->num_peers && err == KGR_OK; i++) {
        const struct kgr_sync_peer *peer = &req->peers[i];
        struct kgr_ks_pair *pair;
        struct kgr_nid nids[2];

        /* Of a pair without exchanges only the highest generation could change; a request will say that. */
        kgr_ks_pair_order(nids, &peer->peer, &frame->node->r.nid);
        pair = kgr_ks_pair_find(ks, nids);
        if (pair == NULL)
            continue;
        event.side = kgr_coordinator_side(&pair->co.s, &frame->node->r.nid);
        event.current = peer->current;
        event.highest = peer->highest;
        err = act(ks, pair, &event, NULL, diag);
    }
    return err;
}

enum kgr_coordinator_outcome kgr_ks_exchanges_outcome(const struct kgr_ks *ks,
                                                      const struct kgr_nid *nid, const uint8_t *xid,
                                                      uint64_t *out_generation)
{
    for (const struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next) {
        uint8_t side = kgr_coordinator_side(&pair->co.s, nid);
        enum kgr_coordinator_outcome outcome;

        if (kgr_nid_cmp(&pair->co.s.nids[side], nid) != 0)
            continue;
        outcome = kgr_coordinator_outcome(&pair->co.s, side, xid, out_generation);
        if (outcome != KGR_COORDINATOR_OUTCOME_UNKNOWN)
            return outcome;
    }
    *out_generation = 0;
    return KGR_COORDINATOR_OUTCOME_UNKNOWN;
}

enum kgr_error kgr_ks_exchanges_denied(struct kgr_ks *ks, const struct kgr_nid nids[2],
                                       uint8_t reason, struct kgr_diag *diag)
{
    struct kgr_coordinator_event event = {.type = KGR_COORDINATOR_DENIED, .reason = reason};
    struct kgr_ks_pair *pair = kgr_ks_pair_find(ks, nids);

    if (pair == NULL)
        return KGR_OK;
    fill_clocks(ks, &event);
    return act(ks, pair, &event, NULL, diag);
}

enum kgr_error kgr_ks_exchanges_rekeyed(struct kgr_ks *ks, const struct kgr_nid *nid,
                                        struct kgr_diag *diag)
{
    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next) {
        uint8_t side = kgr_coordinator_side(&pair->co.s, nid);

        if (kgr_nid_cmp(&pair->co.s.nids[side], nid) == 0)
            kgr_coordinator_rekeyed(&pair->co, side);
    }
    return kgr_ks_pairs_rekeyed(ks->db, nid, diag);
}

enum kgr_error kgr_ks_exchanges_abort(struct kgr_ks *ks, const struct kgr_nid *nid,
                                      struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL && err == KGR_OK; pair = pair->next)
        if (kgr_nid_cmp(&pair->co.s.nids[0], nid) == 0 ||
            kgr_nid_cmp(&pair->co.s.nids[1], nid) == 0)
            err = kgr_ks_exchanges_denied(ks, pair->co.s.nids, KGR_REASON_ABORTED, diag);
    return err;
}

enum kgr_error kgr_ks_exchanges_heard(struct kgr_ks *ks, const struct kgr_nid *nid,
                                      struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL && err == KGR_OK; pair = pair->next) {
        struct kgr_coordinator_event event = {.type = KGR_COORDINATOR_HEARD,
                                              .side = kgr_coordinator_side(&pair->co.s, nid)};

        if (kgr_nid_cmp(&pair->co.s.nids[event.side], nid) != 0)
            continue;
        fill_clocks(ks, &event);
        err = act(ks, pair, &event, NULL, diag);
    }
    return err;
}

enum kgr_error kgr_ks_exchanges_revoked(struct kgr_ks *ks, const struct kgr_nid nids[2],
                                        uint8_t side, struct kgr_diag *diag)
{
    struct kgr_coordinator_event event = {
        .type = KGR_COORDINATOR_REVOKED, .side = side, .reason = KGR_REASON_REVOKED};
    struct kgr_ks_pair *pair;
    enum kgr_error err = kgr_ks_pair_get(ks, nids, &pair, diag);

    if (err != KGR_OK)
        return err;
    fill_clocks(ks, &event);
    err = act(ks, pair, &event, NULL, diag);
    kgr_ks_pairs_drop_idle(ks);
    return err;
}

static void step_all(struct kgr_ks *ks, enum kgr_coordinator_event_type type)
{
    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL && !ks->failed; pair = pair->next) {
        struct kgr_coordinator_event event = {.type = type};

        step_alone(ks, pair, &event, NULL);
    }
    kgr_ks_pairs_drop_idle(ks);
    kgr_ks_arm(ks);
}

void kgr_ks_exchanges_connected(struct kgr_ks *ks)
{
    step_all(ks, KGR_COORDINATOR_RESUME);
}

void kgr_ks_exchanges_timer(struct kgr_ks *ks)
{
    step_all(ks, KGR_COORDINATOR_TIMER);
}

uint64_t kgr_ks_exchanges_deadline(const struct kgr_ks *ks)
{
    uint64_t deadline = UINT64_MAX;

    for (const struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next)
        if (pair->co.deadline_ms < deadline)
            deadline = pair->co.deadline_ms;
    return deadline;
}
