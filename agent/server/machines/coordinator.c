/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/coordinator.h"

#include "agent/server/machines/coordinator_actions.h"

#include <assert.h>
#include <string.h>

#define RETRY_FIRST_MS 1000u
#define RETRY_MAX_MS   60000u
/* What a requester is told when the KS cannot serve it at the moment. */
#define BUSY_S 2u
/* A node that says "busy" for longer is asked again all the same. */
#define BUSY_MAX_S 3600u

typedef struct kgr_coordinator_row row_t;
typedef const struct kgr_coordinator_event event_t;
typedef struct kgr_coordinator_actions actions_t;

static uint8_t destined(const row_t *row)
{
    return row->requester == 0 ? 1 : 0;
}

static bool is_open(const row_t *row)
{
    return row->phase == KGR_COORDINATOR_BIRTH || row->phase == KGR_COORDINATOR_ADVERTISED ||
           row->phase == KGR_COORDINATOR_COMMITTED;
}

static row_t *open_row(struct kgr_coordinator *co)
{
    const row_t *row = kgr_coordinator_open(&co->s);

    return row == NULL ? NULL : &co->s.rows[row - co->s.rows];
}

static row_t *find_row(struct kgr_coordinator_state *state, uint8_t side, const uint8_t *xid)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        row_t *row = &state->rows[i];

        if (row->phase != KGR_COORDINATOR_FREE &&
            memcmp(row->xid[side == row->requester ? 0 : 1], xid, KGR_COORDINATOR_XID_LEN) == 0)
            return row;
    }
    return NULL;
}

static void schedule(struct kgr_coordinator *co, event_t *event)
{
    uint64_t delay = RETRY_MAX_MS;

    if (co->attempts < 6) /* 1, 2, 4, 8, 16, 32 s; then the limit */
        delay = (uint64_t)RETRY_FIRST_MS << co->attempts;
    if (co->attempts < UINT32_MAX)
        co->attempts++;
    co->deadline_ms = event->now_ms + delay - delay / 4 + event->jitter % (delay / 2 + 1);
}

static void forget(row_t *row)
{
    memset(row, 0, sizeof *row);
}

/*
 * abort_row ends an exchange of which no decision was revealed. The tombstone is for the requester, which may hold a
 * candidate; to the destined node an unknown exchange means the same.
 */
static void abort_row(struct kgr_coordinator *co, row_t *row, uint8_t reason, actions_t *out)
{
    assert(row->phase == KGR_COORDINATOR_BIRTH || row->phase == KGR_COORDINATOR_ADVERTISED);
    kgr_co_erase(out, row, 0);
    kgr_co_erase(out, row, 1);
    row->phase = KGR_COORDINATOR_ABORTED;
    row->reason = reason;
    co->job = false;
    co->deadline_ms = UINT64_MAX;
    kgr_co_report(out, row);
}

/*
 * void_row ends a committed exchange whose requester said that it does not hold the candidate and never will. It
 * did not send under it, and the destined node was not told that it may: nobody loses a message.
 */
static void void_row(struct kgr_coordinator *co, row_t *row, actions_t *out)
{
    assert(row->phase == KGR_COORDINATOR_COMMITTED);
    kgr_co_erase(out, row, 0);
    kgr_co_erase(out, row, 1);
    row->phase = KGR_COORDINATOR_ABORTED;
    row->reason = KGR_REASON_ABORTED;
    co->deadline_ms = UINT64_MAX;
    kgr_co_report(out, row);
}

/* left tells that `side` is engaged in none of the ended exchanges but `except`: it needs no answers about them. */
static void left(struct kgr_coordinator *co, uint8_t side, const row_t *except)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        row_t *row = &co->s.rows[i];

        if (row == except || is_open(row) || row->phase == KGR_COORDINATOR_FREE)
            continue;
        if (row->phase == KGR_COORDINATOR_CONFIRMED && side == destined(row))
            forget(row);
        else if (row->phase == KGR_COORDINATOR_ABORTED && side == row->requester)
            forget(row);
    }
}

static bool note_sequence(struct kgr_coordinator *co, event_t *event)
{
    if (event->sequence <= co->s.seen[event->side])
        return false;
    co->s.seen[event->side] = event->sequence;
    return true;
}

static void note_highest(struct kgr_coordinator *co, uint64_t generation)
{
    if (generation > co->s.highest && generation <= KGR_COORDINATOR_GENERATION_MAX)
        co->s.highest = generation;
}

/* A request that the KS knows: its decision is repeated. */
static void repeat(struct kgr_coordinator *co, row_t *row, event_t *event, actions_t *out)
{
    if (event->sequence > row->request_sequence)
        row->request_sequence = event->sequence;
    switch (row->phase) {
    case KGR_COORDINATOR_BIRTH:
        if (!co->job)
            kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_BUSY, BUSY_S, 0);
        break;
    case KGR_COORDINATOR_ADVERTISED:
        kgr_co_send(out, row, KGR_CO_KEY_ANS, row->requester);
        break;
    case KGR_COORDINATOR_COMMITTED:
        kgr_co_send(out, row, KGR_CO_KEY_ANS, row->requester);
        kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
        break;
    case KGR_COORDINATOR_CONFIRMED:
        kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
        break;
    case KGR_COORDINATOR_ABORTED:
        kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_ABORTED, 0, row->generation);
        break;
    case KGR_COORDINATOR_FREE:
        break;
    }
}

static void birth(struct kgr_coordinator *co, row_t *row, actions_t *out)
{
    row->generation = ++co->s.highest;
    co->job = true;
    co->deadline_ms = UINT64_MAX;
    kgr_co_add(out, KGR_COORDINATOR_DO_BIRTH)->row = row;
}

static void begin(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = NULL;

    for (size_t i = 0; i < KGR_COORDINATOR_ROWS && row == NULL; i++)
        if (co->s.rows[i].phase == KGR_COORDINATOR_FREE)
            row = &co->s.rows[i];
    if (row == NULL) {
        kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_BUSY, 60, 0);
        return;
    }
    *row = (row_t){
        .phase = KGR_COORDINATOR_BIRTH,
        .requester = event->side,
        .suite = event->grant.suite,
        .custody = event->grant.custody,
        .lifetime_s = event->grant.lifetime_s,
        .begun_s = event->now_s,
        .request_sequence = event->sequence,
    };
    memcpy(row->xid[0], event->xid, KGR_COORDINATOR_XID_LEN);
    memcpy(row->xid[1], event->fresh_xid, KGR_COORDINATOR_XID_LEN);
    memcpy(row->pxid, event->pxid, KGR_COORDINATOR_XID_LEN);
    memcpy(row->topic3, event->topic, KGR_TOPIC_LEN);
    co->attempts = 0;
    co->num_sent = 0;
    birth(co, row, out);
    kgr_co_report(out, row);
}

/* make_way: true when no exchange is open any more, so that a new request can be served. */
static bool make_way(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = open_row(co);

    if (row == NULL)
        return true;
    if (event->side == row->requester) {
        /* It asks with another id, later than it asked last: it has given up this one. */
        if (row->phase != KGR_COORDINATOR_COMMITTED) {
            abort_row(co, row, KGR_REASON_SUPERSEDED, out);
            forget(row);
            return true;
        }
        if (event->highest < row->generation) {
            void_row(co, row, out);
            forget(row);
            return true;
        }
        kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
    } else if (row->phase == KGR_COORDINATOR_ADVERTISED) {
        kgr_co_send(out, row, KGR_CO_ADV_REQ, destined(row));
    }
    kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_SUPERSEDED, 0, row->generation);
    return false;
}

static void on_key_req(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = find_row(&co->s, event->side, event->xid);
    bool latest = note_sequence(co, event);

    if (row != NULL && row->requester == event->side) {
        repeat(co, row, event, out);
        return;
    }
    /* A request that was on its way for so long that its sender has spoken of the pair since is none any more. */
    if (row != NULL || !latest) {
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
        return;
    }
    if (event->grant.reason != 0) {
        kgr_co_refuse(out, event, KGR_CO_KEY_REQ, event->grant.reason, event->grant.retry_after_s,
                      0);
        return;
    }
    if (event->topic_known) {
        kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_ABORTED, 0, 0);
        return;
    }
    if (event->highest >= KGR_COORDINATOR_GENERATION_MAX ||
        co->s.highest >= KGR_COORDINATOR_GENERATION_MAX) {
        kgr_co_refuse(out, event, KGR_CO_KEY_REQ, KGR_REASON_BAD_GENERATION, 0, co->s.highest);
        return;
    }
    left(co, event->side, NULL);
    note_highest(co, event->highest);
    if (make_way(co, event, out))
        begin(co, event, out);
}

static row_t *born_row(struct kgr_coordinator *co, event_t *event)
{
    row_t *row = open_row(co);

    if (!co->job || row == NULL || row->phase != KGR_COORDINATOR_BIRTH ||
        row->generation != event->generation)
        return NULL; /* aborted meanwhile; the owner drops what was born */
    co->job = false;
    return row;
}

static void on_born(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = born_row(co, event);

    if (row == NULL)
        return;
    memcpy(row->iv, event->iv, KGR_IV_LEN);
    row->phase = KGR_COORDINATOR_ADVERTISED;
    co->attempts = 0;
    kgr_co_add(out, KGR_COORDINATOR_DO_KEEP)->row = row;
    kgr_co_report(out, row);
    kgr_co_send(out, row, KGR_CO_KEY_ANS, row->requester);
    kgr_co_send(out, row, KGR_CO_ADV_REQ, destined(row));
    schedule(co, event);
}

static void on_birth_failed(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = born_row(co, event);

    if (row == NULL)
        return;
    if (event->final) {
        abort_row(co, row, KGR_REASON_ABORTED, out);
        kgr_co_tell_aborted(row, out);
        return;
    }
    schedule(co, event);
}

static bool matches(const row_t *row, event_t *event)
{
    return row->generation == event->generation &&
           memcmp(row->pxid, event->pxid, KGR_COORDINATOR_XID_LEN) == 0;
}

static void commit(struct kgr_coordinator *co, row_t *row, event_t *event, actions_t *out)
{
    row->phase = KGR_COORDINATOR_COMMITTED;
    memcpy(row->topic4, event->topic, KGR_TOPIC_LEN);
    kgr_copy(row->kc[1], event->kc.p, event->kc.len);
    kgr_co_erase(out, row, destined(row));
    kgr_co_report(out, row);
    kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
    co->attempts = 0;
    co->num_sent = 0;
    schedule(co, event);
}

static void on_adv_ans(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = find_row(&co->s, event->side, event->xid);

    (void)note_sequence(co, event);
    if (row == NULL) {
        kgr_co_refuse(out, event, KGR_CO_ADV_ANS, KGR_REASON_ABORTED, 0, event->generation);
        return;
    }
    if (destined(row) != event->side || !matches(row, event) ||
        event->kc.len != kgr_suite_hash_len((enum kgr_suite)row->suite)) {
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
        return;
    }
    switch (row->phase) {
    case KGR_COORDINATOR_ADVERTISED:
        if (event->topic_known) {
            abort_row(co, row, KGR_REASON_ABORTED, out);
            kgr_co_refuse(out, event, KGR_CO_ADV_ANS, KGR_REASON_ABORTED, 0, row->generation);
            kgr_co_tell_aborted(row, out);
            break;
        }
        left(co, event->side, row);
        commit(co, row, event, out);
        break;
    case KGR_COORDINATOR_COMMITTED:
        kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
        break;
    case KGR_COORDINATOR_CONFIRMED:
        kgr_co_send(out, row, KGR_CO_DONE, event->side);
        break;
    case KGR_COORDINATOR_ABORTED:
        kgr_co_refuse(out, event, KGR_CO_ADV_ANS, KGR_REASON_ABORTED, 0, row->generation);
        break;
    case KGR_COORDINATOR_BIRTH:
    case KGR_COORDINATOR_FREE:
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
        break;
    }
}

static void on_conf_ans(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = find_row(&co->s, event->side, event->xid);

    (void)note_sequence(co, event);
    if (row == NULL || row->requester != event->side || row->phase != KGR_COORDINATOR_COMMITTED ||
        !matches(row, event) || event->kc.len != kgr_suite_hash_len((enum kgr_suite)row->suite)) {
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
        return;
    }
    row->phase = KGR_COORDINATOR_CONFIRMED;
    kgr_copy(row->kc[0], event->kc.p, event->kc.len);
    co->s.current[event->side] = row->generation;
    co->s.generation = row->generation;
    co->s.generation_s = row->begun_s;
    co->s.generation_lifetime_s = row->lifetime_s;
    co->s.generation_suite = row->suite;
    co->s.generation_custody = row->custody;
    co->deadline_ms = UINT64_MAX;
    kgr_co_erase(out, row, row->requester);
    kgr_co_report(out, row);
    kgr_co_send(out, row, KGR_CO_DONE, destined(row));
}

static bool was_sent(const struct kgr_coordinator *co, uint64_t sequence)
{
    size_t n = co->num_sent < KGR_COORDINATOR_SENT ? co->num_sent : KGR_COORDINATOR_SENT;

    for (size_t i = 0; i < n; i++)
        if (co->sent[i] == sequence)
            return true;
    return false;
}

static void on_nack(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = find_row(&co->s, event->side, event->xid);

    (void)note_sequence(co, event);
    if (row == NULL || row != open_row(co) || !was_sent(co, event->refused_sequence)) {
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
        return;
    }
    if (event->reason == KGR_REASON_BUSY) {
        uint32_t s = event->retry_after_s < BUSY_MAX_S ? event->retry_after_s : BUSY_MAX_S;

        co->deadline_ms = event->now_ms + (s > 0 ? s : 1) * 1000ull + event->jitter % 1000;
        return;
    }
    if (event->reason == KGR_REASON_BAD_GENERATION)
        note_highest(co, event->generation);
    if (row->phase == KGR_COORDINATOR_ADVERTISED &&
        event->refused_type == (event->side == row->requester ? KGR_CO_KEY_ANS : KGR_CO_ADV_REQ)) {
        abort_row(co, row, event->reason, out);
        kgr_co_tell_aborted(row, out);
    } else if (row->phase == KGR_COORDINATOR_COMMITTED && event->side == row->requester &&
               event->refused_type == KGR_CO_CONF_REQ && event->reason == KGR_REASON_ABORTED) {
        void_row(co, row, out);
        forget(row);
    } else {
        kgr_co_add(out, KGR_COORDINATOR_DO_IGNORED);
    }
}

static bool listed(event_t *event, const uint8_t *xid)
{
    for (size_t i = 0; i < event->num_open; i++)
        if (memcmp(event->open_xids + i * KGR_COORDINATOR_XID_LEN, xid, KGR_COORDINATOR_XID_LEN) ==
            0)
            return true;
    return false;
}

/* What a sync says of one row: a node that saw generation g and does not hold it as a candidate has ended it. */
static void sync_row(struct kgr_coordinator *co, row_t *row, event_t *event, actions_t *out)
{
    bool requester = row->requester == event->side;
    bool ended = event->complete && event->highest >= row->generation &&
                 !listed(event, row->xid[requester ? 0 : 1]);

    switch (row->phase) {
    case KGR_COORDINATOR_CONFIRMED:
        if (!requester && (ended || event->current >= row->generation))
            forget(row);
        break;
    case KGR_COORDINATOR_ABORTED:
        if (requester && ended)
            forget(row);
        break;
    case KGR_COORDINATOR_COMMITTED:
        if (requester && ended && event->current < row->generation) {
            void_row(co, row, out);
            forget(row);
        }
        break;
    case KGR_COORDINATOR_BIRTH:
    case KGR_COORDINATOR_ADVERTISED:
    case KGR_COORDINATOR_FREE:
        break;
    }
}

static void on_sync(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    (void)note_sequence(co, event);
    note_highest(co, event->highest);
    note_highest(co, event->current);
    co->s.current[event->side] = event->current;
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
        sync_row(co, &co->s.rows[i], event, out);
}

static void send_due(struct kgr_coordinator *co, row_t *row, event_t *event, actions_t *out)
{
    if (row->phase == KGR_COORDINATOR_BIRTH) {
        birth(co, row, out);
        return;
    }
    if (row->phase == KGR_COORDINATOR_ADVERTISED)
        kgr_co_send(out, row, KGR_CO_ADV_REQ, destined(row));
    else
        kgr_co_send(out, row, KGR_CO_CONF_REQ, row->requester);
    schedule(co, event);
}

/* expire forgets what is over by its lifetime: a late frame must not bring it back to life. */
static void expire(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        row_t *row = &co->s.rows[i];

        if (row->phase == KGR_COORDINATOR_FREE || event->now_s < row->begun_s + row->lifetime_s)
            continue;
        if (is_open(row)) {
            kgr_co_erase(out, row, 0);
            kgr_co_erase(out, row, 1);
            co->job = false;
            co->deadline_ms = UINT64_MAX;
        }
        forget(row);
    }
}

static void on_timer(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = open_row(co);

    if (row == NULL || co->job)
        return;
    if (row->phase != KGR_COORDINATOR_COMMITTED &&
        event->now_s >= row->begun_s + co->advert_keep_s) {
        abort_row(co, row, KGR_REASON_EXPIRED, out);
        kgr_co_tell_aborted(row, out);
        return;
    }
    if (event->now_ms >= co->deadline_ms)
        send_due(co, row, event, out);
}

static void on_resume(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = open_row(co);

    if (row == NULL || co->job || row->phase == KGR_COORDINATOR_BIRTH)
        return;
    co->attempts = 0;
    if (row->phase == KGR_COORDINATOR_ADVERTISED)
        kgr_co_send(out, row, KGR_CO_KEY_ANS, row->requester);
    send_due(co, row, event, out);
}

/* A node that was away asks again by itself only for what it knows of; and the timer may have come to long delays. */
static void on_heard(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = open_row(co);
    uint8_t awaited;

    if (row == NULL || co->job || row->phase == KGR_COORDINATOR_BIRTH)
        return;
    awaited = row->phase == KGR_COORDINATOR_ADVERTISED ? destined(row) : row->requester;
    if (event->side != awaited)
        return;
    co->attempts = 0;
    send_due(co, row, event, out);
}

static void on_denied(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *row = open_row(co);

    /* What was committed is carried to its end: both nodes then agree on what they must give up. */
    if (row == NULL || row->phase == KGR_COORDINATOR_COMMITTED)
        return;
    abort_row(co, row, event->reason, out);
    kgr_co_tell_aborted(row, out);
}

static void on_revoked(struct kgr_coordinator *co, event_t *event, actions_t *out)
{
    row_t *open = open_row(co);

    if (open != NULL && open->phase == KGR_COORDINATOR_COMMITTED)
        void_row(co, open, out);
    else if (open != NULL)
        abort_row(co, open, event->reason, out);
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        if (&co->s.rows[i] != open)
            forget(&co->s.rows[i]);
    }
    if (open != NULL)
        open->reason = event->reason;
    /* Another TPM may bear the name next, and begin at a lower epoch. */
    co->s.seen[event->side] = 0;
    co->s.current[0] = co->s.current[1] = 0;
    co->s.generation = 0;
    co->s.generation_s = 0;
    co->s.generation_lifetime_s = 0;
    co->s.generation_suite = 0;
    co->s.generation_custody = 0;
}

/* persist_first puts PERSIST before everything that the step does. */
static void persist_first(actions_t *out)
{
    assert(out->num < KGR_COORDINATOR_MAX_ACTIONS);
    memmove(out->list + 1, out->list, out->num * sizeof out->list[0]);
    out->num++;
    out->list[0] = (struct kgr_coordinator_action){.type = KGR_COORDINATOR_DO_PERSIST};
}

void kgr_coordinator_step(struct kgr_coordinator *co, const struct kgr_coordinator_event *event,
                          struct kgr_coordinator_actions *out)
{
    static void (*const handlers[])(struct kgr_coordinator *, event_t *, actions_t *) = {
        [KGR_COORDINATOR_KEY_REQ] = on_key_req,   [KGR_COORDINATOR_ADV_ANS] = on_adv_ans,
        [KGR_COORDINATOR_CONF_ANS] = on_conf_ans, [KGR_COORDINATOR_NACK] = on_nack,
        [KGR_COORDINATOR_BORN] = on_born,         [KGR_COORDINATOR_BIRTH_FAILED] = on_birth_failed,
        [KGR_COORDINATOR_SYNC] = on_sync,         [KGR_COORDINATOR_TIMER] = on_timer,
        [KGR_COORDINATOR_RESUME] = on_resume,     [KGR_COORDINATOR_DENIED] = on_denied,
        [KGR_COORDINATOR_REVOKED] = on_revoked,   [KGR_COORDINATOR_HEARD] = on_heard,
    };
    assert((size_t)event->type < KGR_ARRAY_LEN(handlers));
    out->num = 0;
    expire(co, event, out);
    handlers[event->type](co, event, out);
    if (memcmp(&co->persisted, &co->s, sizeof co->s) != 0) {
        co->persisted = co->s;
        persist_first(out);
    }
}
