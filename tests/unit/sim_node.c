/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/sim.h"

#include <string.h>

#include "agent/wire/body_sync.h"
#include "agent/wire/frame.h"

/* A node around its machines: as agent/node/protocol/exchange_glue.c and sync_glue.c are around them. */

/* Stands for the HMAC of docs/protocol.md, section 6: differs whenever an input does. */
static void confirm(uint8_t out[KGR_HASH_MAX], uint32_t key, uint8_t role,
                    const struct kgr_exchange *ex)
{
    const struct kgr_exchange_offer *offer = &ex->offer;
    bool first = kgr_exchange_role(&ex->s) == 1;
    uint8_t input[KGR_XID_LEN + 2 * KGR_TOPIC_LEN + 16] = {role, offer->suite};
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    memcpy(input + 4, &key, 4);
    memcpy(input + 8, &offer->generation, 8);
    memcpy(input + 16, offer->pxid, KGR_XID_LEN);
    memcpy(input + 16 + KGR_XID_LEN, first ? offer->topic_own : offer->topic_peer, KGR_TOPIC_LEN);
    memcpy(input + 16 + KGR_XID_LEN + KGR_TOPIC_LEN, first ? offer->topic_peer : offer->topic_own,
           KGR_TOPIC_LEN);
    for (size_t i = 0; i < sizeof(input) + KGR_HASH_MAX; i++) {
        h = (h ^ (i < sizeof(input) ? input[i] : i)) * UINT64_C(0x100000001b3);
        if (i >= sizeof(input))
            out[i - sizeof(input)] = (uint8_t)(h >> 32);
    }
}

static void send_req(struct sim *sim, size_t n, struct sim_frame *frame)
{
    struct sim_end *end = &sim->ends[n];

    frame->from = (uint8_t)n;
    frame->to = SIM_KS;
    frame->sequence = (uint64_t)end->epoch << 32 | ++end->counter[0];
    sim_post(sim, frame);
}

static void send(struct sim *sim, size_t n, const struct kgr_exchange_action *action)
{
    struct sim_node *node = &sim->nodes[n];
    struct sim_frame frame = {
        .type = action->frame,
        .requester = (uint8_t)(action->requester ? n : 1 - n),
        .highest = action->highest,
        .cause = action->cause,
        .refused_type = action->refused_type,
        .refused_sequence = action->refused_sequence,
        .reason = action->reason,
        .generation = action->generation,
    };

    if (!node->synced)
        return;
    memcpy(frame.xid, action->xid, KGR_XID_LEN);
    if (action->topic != NULL)
        memcpy(frame.topic, action->topic, KGR_TOPIC_LEN);
    if (action->offer != NULL) {
        memcpy(frame.pxid, action->offer->pxid, KGR_XID_LEN);
        frame.generation = action->offer->generation;
        memcpy(frame.topic, action->offer->topic_own, KGR_TOPIC_LEN);
        memcpy(frame.kc, action->offer->kc_own, KGR_HASH_MAX);
    }
    send_req(sim, n, &frame);
    kgr_exchange_sent(&node->ex, frame.sequence);
}

static void promote(struct sim_ring *ring)
{
    ring->previous = ring->current;
    ring->current = ring->candidate;
    ring->candidate = (struct sim_key){0};
}

static bool has(const struct kgr_exchange_actions *out, enum kgr_exchange_action_type type)
{
    for (size_t i = 0; i < out->num; i++)
        if (out->list[i].type == type)
            return true;
    return false;
}

/* commit is the transaction of one step. */
static void commit(struct sim *sim, size_t n, const struct kgr_exchange_actions *out)
{
    struct sim_node *node = &sim->nodes[n];

    if (has(out, KGR_EXCHANGE_DO_STORE)) {
        if (node->staged.generation != node->ex.s.candidate.generation)
            sim_fail(sim, "node %zu stores a candidate that it has not imported", n);
        node->disk.ring.candidate = node->staged;
    }
    if (has(out, KGR_EXCHANGE_DO_PROMOTE)) {
        if (node->disk.ring.candidate.generation != node->ex.s.current.generation)
            sim_fail(sim, "node %zu promotes a candidate that it does not hold", n);
        promote(&node->disk.ring);
    }
    if (has(out, KGR_EXCHANGE_DO_DROP)) {
        sim_check_drop(sim, n, node->disk.ring.candidate.generation,
                       has(out, KGR_EXCHANGE_DO_ALARM));
        node->disk.ring.candidate = (struct sim_key){0};
    }
    node->disk.s = node->ex.s;
    node->disk.window = node->window;
}

static void import(struct sim *sim, size_t n, const struct sim_frame *frame)
{
    struct sim_job *job = sim_job_add(sim, (uint8_t)n, SIM_IMPORT);

    job->key = (struct sim_key){frame->generation, frame->key};
}

static void key_confirmation(struct sim *sim, size_t n)
{
    struct sim_node *node = &sim->nodes[n];
    struct sim_job *job = sim_job_add(sim, (uint8_t)n, SIM_CONFIRM);
    uint8_t role = kgr_exchange_role(&node->ex.s);

    job->key = node->staged.generation != 0 ? node->staged : node->ring.candidate;
    job->lost = job->key.generation != node->ex.offer.generation;
    job->key.generation = node->ex.offer.generation;
    confirm(job->kc[0], job->key.number, role, &node->ex);
    confirm(job->kc[1], job->key.number, (uint8_t)(3 - role), &node->ex);
}

static void act(struct sim *sim, size_t n, const struct kgr_exchange_action *action,
                const struct sim_frame *frame)
{
    struct sim_node *node = &sim->nodes[n];

    switch (action->type) {
    case KGR_EXCHANGE_DO_SEND:
        send(sim, n, action);
        break;
    case KGR_EXCHANGE_DO_IMPORT:
        import(sim, n, frame);
        break;
    case KGR_EXCHANGE_DO_KC:
        key_confirmation(sim, n);
        break;
    case KGR_EXCHANGE_DO_STORE:
        node->ring.candidate = node->staged;
        node->staged = (struct sim_key){0};
        break;
    case KGR_EXCHANGE_DO_PROMOTE:
        node->before = node->ring.current.generation;
        promote(&node->ring);
        break;
    case KGR_EXCHANGE_DO_DROP:
        node->ring.candidate = (struct sim_key){0};
        break;
    case KGR_EXCHANGE_DO_DISCARD:
        node->staged = (struct sim_key){0};
        break;
    case KGR_EXCHANGE_DO_ALARM:
        node->alarms++;
        if (!sim->ks.twists)
            sim_fail(sim, "node %zu: a key confirmation does not fit", n);
        break;
    case KGR_EXCHANGE_DO_DESTROY: /* nobody is revoked here */
    case KGR_EXCHANGE_DO_PERSIST:
    case KGR_EXCHANGE_DO_NOTIFY:
    case KGR_EXCHANGE_DO_IGNORED:
        break;
    }
}

/* Nothing is revealed that a crash could take back: what a frame says stands on the disk before. */
static void check_order(struct sim *sim, size_t n, const struct kgr_exchange_actions *out)
{
    const struct sim_node *node = &sim->nodes[n];
    struct kgr_exchange_state s = node->ex.s;
    bool changes = has(out, KGR_EXCHANGE_DO_STORE) || has(out, KGR_EXCHANGE_DO_PROMOTE) ||
                   has(out, KGR_EXCHANGE_DO_DROP);
    bool persisted = false;

    for (size_t i = 0; i < out->num; i++) {
        if (out->list[i].type == KGR_EXCHANGE_DO_PERSIST)
            persisted = true;
        else if (out->list[i].type == KGR_EXCHANGE_DO_SEND && changes && !persisted)
            sim_fail(sim, "node %zu sends before it stores", n);
    }
    s.error = node->disk.s.error; /* only shown */
    if (!persisted && memcmp(&s, &node->disk.s, sizeof(s)) != 0)
        sim_fail(sim, "node %zu changes its state and does not store it", n);
}

/* What the node knows of a generation's age. */
static uint64_t age_ms(const struct sim *sim, size_t n, uint64_t generation)
{
    return sim->now_ms - sim->nodes[n].born_ms[generation % SIM_GENERATIONS];
}

static uint64_t lifetime_ms(struct sim *sim, uint64_t generation)
{
    return sim_generation(sim, generation)->lifetime_s * 1000ull;
}

/* may_send is the rule of agent/node/service/keys.c. */
static bool may_send(struct sim *sim, size_t n)
{
    const struct sim_node *node = &sim->nodes[n];
    uint64_t generation = node->ring.current.generation;

    return sim->ends[n].up && node->synced && kgr_sync_has_lease(&node->sync, sim->now_ms) &&
           generation != 0 && generation >= node->confirmed &&
           age_ms(sim, n, generation) < lifetime_ms(sim, generation);
}

void sim_node_record(struct sim *sim, size_t n)
{
    uint64_t generation = sim->nodes[n].ring.current.generation;
    struct sim_frame frame = {
        .type = SIM_RECORD,
        .from = (uint8_t)n,
        .to = (uint8_t)(1 - n),
        .generation = generation,
        .sent_ms = sim->now_ms,
    };

    if (!may_send(sim, n) || sim_expired(sim, generation))
        return;
    sim->records++;
    sim_post(sim, &frame);
}

static void peer_sends(struct sim_node *node, uint64_t generation)
{
    if (generation <= node->peer_generation)
        return;
    node->peer_generation = generation;
    node->renewal.deadline_ms = 0;
}

/*
 * No record is lost that arrives within the overlap, under the current generation or the one before. The one before
 * that had to make room, and a candidate of which nnsk_done never came ends with its lifetime.
 */
static void on_record(struct sim *sim, size_t n, const struct sim_frame *frame)
{
    struct sim_node *node = &sim->nodes[n];
    const struct sim_ring *ring = &node->ring;
    uint64_t g = frame->generation;

    if (g == ring->candidate.generation || g == ring->current.generation ||
        g == ring->previous.generation)
        peer_sends(node, g);
    else if (sim->now_ms - frame->sent_ms < sim->rules.overlap_s * 1000ull &&
             (g == node->before || (g > ring->current.generation && !sim_expired(sim, g))))
        sim_fail(sim, "a record under generation %llu is lost at node %zu", (unsigned long long)g,
                 n);
}

void sim_node_renewal(struct sim *sim, size_t n)
{
    struct sim_node *node = &sim->nodes[n];
    const struct sim_ring *ring = &node->ring;
    struct kgr_renewal_actions out;
    struct kgr_renewal_facts facts = {
        .now_ms = sim->now_ms,
        .role = kgr_exchange_role(&node->ex.s),
        .allowed = kgr_sync_has_lease(&node->sync, sim->now_ms),
        .busy = node->ex.s.phase != KGR_EXCHANGE_IDLE && node->ex.s.phase != KGR_EXCHANGE_FAILED,
        .generation = ring->current.generation,
        .previous = ring->previous.generation,
        .peer_generation = node->peer_generation,
    };

    sim_random(sim, &facts.jitter, sizeof(facts.jitter));
    if (facts.generation != 0) {
        facts.age_ms = age_ms(sim, n, facts.generation);
        facts.lifetime_ms = lifetime_ms(sim, facts.generation);
    }
    if (facts.previous != 0) {
        facts.previous_age_ms = age_ms(sim, n, facts.previous);
        facts.previous_lifetime_ms = lifetime_ms(sim, facts.previous);
    }
    kgr_renewal_step(&node->renewal, &sim->rules, &facts, &out);
    if (out.forget) {
        if (sim_crash_point(sim, (uint8_t)n))
            return;
        sim_trace(sim, "node %zu destroys generation %llu", n, (unsigned long long)facts.previous);
        sim->destroyed++;
        node->disk.ring.previous = node->ring.previous = (struct sim_key){0};
    }
    if (out.request) {
        sim->renewals++;
        sim_request(sim, n, true);
    }
    if (sim->ends[n].up && node->renewal.deadline_ms <= sim->now_ms && !out.forget && !out.request)
        sim_fail(sim, "the renewal of node %zu stands still", n);
}

/* run is false when the disk failed: the event is then as good as lost. */
static bool run(struct sim *sim, size_t n, struct kgr_exchange_event *event,
                const struct sim_frame *frame)
{
    struct sim_node *node = &sim->nodes[n];
    struct kgr_exchange before = node->ex;
    struct kgr_exchange_actions out;

    event->now_ms = sim->now_ms;
    sim_random(sim, &event->jitter, sizeof(event->jitter));
    kgr_exchange_step(&node->ex, event, &out);
    check_order(sim, n, &out);
    if (node->ex.s.phase != before.s.phase)
        sim_trace(sim, "node %zu: phase %d -> %d, candidate %llu, current %llu", n, before.s.phase,
                  node->ex.s.phase, (unsigned long long)node->ex.s.candidate.generation,
                  (unsigned long long)node->ex.s.current.generation);
    if (sim_crash_point(sim, (uint8_t)n))
        return true;
    if (has(&out, KGR_EXCHANGE_DO_PERSIST)) {
        if (sim_chance(sim, sim->faults.write)) {
            node->ex = before;
            if (event->type >= KGR_EXCHANGE_IMPORTED && event->type <= KGR_EXCHANGE_KC_FAILED)
                node->ex.job = KGR_EXCHANGE_JOB_NONE;
            return false;
        }
        commit(sim, n, &out);
    }
    for (size_t i = 0; i < out.num; i++) {
        if (sim_crash_point(sim, (uint8_t)n))
            return true;
        act(sim, n, &out.list[i], frame);
    }
    if (has(&out, KGR_EXCHANGE_DO_PROMOTE) && !node->ex.s.current.requester)
        peer_sends(node, node->ex.s.current.generation);
    node->renewal.deadline_ms = 0;
    return true;
}

/* As agent/node/protocol/sync_glue.c puts it in force. */
static void take_ages(struct sim *sim, size_t n, const struct sim_frame *ans)
{
    struct sim_node *node = &sim->nodes[n];
    const uint64_t held[] = {node->ring.candidate.generation, node->ring.current.generation,
                             node->ring.previous.generation};

    for (size_t i = 0; ans->generation != 0 && i < KGR_ARRAY_LEN(held); i++)
        if (held[i] != 0 && held[i] <= ans->generation &&
            (held[i] == ans->generation || age_ms(sim, n, held[i]) / 1000 < ans->age_s))
            node->born_ms[held[i] % SIM_GENERATIONS] = sim->now_ms - ans->age_s * 1000;
    if (ans->generation > node->confirmed)
        node->confirmed = ans->generation;
    peer_sends(node, ans->peer_generation);
    node->renewal.deadline_ms = 0;
}

static void sync_run(struct sim *sim, size_t n, struct kgr_sync_event *event,
                     const struct sim_frame *ans)
{
    struct sim_node *node = &sim->nodes[n];
    struct kgr_exchange_event told = {.type = KGR_EXCHANGE_OUTCOME};
    const uint8_t *xid = kgr_exchange_open_xid(&node->ex);
    uint8_t nonce[KGR_SYNC_NONCE_LEN];

    sim_random(sim, nonce, sizeof(nonce));
    sim_random(sim, &event->jitter, sizeof(event->jitter));
    event->now_ms = sim->now_ms;
    event->fresh_nonce = nonce;
    event->own_pages = 1;
    switch (kgr_sync_step(&node->sync, event)) {
    case KGR_SYNC_DO_BEGIN:
        node->sync_req = (struct sim_frame){
            .type = KGR_FRAME_SYNC_REQ,
            .current = node->ex.s.current.generation,
            .highest = node->ex.s.highest,
            .has_open = xid != NULL,
        };
        if (xid != NULL)
            memcpy(node->sync_req.open_xid, xid, KGR_XID_LEN);
        memcpy(node->sync_req.nonce, node->sync.nonce, sizeof(nonce));
        send_req(sim, n, &node->sync_req);
        break;
    case KGR_SYNC_DO_SEND:
        send_req(sim, n, &node->sync_req);
        break;
    case KGR_SYNC_DO_COMPLETE:
        take_ages(sim, n, ans);
        told.outcome = ans->outcome;
        memcpy(told.xid, ans->open_xid, KGR_XID_LEN);
        if (ans->has_open)
            (void)run(sim, n, &told, NULL);
        if (!sim->ends[n].up)
            return;
        node->synced = true;
        if (ans->generation > node->ex.s.current.generation &&
            kgr_exchange_open_xid(&node->ex) == NULL)
            sim_request(sim, n, true);
        if (sim->ends[n].up)
            (void)run(sim, n, &(struct kgr_exchange_event){.type = KGR_EXCHANGE_RESUME}, NULL);
        break;
    case KGR_SYNC_DO_TAKE:
    case KGR_SYNC_DO_IGNORE:
    case KGR_SYNC_DO_NOTHING:
        break;
    }
}

static void on_sync_ans(struct sim *sim, size_t n, const struct sim_frame *frame)
{
    struct kgr_sync_event event = {
        .type = KGR_SYNC_ANSWER,
        .nonce = frame->nonce,
        .ks_epoch = frame->epoch,
        .num_pages = 1,
        .lease_s = sim->lease_s,
    };

    sync_run(sim, n, &event, frame);
}

static bool event_type(enum kgr_exchange_event_type *out, uint8_t frame)
{
    switch (frame) {
    case KGR_FRAME_KEY_ANS:
        *out = KGR_EXCHANGE_KEY_ANS;
        return true;
    case KGR_FRAME_ADV_REQ:
        *out = KGR_EXCHANGE_ADV_REQ;
        return true;
    case KGR_FRAME_CONF_REQ:
        *out = KGR_EXCHANGE_CONF_REQ;
        return true;
    case KGR_FRAME_DONE:
        *out = KGR_EXCHANGE_DONE;
        return true;
    case KGR_FRAME_NACK:
        *out = KGR_EXCHANGE_NACK;
        return true;
    default:
        return false;
    }
}

void sim_node_receive(struct sim *sim, size_t n, const struct sim_frame *frame)
{
    struct sim_node *node = &sim->nodes[n];
    uint8_t topic[KGR_TOPIC_LEN];
    struct kgr_exchange_event event = {
        .sequence = frame->sequence,
        .nid1 = &sim->nids[frame->requester],
        .nid2 = &sim->nids[1 - frame->requester],
        .pxid = frame->pxid,
        .generation = frame->generation,
        .suite = frame->suite,
        .custody = frame->custody,
        .lifetime_s = frame->lifetime_s,
        .iv = frame->iv,
        .topic = frame->topic,
        .fresh_topic = topic,
        .kc = kgr_slice(frame->kc, kgr_suite_hash_len(KGR_SUITE_AES128_SHA256)),
        .refuse = node->refuses ? KGR_REASON_BAD_CUSTODY : 0,
        .refused_type = frame->refused_type,
        .refused_sequence = frame->refused_sequence,
        .reason = frame->reason,
        .retry_after_s = frame->retry_after_s,
    };

    if (frame->type == SIM_RECORD) {
        on_record(sim, n, frame);
        return;
    }
    if (kgr_window_accept(&node->window, frame->sequence) != KGR_OK)
        return;
    memcpy(event.xid, frame->xid, KGR_XID_LEN);
    sim_random(sim, topic, sizeof(topic));
    if (frame->type == KGR_FRAME_SYNC_ANS)
        on_sync_ans(sim, n, frame);
    else if (frame->type == KGR_FRAME_NACK && !kgr_exchange_has_xid(&node->ex, frame->xid))
        return; /* which pair it is about is known by the exchange alone */
    else if (event_type(&event.type, frame->type))
        (void)run(sim, n, &event, frame);
    if (sim->ends[n].up)
        node->disk.window = node->window;
}

void sim_node_job(struct sim *sim, size_t n, const struct sim_job *job)
{
    struct sim_node *node = &sim->nodes[n];
    bool fails = job->lost || sim_chance(sim, sim->faults.job);
    struct kgr_exchange_event event = {
        .generation = job->key.generation,
        .kc_own = job->kc[0],
        .kc_expected = job->kc[1],
        .kc_len = kgr_suite_hash_len(KGR_SUITE_AES128_SHA256),
        .error = KGR_ERR_FAILED,
    };

    if (job->work == SIM_CONFIRM) {
        event.type = fails ? KGR_EXCHANGE_KC_FAILED : KGR_EXCHANGE_KC;
    } else {
        event.type = fails ? KGR_EXCHANGE_IMPORT_FAILED : KGR_EXCHANGE_IMPORTED;
        if (!fails && node->ex.job == KGR_EXCHANGE_JOB_IMPORT &&
            node->ex.offer.generation == job->key.generation) {
            node->staged = job->key;
            node->born_ms[job->key.generation % SIM_GENERATIONS] = sim->now_ms;
        }
    }
    (void)run(sim, n, &event, NULL);
}

void sim_node_timer(struct sim *sim, size_t n)
{
    uint8_t xid[KGR_XID_LEN], topic[KGR_TOPIC_LEN];
    struct kgr_exchange_event event = {
        .type = KGR_EXCHANGE_TIMER, .fresh_xid = xid, .fresh_topic = topic};
    struct kgr_exchange *ex = &sim->nodes[n].ex;

    sim_random(sim, xid, sizeof(xid));
    sim_random(sim, topic, sizeof(topic));
    if (!run(sim, n, &event, NULL))
        ex->deadline_ms = sim->now_ms + KGR_RETRY_MAX_MS;
    else if (sim->ends[n].up && ex->deadline_ms <= sim->now_ms)
        sim_fail(sim, "the timer of node %zu stands still", n);
}

void sim_request(struct sim *sim, size_t n, bool renew)
{
    uint8_t xid[KGR_XID_LEN], topic[KGR_TOPIC_LEN];
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_REQUEST,
                                       .fresh_xid = xid,
                                       .fresh_topic = topic,
                                       .cause = renew ? 1 : 0,
                                       .renew = renew};

    if (!sim->ends[n].up)
        return;
    sim_random(sim, xid, sizeof(xid));
    sim_random(sim, topic, sizeof(topic));
    (void)run(sim, n, &event, NULL);
}

void sim_node_sync_timer(struct sim *sim, size_t n)
{
    sync_run(sim, n, &(struct kgr_sync_event){.type = KGR_SYNC_TIMER}, NULL);
}

void sim_node_connected(struct sim *sim, size_t n)
{
    sync_run(sim, n, &(struct kgr_sync_event){.type = KGR_SYNC_CONNECTED}, NULL);
}

void sim_node_start(struct sim *sim, size_t n)
{
    struct sim_node *node = &sim->nodes[n];

    kgr_exchange_restart(&node->ex, &node->disk.s, sim->now_ms);
    node->ring = node->disk.ring;
    node->staged = (struct sim_key){0};
    node->window = node->disk.window;
    node->synced = false;
    kgr_sync_init(&node->sync);
    for (size_t i = 0; i < SIM_GENERATIONS; i++)
        node->born_ms[i] = sim->now_ms; /* ages are forgotten */
    kgr_renewal_init(&node->renewal);
    node->renewal.deadline_ms = 0;
    node->confirmed = 0;
    node->peer_generation =
        node->ex.s.current.requester ? 0 : node->ex.s.current.generation; /* nnsk_done was heard */
}

void sim_node_init(struct sim *sim, size_t n)
{
    struct sim_node *node = &sim->nodes[n];

    if (kgr_exchange_init(&node->ex, &sim->nids[n], &sim->nids[1 - n]) != KGR_OK)
        sim_fail(sim, "node %zu is refused", n);
    node->disk.s = node->ex.s;
    sim_node_start(sim, n);
    if (kgr_exchange_role(&node->ex.s) != n + 1)
        sim_fail(sim, "the role of node %zu is not that of its N_ID", n);
}
