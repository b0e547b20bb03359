/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/exchange.h"

#include "agent/base/secret.h"

#include <assert.h>
#include <string.h>

/* How long a superseded requester waits for the exchange that came first. */
#define SUPERSEDED_MS 10000u
/* A KS that says "busy" for longer is asked again all the same. */
#define BUSY_MAX_S 3600u

static struct kgr_exchange_action *add(struct kgr_exchange_actions *out,
                                       enum kgr_exchange_action_type type)
{
    struct kgr_exchange_action *action;

    assert(out->num < KGR_EXCHANGE_MAX_ACTIONS);
    action = &out->list[out->num++];
    *action = (struct kgr_exchange_action){.type = type};
    return action;
}

static void schedule(struct kgr_exchange *ex, const struct kgr_exchange_event *event)
{
    ex->deadline_ms = event->now_ms + kgr_retry_delay_ms(&ex->retry, event->jitter);
}

static void send_key_req(const struct kgr_exchange *ex, struct kgr_exchange_actions *out)
{
    struct kgr_exchange_action *action = add(out, KGR_EXCHANGE_DO_SEND);

    action->frame = KGR_FRAME_KEY_REQ;
    action->requester = true;
    memcpy(action->xid, ex->s.request_xid, KGR_XID_LEN);
    action->topic = ex->s.request_topic;
    action->cause = ex->s.request_cause;
    action->highest = ex->s.request_highest;
}

static void send_offer(struct kgr_exchange_actions *out, uint8_t frame,
                       const struct kgr_exchange_offer *offer)
{
    struct kgr_exchange_action *action = add(out, KGR_EXCHANGE_DO_SEND);

    action->frame = frame;
    action->requester = offer->requester;
    action->offer = offer;
    memcpy(action->xid, offer->xid, KGR_XID_LEN);
}

/* refuse answers a frame of the KS by a nack. */
static void refuse(const struct kgr_exchange_event *event, uint8_t type, uint8_t reason,
                   uint64_t generation, struct kgr_exchange_actions *out)
{
    struct kgr_exchange_action *action = add(out, KGR_EXCHANGE_DO_SEND);

    action->frame = KGR_FRAME_NACK;
    memcpy(action->xid, event->xid, KGR_XID_LEN);
    action->refused_type = type;
    action->refused_sequence = event->sequence;
    action->reason = reason;
    action->generation = generation;
}

/* give_up: nobody waits for the job of this node's own exchange any more. One for the peer's goes on. */
static void give_up(struct kgr_exchange *ex, bool holding)
{
    ex->job_over =
        ex->job_over || (ex->job != KGR_EXCHANGE_JOB_NONE && (holding || ex->offer.requester));
}

/* fail ends what is under way. */
static void fail(struct kgr_exchange *ex, enum kgr_error error, struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    give_up(ex, holding);
    if (holding) {
        add(out, KGR_EXCHANGE_DO_DROP);
        ex->s.candidate = (struct kgr_exchange_offer){0};
    }
    ex->s.phase = KGR_EXCHANGE_FAILED;
    ex->s.error = error;
    ex->deadline_ms = UINT64_MAX;
    add(out, KGR_EXCHANGE_DO_PERSIST);
    add(out, KGR_EXCHANGE_DO_NOTIFY);
}

static void begin(struct kgr_exchange *ex, const struct kgr_exchange_event *event, uint8_t cause,
                  struct kgr_exchange_actions *out)
{
    ex->s.phase = KGR_EXCHANGE_REQUESTING;
    memcpy(ex->s.request_xid, event->fresh_xid, KGR_XID_LEN);
    memcpy(ex->s.request_topic, event->fresh_topic, KGR_TOPIC_LEN);
    ex->s.request_cause = cause;
    ex->s.request_highest = ex->s.highest;
    ex->s.error = KGR_OK;
    ex->num_sent = 0;
    kgr_retry_reset(&ex->retry);
    add(out, KGR_EXCHANGE_DO_PERSIST);
    send_key_req(ex, out);
    add(out, KGR_EXCHANGE_DO_NOTIFY);
    schedule(ex, event);
}

static void on_request(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    if (ex->s.phase != KGR_EXCHANGE_IDLE && ex->s.phase != KGR_EXCHANGE_FAILED)
        return;
    if (ex->s.current.generation != 0 && !event->renew)
        return;
    begin(ex, event, event->cause, out);
}

/* fits: the frame names this pair, with this node in the stated role. */
static bool fits(const struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                 bool requester)
{
    const struct kgr_nid *mine = requester ? event->nid1 : event->nid2;
    const struct kgr_nid *theirs = requester ? event->nid2 : event->nid1;

    return kgr_nid_cmp(mine, &ex->s.self) == 0 && kgr_nid_cmp(theirs, &ex->s.peer) == 0;
}

static void take_offer(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       bool requester)
{
    struct kgr_exchange_offer *offer = &ex->offer;

    *offer = (struct kgr_exchange_offer){
        .generation = event->generation,
        .lifetime_s = event->lifetime_s,
        .suite = event->suite,
        .custody = event->custody,
        .requester = requester,
    };
    memcpy(offer->xid, event->xid, KGR_XID_LEN);
    memcpy(offer->pxid, event->pxid, KGR_XID_LEN);
    memcpy(offer->iv, event->iv, KGR_IV_LEN);
    if (requester) {
        memcpy(offer->topic_own, ex->s.request_topic, KGR_TOPIC_LEN);
    } else {
        memcpy(offer->topic_own, event->fresh_topic, KGR_TOPIC_LEN);
        memcpy(offer->topic_peer, event->topic, KGR_TOPIC_LEN);
    }
}

static void start_job(struct kgr_exchange *ex, enum kgr_exchange_job job,
                      struct kgr_exchange_actions *out)
{
    struct kgr_exchange_action *action;

    ex->job = job;
    ex->job_over = false;
    action = add(out, job == KGR_EXCHANGE_JOB_IMPORT ? KGR_EXCHANGE_DO_IMPORT : KGR_EXCHANGE_DO_KC);
    action->offer = &ex->offer;
    action->requester = ex->offer.requester;
}

static enum kgr_error error_of(uint8_t reason)
{
    switch (reason) {
    case KGR_NACK_NOT_AUTHORIZED:
        return KGR_ERR_NOT_AUTHORIZED;
    case KGR_NACK_EXPIRED:
        return KGR_ERR_EXPIRED;
    case KGR_NACK_SUITE:
    case KGR_NACK_CUSTODY:
        return KGR_ERR_UNSUPPORTED;
    case KGR_NACK_QUOTA:
        return KGR_ERR_QUOTA;
    case KGR_NACK_REVOKED:
        return KGR_ERR_REVOKED;
    default: /* generation, aborted */
        return KGR_ERR_STATE;
    }
}

static void on_key_ans(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    if (ex->s.phase != KGR_EXCHANGE_REQUESTING || ex->job != KGR_EXCHANGE_JOB_NONE ||
        memcmp(event->xid, ex->s.request_xid, KGR_XID_LEN) != 0 || !fits(ex, event, true) ||
        event->generation <= ex->s.highest) {
        add(out, KGR_EXCHANGE_DO_IGNORED);
        return;
    }
    if (event->refuse != 0) {
        fail(ex, error_of(event->refuse), out);
        refuse(event, KGR_FRAME_KEY_ANS, event->refuse, 0, out);
        return;
    }
    take_offer(ex, event, true);
    start_job(ex, KGR_EXCHANGE_JOB_IMPORT, out);
}

static bool is_offer(const struct kgr_exchange_offer *offer, const struct kgr_exchange_event *event)
{
    return offer->generation != 0 && offer->generation == event->generation &&
           memcmp(offer->pxid, event->pxid, KGR_XID_LEN) == 0;
}

static void on_adv_req(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    if (!fits(ex, event, false) || ex->job != KGR_EXCHANGE_JOB_NONE ||
        is_offer(&ex->s.current, event)) {
        add(out, KGR_EXCHANGE_DO_IGNORED);
    } else if (ex->s.phase == KGR_EXCHANGE_CANDIDATE && is_offer(&ex->s.candidate, event)) {
        send_offer(out, KGR_FRAME_ADV_ANS, &ex->s.candidate);
    } else if (holding) {
        /* The KS has gone on: our own retry brings its decision about what we hold. */
        add(out, KGR_EXCHANGE_DO_IGNORED);
        ex->deadline_ms = event->now_ms;
    } else if (event->generation <= ex->s.highest) {
        refuse(event, KGR_FRAME_ADV_REQ, KGR_NACK_GENERATION, ex->s.highest, out);
    } else if (event->refuse != 0) {
        refuse(event, KGR_FRAME_ADV_REQ, event->refuse, 0, out);
    } else {
        take_offer(ex, event, false);
        start_job(ex, KGR_EXCHANGE_JOB_IMPORT, out);
    }
}

static void on_conf_req(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                        struct kgr_exchange_actions *out)
{
    const struct kgr_exchange_offer *current = &ex->s.current;

    if (current->requester && is_offer(current, event) && fits(ex, event, true) &&
        memcmp(event->xid, current->xid, KGR_XID_LEN) == 0) {
        send_offer(out, KGR_FRAME_CONF_ANS, current);
        return;
    }
    if (fits(ex, event, true) && !kgr_exchange_has_xid(ex, event->xid)) {
        /* Of an exchange that this node gave up: it holds no such key, and never will. */
        refuse(event, KGR_FRAME_CONF_REQ, KGR_NACK_ABORTED, ex->s.highest, out);
        return;
    }
    if (ex->s.phase != KGR_EXCHANGE_WAITING || ex->job != KGR_EXCHANGE_JOB_NONE ||
        memcmp(event->xid, ex->s.candidate.xid, KGR_XID_LEN) != 0 || !fits(ex, event, true) ||
        !is_offer(&ex->s.candidate, event) ||
        event->kc.len != kgr_suite_hash_len((enum kgr_suite)ex->s.candidate.suite)) {
        add(out, KGR_EXCHANGE_DO_IGNORED);
        return;
    }
    ex->offer = ex->s.candidate;
    memcpy(ex->offer.topic_peer, event->topic, KGR_TOPIC_LEN);
    kgr_copy(ex->offer.kc_peer, event->kc.p, event->kc.len);
    ex->offer.kc_len = (uint8_t)event->kc.len;
    start_job(ex, KGR_EXCHANGE_JOB_KC, out);
}

static void on_done(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                    struct kgr_exchange_actions *out)
{
    if (ex->s.phase != KGR_EXCHANGE_CANDIDATE || ex->job != KGR_EXCHANGE_JOB_NONE ||
        memcmp(event->xid, ex->s.candidate.xid, KGR_XID_LEN) != 0 || !fits(ex, event, false) ||
        !is_offer(&ex->s.candidate, event) || event->kc.len != ex->s.candidate.kc_len) {
        add(out, KGR_EXCHANGE_DO_IGNORED);
        return;
    }
    ex->offer = ex->s.candidate;
    kgr_copy(ex->offer.kc_peer, event->kc.p, event->kc.len);
    start_job(ex, KGR_EXCHANGE_JOB_KC, out);
}

static bool was_sent(const struct kgr_exchange *ex, uint64_t sequence)
{
    size_t n = ex->num_sent < KGR_EXCHANGE_SENT ? ex->num_sent : KGR_EXCHANGE_SENT;

    for (size_t i = 0; i < n; i++)
        if (ex->sent[i] == sequence)
            return true;
    return false;
}

/* ends: a nack with this reason takes the candidate; the others leave the decision open. */
static bool ends_candidate(uint8_t reason)
{
    return reason == KGR_NACK_ABORTED || reason == KGR_NACK_REVOKED || reason == KGR_NACK_EXPIRED ||
           reason == KGR_NACK_NOT_AUTHORIZED;
}

static void on_nack(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                    struct kgr_exchange_actions *out)
{
    bool requesting = ex->s.phase == KGR_EXCHANGE_REQUESTING;
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;
    const uint8_t *xid = requesting ? ex->s.request_xid : ex->s.candidate.xid;
    uint8_t type = ex->s.phase == KGR_EXCHANGE_CANDIDATE ? KGR_FRAME_ADV_ANS : KGR_FRAME_KEY_REQ;

    if (!(requesting || holding) || memcmp(event->xid, xid, KGR_XID_LEN) != 0 ||
        event->refused_type != type || !was_sent(ex, event->refused_sequence)) {
        add(out, KGR_EXCHANGE_DO_IGNORED);
    } else if (event->reason == KGR_NACK_BUSY ||
               (event->reason == KGR_NACK_QUOTA && event->retry_after_s > 0)) {
        uint32_t s = event->retry_after_s < BUSY_MAX_S ? event->retry_after_s : BUSY_MAX_S;

        ex->deadline_ms = event->now_ms + kgr_jitter_ms((s > 0 ? s : 1) * 1000ull, event->jitter);
    } else if (requesting && event->reason == KGR_NACK_SUPERSEDED) {
        ex->s.phase = KGR_EXCHANGE_SUPERSEDED;
        give_up(ex, false);
        ex->deadline_ms = event->now_ms + kgr_jitter_ms(SUPERSEDED_MS, event->jitter);
        add(out, KGR_EXCHANGE_DO_PERSIST);
        add(out, KGR_EXCHANGE_DO_NOTIFY);
    } else if (requesting || ends_candidate(event->reason)) {
        if (event->reason == KGR_NACK_GENERATION && event->generation > ex->s.highest)
            ex->s.highest = event->generation;
        fail(ex, error_of(event->reason), out);
    } else {
        add(out, KGR_EXCHANGE_DO_IGNORED);
    }
}

static void store_candidate(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                            enum kgr_exchange_phase phase, struct kgr_exchange_actions *out)
{
    ex->s.candidate = ex->offer;
    ex->s.phase = phase;
    ex->s.error = KGR_OK;
    ex->s.highest = ex->offer.generation;
    ex->candidate_ms = event->now_ms + ex->offer.lifetime_s * 1000ull;
    ex->num_sent = 0; /* what the KS said before it gave the candidate is no word on it */
    kgr_retry_reset(&ex->retry);
    schedule(ex, event);
    add(out, KGR_EXCHANGE_DO_STORE);
    add(out, KGR_EXCHANGE_DO_PERSIST);
}

/*
 * take_result ends the job under way, and tells whether its result is wanted. A job given up is awaited like any
 * other before the next begins: results are told apart by nothing but their generation.
 */
static bool take_result(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                        enum kgr_exchange_job job)
{
    bool wanted = ex->job == job && !ex->job_over && event->generation == ex->offer.generation;

    ex->job = KGR_EXCHANGE_JOB_NONE;
    ex->job_over = false;
    return wanted;
}

static void on_imported(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                        struct kgr_exchange_actions *out)
{
    if (!take_result(ex, event, KGR_EXCHANGE_JOB_IMPORT)) {
        add(out, KGR_EXCHANGE_DO_DISCARD);
        return;
    }
    if (!ex->offer.requester) {
        start_job(ex, KGR_EXCHANGE_JOB_KC, out);
        return;
    }
    store_candidate(ex, event, KGR_EXCHANGE_WAITING, out);
    add(out, KGR_EXCHANGE_DO_NOTIFY);
}

static void on_kc(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                  struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    if (!take_result(ex, event, KGR_EXCHANGE_JOB_KC)) {
        if (!holding || ex->s.candidate.generation != event->generation)
            add(out, KGR_EXCHANGE_DO_DISCARD);
        return;
    }
    kgr_copy(ex->offer.kc_own, event->kc_own, event->kc_len);
    ex->offer.kc_len = (uint8_t)event->kc_len;
    if (!holding) { /* N2 has imported, and can now answer */
        store_candidate(ex, event, KGR_EXCHANGE_CANDIDATE, out);
        send_offer(out, KGR_FRAME_ADV_ANS, &ex->s.candidate);
        add(out, KGR_EXCHANGE_DO_NOTIFY);
        return;
    }
    if (!kgr_equal_ct(ex->offer.kc_peer, event->kc_expected, event->kc_len)) {
        add(out, KGR_EXCHANGE_DO_ALARM);
        fail(ex, KGR_ERR_CORRUPT, out);
        return;
    }
    ex->s.current = ex->offer;
    ex->s.candidate = (struct kgr_exchange_offer){0};
    ex->s.phase = KGR_EXCHANGE_IDLE;
    ex->s.error = KGR_OK;
    ex->deadline_ms = UINT64_MAX;
    add(out, KGR_EXCHANGE_DO_PROMOTE);
    add(out, KGR_EXCHANGE_DO_PERSIST);
    if (ex->s.current.requester)
        send_offer(out, KGR_FRAME_CONF_ANS, &ex->s.current);
    add(out, KGR_EXCHANGE_DO_NOTIFY);
}

/* A job failed here, by this end's TPM: the other end's retry, or ours, brings the frame again. */
static void on_job_failed(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                          struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    if (!holding || ex->s.candidate.generation != event->generation)
        add(out, KGR_EXCHANGE_DO_DISCARD);
    if (ex->job == KGR_EXCHANGE_JOB_NONE || !take_result(ex, event, ex->job))
        return;
    ex->s.error = event->error;
    add(out, KGR_EXCHANGE_DO_NOTIFY);
}

static void send_due(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                     struct kgr_exchange_actions *out)
{
    if (ex->s.phase == KGR_EXCHANGE_REQUESTING || ex->s.phase == KGR_EXCHANGE_WAITING)
        send_key_req(ex, out);
    else
        send_offer(out, KGR_FRAME_ADV_ANS, &ex->s.candidate);
    schedule(ex, event);
}

static void on_timer(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                     struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    if (event->now_ms < ex->deadline_ms)
        return;
    if (holding && event->now_ms >= ex->candidate_ms)
        fail(ex, KGR_ERR_EXPIRED, out);
    else if (holding || ex->s.phase == KGR_EXCHANGE_REQUESTING)
        send_due(ex, event, out);
    else if (ex->s.phase == KGR_EXCHANGE_SUPERSEDED && ex->job == KGR_EXCHANGE_JOB_NONE)
        begin(ex, event, ex->s.request_cause, out);
    else if (ex->s.phase == KGR_EXCHANGE_SUPERSEDED)
        ex->deadline_ms = event->now_ms + SUPERSEDED_MS;
    else
        ex->deadline_ms = UINT64_MAX;
}

static void on_outcome(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    const uint8_t *xid = kgr_exchange_open_xid(ex);

    if (xid == NULL || memcmp(xid, event->xid, KGR_XID_LEN) != 0)
        return;
    if (event->outcome == KGR_SYNC_ABORTED || event->outcome == KGR_SYNC_UNKNOWN)
        fail(ex, KGR_ERR_STATE, out);
}

static void on_resume(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                      struct kgr_exchange_actions *out)
{
    if (ex->s.phase != KGR_EXCHANGE_REQUESTING && ex->s.phase != KGR_EXCHANGE_WAITING &&
        ex->s.phase != KGR_EXCHANGE_CANDIDATE)
        return;
    kgr_retry_reset(&ex->retry);
    send_due(ex, event, out);
}

/* What is revoked goes, whatever state it is in; only the highest generation stays, so that none comes again. */
static void on_revoked(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    bool holding = ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE;

    if (ex->job != KGR_EXCHANGE_JOB_NONE && ex->offer.generation <= event->generation)
        ex->job_over = true;
    if (holding && ex->s.candidate.generation <= event->generation) {
        ex->s.candidate = (struct kgr_exchange_offer){0};
        ex->s.phase = KGR_EXCHANGE_IDLE;
        ex->deadline_ms = UINT64_MAX;
    } else if (event->generation == UINT64_MAX) { /* the pair itself is */
        ex->s.phase = KGR_EXCHANGE_IDLE;
        ex->deadline_ms = UINT64_MAX;
    }
    if (ex->s.current.generation <= event->generation)
        ex->s.current = (struct kgr_exchange_offer){0};
    add(out, KGR_EXCHANGE_DO_PERSIST);
    add(out, KGR_EXCHANGE_DO_DESTROY)->generation = event->generation;
    add(out, KGR_EXCHANGE_DO_NOTIFY);
}

enum kgr_error kgr_exchange_init(struct kgr_exchange *out, const struct kgr_nid *self,
                                 const struct kgr_nid *peer)
{
    if (kgr_nid_cmp(self, peer) == 0)
        return KGR_ERR_INVALID;
    *out = (struct kgr_exchange){
        .s = {.self = *self, .peer = *peer},
        .deadline_ms = UINT64_MAX,
    };
    return KGR_OK;
}

void kgr_exchange_restart(struct kgr_exchange *out, const struct kgr_exchange_state *state,
                          uint64_t now_ms)
{
    *out = (struct kgr_exchange){.s = *state, .deadline_ms = UINT64_MAX};
    if (state->phase != KGR_EXCHANGE_IDLE && state->phase != KGR_EXCHANGE_FAILED)
        out->deadline_ms = now_ms;
    /* How much of the lifetime was slept through is unknown; sync tells whether the candidate lives. */
    out->candidate_ms = now_ms + state->candidate.lifetime_s * 1000ull;
}

void kgr_exchange_step(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out)
{
    static void (*const handlers[])(struct kgr_exchange *, const struct kgr_exchange_event *,
                                    struct kgr_exchange_actions *) = {
        [KGR_EXCHANGE_REQUEST] = on_request,
        [KGR_EXCHANGE_KEY_ANS] = on_key_ans,
        [KGR_EXCHANGE_ADV_REQ] = on_adv_req,
        [KGR_EXCHANGE_CONF_REQ] = on_conf_req,
        [KGR_EXCHANGE_DONE] = on_done,
        [KGR_EXCHANGE_NACK] = on_nack,
        [KGR_EXCHANGE_IMPORTED] = on_imported,
        [KGR_EXCHANGE_IMPORT_FAILED] = on_job_failed,
        [KGR_EXCHANGE_KC] = on_kc,
        [KGR_EXCHANGE_KC_FAILED] = on_job_failed,
        [KGR_EXCHANGE_TIMER] = on_timer,
        [KGR_EXCHANGE_OUTCOME] = on_outcome,
        [KGR_EXCHANGE_RESUME] = on_resume,
        [KGR_EXCHANGE_REVOKED] = on_revoked,
    };

    assert((size_t)event->type < KGR_ARRAY_LEN(handlers));
    out->num = 0;
    handlers[event->type](ex, event, out);
}

void kgr_exchange_sent(struct kgr_exchange *ex, uint64_t sequence)
{
    ex->sent[ex->num_sent % KGR_EXCHANGE_SENT] = sequence;
    ex->num_sent++;
}

const char *kgr_exchange_phase_name(enum kgr_exchange_phase phase)
{
    static const char *const names[] = {
        [KGR_EXCHANGE_IDLE] = "idle",
        [KGR_EXCHANGE_REQUESTING] = "requesting",
        [KGR_EXCHANGE_WAITING] = "waiting",
        [KGR_EXCHANGE_CANDIDATE] = "candidate",
        [KGR_EXCHANGE_SUPERSEDED] = "superseded",
        [KGR_EXCHANGE_FAILED] = "failed",
    };

    assert((size_t)phase < KGR_ARRAY_LEN(names));
    return names[phase];
}

uint8_t kgr_exchange_role(const struct kgr_exchange_state *state)
{
    return kgr_nid_cmp(&state->self, &state->peer) < 0 ? 1 : 2;
}

const uint8_t *kgr_exchange_open_xid(const struct kgr_exchange *ex)
{
    if (ex->s.phase == KGR_EXCHANGE_WAITING || ex->s.phase == KGR_EXCHANGE_CANDIDATE)
        return ex->s.candidate.xid;
    return NULL;
}

bool kgr_exchange_has_xid(const struct kgr_exchange *ex, const uint8_t xid[KGR_XID_LEN])
{
    const uint8_t *open = kgr_exchange_open_xid(ex);

    if (ex->s.phase == KGR_EXCHANGE_REQUESTING && memcmp(xid, ex->s.request_xid, KGR_XID_LEN) == 0)
        return true;
    return open != NULL && memcmp(xid, open, KGR_XID_LEN) == 0;
}
