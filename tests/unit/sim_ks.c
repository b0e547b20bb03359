/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/sim.h"

#include <string.h>

#include "agent/wire/frame.h"

/* The KS around the coordinator of the pair: as agent/server/protocol/exchanges.c and synchro.c are around it. */

static void send(struct sim *sim, const struct kgr_coordinator_action *action)
{
    struct sim_ks *ks = &sim->ks;
    struct sim_end *end = &sim->ends[SIM_KS];
    const struct kgr_coordinator_row *row = action->row;
    const struct sim_key *duplicate = &ks->disk.duplicates[action->side];
    bool offers = action->frame == KGR_FRAME_KEY_ANS || action->frame == KGR_FRAME_ADV_REQ;
    struct sim_frame frame = {
        .type = action->frame,
        .from = SIM_KS,
        .to = action->side,
        .generation = action->generation,
        .refused_type = action->refused_type,
        .refused_sequence = action->refused_sequence,
        .reason = action->reason,
        .retry_after_s = action->retry_after_s,
    };

    memcpy(frame.xid, action->xid, KGR_XID_LEN);
    if (row != NULL) {
        if (offers && duplicate->generation != row->generation)
            return; /* this end proved that it has the keys */
        frame.requester = row->requester;
        frame.generation = row->generation;
        frame.suite = row->suite;
        frame.custody = row->custody;
        frame.lifetime_s = row->lifetime_s;
        frame.key = duplicate->number;
        memcpy(frame.pxid, row->pxid, KGR_XID_LEN);
        memcpy(frame.iv, row->iv, KGR_IV_LEN);
        memcpy(frame.topic, offers ? row->topic3 : row->topic4, KGR_TOPIC_LEN);
        memcpy(frame.kc, row->kc[action->frame == KGR_FRAME_CONF_REQ ? 1 : 0], KGR_HASH_MAX);
    }
    frame.sequence = (uint64_t)end->epoch << 32 | ++end->counter[action->side];
    sim_check_told(sim, &frame);
    sim_post(sim, &frame);
    if (offers || action->frame == KGR_FRAME_CONF_REQ)
        kgr_coordinator_sent(&ks->co, frame.sequence);
}

/* commit is the transaction of one step; born is the key of a BORN event. */
static void commit(struct sim *sim, const struct kgr_coordinator_actions *out, uint32_t born)
{
    struct sim_ks *ks = &sim->ks;

    for (size_t i = 0; i < out->num; i++) {
        const struct kgr_coordinator_action *action = &out->list[i];
        struct sim_key *duplicate = &ks->disk.duplicates[action->side];

        if (action->type == KGR_COORDINATOR_DO_PERSIST) {
            ks->disk.s = ks->co.s;
        } else if (action->type == KGR_COORDINATOR_DO_KEEP) {
            for (size_t side = 0; side < SIM_NODES; side++) {
                if (ks->disk.duplicates[side].generation != 0)
                    sim_fail(sim, "the KS holds duplicates of an exchange that is over");
                ks->disk.duplicates[side] =
                    (struct sim_key){action->row->generation,
                                     born + (ks->twists && side == 1 ? UINT32_C(1) << 31 : 0)};
            }
            sim_generation(sim, action->row->generation)->key = born;
        } else if (action->type == KGR_COORDINATOR_DO_ERASE &&
                   duplicate->generation == action->generation) {
            *duplicate = (struct sim_key){0};
        }
    }
    if (memcmp(&ks->disk.s, &ks->co.s, sizeof(ks->co.s)) != 0)
        sim_fail(sim, "the KS changes its state and does not store it");
}

static void act(struct sim *sim, const struct kgr_coordinator_action *action)
{
    if (action->type == KGR_COORDINATOR_DO_SEND) {
        send(sim, action);
    } else if (action->type == KGR_COORDINATOR_DO_BIRTH) {
        sim_check_birth(sim, action->row);
        sim_job_add(sim, SIM_KS, SIM_BIRTH)->key.generation = action->row->generation;
    }
}

static bool idle(const struct sim *sim)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
        if (sim->ks.co.s.rows[i].phase != KGR_COORDINATOR_FREE)
            return false;
    return sim->ends[SIM_KS].num_jobs == 0;
}

static void run(struct sim *sim, struct kgr_coordinator_event *event, uint32_t born)
{
    struct sim_ks *ks = &sim->ks;
    struct kgr_coordinator_actions out;

    ks->loaded = true;
    event->now_ms = sim->now_ms;
    event->now_s = sim_now_s(sim);
    sim_random(sim, &event->jitter, sizeof(event->jitter));
    kgr_coordinator_step(&ks->co, event, &out);
    commit(sim, &out, born);
    for (size_t i = 0; i < out.num; i++)
        if (out.list[i].type == KGR_COORDINATOR_DO_REPORT)
            sim_check_report(sim, &out.list[i]);
    for (size_t i = 0; i < out.num; i++) {
        if (sim_crash_point(sim, SIM_KS))
            return;
        act(sim, &out.list[i]);
    }
    if (idle(sim)) {
        ks->loaded = false;
        kgr_coordinator_restart(&ks->co, &ks->disk.s, sim->advert_keep_s, sim->now_ms);
    }
}

static bool topic_known(const struct sim *sim, const uint8_t *topic)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        const struct kgr_coordinator_row *row = &sim->ks.co.s.rows[i];

        if (row->phase != KGR_COORDINATOR_FREE && (memcmp(row->topic3, topic, KGR_TOPIC_LEN) == 0 ||
                                                   memcmp(row->topic4, topic, KGR_TOPIC_LEN) == 0))
            return true;
    }
    return false;
}

static void on_sync_req(struct sim *sim, const struct sim_frame *frame)
{
    struct sim_end *end = &sim->ends[SIM_KS];
    struct kgr_coordinator_event event = {
        .type = KGR_COORDINATOR_SYNC,
        .side = frame->from,
        .sequence = frame->sequence,
        .current = frame->current,
        .highest = frame->highest,
        .complete = true,
        .open_xids = frame->open_xid,
        .num_open = frame->has_open ? 1 : 0,
    };
    struct sim_frame ans = {
        .type = KGR_FRAME_SYNC_ANS,
        .from = SIM_KS,
        .to = frame->from,
        .epoch = end->epoch,
        .has_open = frame->has_open,
    };
    enum kgr_coordinator_outcome outcome;
    uint64_t generation;

    if (frame->highest != 0 && sim->ks.loaded)
        run(sim, &event, 0);
    if (!end->up)
        return;
    memcpy(ans.nonce, frame->nonce, sizeof(ans.nonce));
    memcpy(ans.open_xid, frame->open_xid, KGR_XID_LEN);
    memcpy(ans.xid, frame->xid, KGR_XID_LEN);
    ans.generation = sim->ks.co.s.generation;
    ans.peer_generation = sim->ks.co.s.current[1 - frame->from];
    ans.age_s = sim_now_s(sim) - sim->ks.co.s.generation_s;
    outcome = kgr_coordinator_outcome(&sim->ks.co.s, frame->from, frame->open_xid, &generation);
    ans.outcome = (uint8_t)outcome;
    ans.sequence = (uint64_t)end->epoch << 32 | ++end->counter[frame->from];
    sim_post(sim, &ans);
}

static bool event_type(enum kgr_coordinator_event_type *out, const struct sim *sim,
                       const struct sim_frame *frame)
{
    uint64_t generation;

    switch (frame->type) {
    case KGR_FRAME_KEY_REQ:
        *out = KGR_COORDINATOR_KEY_REQ;
        return true;
    case KGR_FRAME_ADV_ANS:
        *out = KGR_COORDINATOR_ADV_ANS;
        return true;
    case KGR_FRAME_CONF_ANS:
        *out = KGR_COORDINATOR_CONF_ANS;
        return true;
    case KGR_FRAME_NACK:
        *out = KGR_COORDINATOR_NACK;
        return sim->ks.loaded &&
               kgr_coordinator_outcome(&sim->ks.co.s, frame->from, frame->xid, &generation) !=
                   KGR_COORDINATOR_OUTCOME_UNKNOWN;
    default:
        return false;
    }
}

void sim_ks_receive(struct sim *sim, const struct sim_frame *frame)
{
    struct sim_ks *ks = &sim->ks;
    bool asks = frame->type == KGR_FRAME_KEY_REQ;
    uint8_t xid[KGR_XID_LEN], pxid[KGR_XID_LEN];
    struct kgr_coordinator_event event = {
        .side = frame->from,
        .xid = frame->xid,
        .sequence = frame->sequence,
        .pxid = asks ? pxid : frame->pxid,
        .fresh_xid = xid,
        .generation = frame->generation,
        .highest = frame->highest,
        .topic = frame->topic,
        .topic_known = topic_known(sim, frame->topic),
        .grant = {.reason = ks->denied ? KGR_REASON_NOT_AUTHORIZED : 0,
                  .suite = KGR_SUITE_AES128_SHA256,
                  .custody = 1,
                  .lifetime_s = sim->lifetime_s},
        .kc = kgr_slice(frame->kc, kgr_suite_hash_len(KGR_SUITE_AES128_SHA256)),
        .refused_type = frame->refused_type,
        .refused_sequence = frame->refused_sequence,
        .reason = frame->reason,
        .retry_after_s = frame->retry_after_s,
    };

    /* The window and what the frame causes are one transaction: a crash is before it or after it. */
    if (sim_crash_point(sim, SIM_KS) ||
        kgr_window_accept(&ks->disk.windows[frame->from], frame->sequence) != KGR_OK)
        return;
    sim_random(sim, xid, sizeof(xid));
    sim_random(sim, pxid, sizeof(pxid));
    if (frame->type == KGR_FRAME_SYNC_REQ)
        on_sync_req(sim, frame);
    else if (event_type(&event.type, sim, frame))
        run(sim, &event, 0);
}

void sim_ks_job(struct sim *sim, const struct sim_job *job)
{
    bool fails = sim_chance(sim, sim->faults.job);
    uint8_t iv[KGR_IV_LEN];
    struct kgr_coordinator_event event = {
        .type = fails ? KGR_COORDINATOR_BIRTH_FAILED : KGR_COORDINATOR_BORN,
        .generation = job->key.generation,
        .iv = iv,
        .final = fails && sim_below(sim, 4) == 0,
    };

    if (sim_crash_point(sim, SIM_KS))
        return;
    sim_random(sim, iv, sizeof(iv));
    run(sim, &event, ++sim->births);
}

void sim_ks_event(struct sim *sim, enum kgr_coordinator_event_type type)
{
    struct kgr_coordinator_event event = {.type = type, .reason = KGR_REASON_REVOKED};

    if (!sim->ks.loaded || !sim->ends[SIM_KS].up || sim_crash_point(sim, SIM_KS))
        return;
    run(sim, &event, 0);
    if (type == KGR_COORDINATOR_TIMER && sim->ends[SIM_KS].up &&
        sim->ks.co.deadline_ms <= sim->now_ms)
        sim_fail(sim, "the timer of the KS stands still");
}

void sim_ks_start(struct sim *sim)
{
    kgr_coordinator_restart(&sim->ks.co, &sim->ks.disk.s, sim->advert_keep_s, sim->now_ms);
    sim->ks.loaded = !idle(sim);
}

void sim_ks_init(struct sim *sim)
{
    struct sim_ks *ks = &sim->ks;

    if (kgr_coordinator_init(&ks->co, &sim->nids[1], &sim->nids[0], sim->advert_keep_s) != KGR_OK)
        sim_fail(sim, "the KS refuses the pair");
    ks->disk.s = ks->co.s;
    for (uint8_t side = 0; side < SIM_NODES; side++)
        if (kgr_coordinator_side(&ks->co.s, &sim->nids[side]) != side)
            sim_fail(sim, "sides of the KS are not those of the N_IDs");
    sim_ks_start(sim);
}
