/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/nksk_renewal.h"

#include <string.h>

#include "agent/wire/common.h"

typedef const struct kgr_nksk_event event_t;

static void schedule(struct kgr_nksk_renewal *renewal, event_t *event)
{
    renewal->deadline_ms = event->now_ms + kgr_retry_delay_ms(&renewal->retry, event->jitter);
}

/* go_on: what is due now, if it may go. */
static enum kgr_nksk_action go_on(struct kgr_nksk_renewal *renewal, event_t *event)
{
    renewal->deadline_ms = UINT64_MAX;
    if (renewal->busy)
        return KGR_NKSK_DO_NOTHING;
    switch (renewal->s.phase) {
    case KGR_NKSK_IDLE:
        if (!renewal->synced || renewal->s.wanted == 0)
            return KGR_NKSK_DO_NOTHING;
        renewal->busy = true;
        return KGR_NKSK_DO_PREPARE;
    case KGR_NKSK_ASKING:
        if (!renewal->synced)
            return KGR_NKSK_DO_NOTHING;
        schedule(renewal, event);
        return KGR_NKSK_DO_SEND_REQ;
    case KGR_NKSK_PROVING:
        if (!renewal->connected)
            return KGR_NKSK_DO_NOTHING;
        schedule(renewal, event);
        return KGR_NKSK_DO_SEND_PROOF;
    }
    return KGR_NKSK_DO_NOTHING;
}

/* satisfies: a renewal with or without a new storage key does what is wanted. */
static bool satisfies(bool storage, uint8_t wanted)
{
    return storage || (wanted & KGR_REKEY_STORAGE) == 0;
}

static enum kgr_nksk_action on_want(struct kgr_nksk_renewal *renewal, event_t *event)
{
    uint8_t before = renewal->s.wanted;
    enum kgr_nksk_action action;

    if (renewal->s.phase != KGR_NKSK_IDLE && satisfies(renewal->s.storage, event->wanted))
        return KGR_NKSK_DO_NOTHING;
    renewal->s.wanted |= event->wanted;
    action = renewal->s.phase == KGR_NKSK_IDLE ? go_on(renewal, event) : KGR_NKSK_DO_NOTHING;
    if (action == KGR_NKSK_DO_NOTHING && renewal->s.wanted != before)
        return KGR_NKSK_DO_PERSIST;
    return action;
}

/* give_up: the wish that stands will be said again by whoever has it. */
static enum kgr_nksk_action give_up(struct kgr_nksk_renewal *renewal)
{
    renewal->s = (struct kgr_nksk_state){.phase = KGR_NKSK_IDLE};
    renewal->busy = false;
    renewal->deadline_ms = UINT64_MAX;
    return KGR_NKSK_DO_ABANDON;
}

static enum kgr_nksk_action on_prepared(struct kgr_nksk_renewal *renewal, event_t *event)
{
    struct kgr_nksk_state *s = &renewal->s;

    if (s->phase != KGR_NKSK_IDLE || !renewal->busy)
        return KGR_NKSK_DO_IGNORE;
    s->phase = KGR_NKSK_ASKING;
    s->storage = (event->wanted & KGR_REKEY_STORAGE) != 0;
    if (satisfies(s->storage, s->wanted))
        s->wanted = 0;
    memcpy(s->exchange, event->exchange, sizeof(s->exchange));
    memcpy(s->nonce_n, event->nonce_n, sizeof(s->nonce_n));
    memcpy(s->topic2, event->topic2, sizeof(s->topic2));
    memcpy(s->req_hash, event->req_hash, sizeof(s->req_hash));
    kgr_retry_reset(&renewal->retry);
    if (s->storage)
        return KGR_NKSK_DO_PLACE; /* still busy */
    renewal->busy = false;
    schedule(renewal, event);
    return KGR_NKSK_DO_STORE;
}

static enum kgr_nksk_action on_placed(struct kgr_nksk_renewal *renewal, event_t *event)
{
    if (renewal->s.phase != KGR_NKSK_ASKING || !renewal->busy)
        return KGR_NKSK_DO_IGNORE;
    renewal->busy = false;
    return go_on(renewal, event);
}

static bool ours(const struct kgr_nksk_renewal *renewal, event_t *event)
{
    return memcmp(event->exchange, renewal->s.exchange, KGR_NKSK_ID_LEN) == 0 &&
           memcmp(event->nonce_n, renewal->s.nonce_n, KGR_NKSK_NONCE_LEN) == 0;
}

static enum kgr_nksk_action on_challenge(struct kgr_nksk_renewal *renewal, event_t *event)
{
    if (renewal->s.phase != KGR_NKSK_ASKING || renewal->busy || !ours(renewal, event))
        return KGR_NKSK_DO_IGNORE;
    renewal->busy = true;
    return KGR_NKSK_DO_WORK;
}

static enum kgr_nksk_action on_accepted(struct kgr_nksk_renewal *renewal, event_t *event)
{
    struct kgr_nksk_state *s = &renewal->s;

    if (s->phase != KGR_NKSK_ASKING || !renewal->busy)
        return KGR_NKSK_DO_IGNORE;
    renewal->busy = false;
    s->phase = KGR_NKSK_PROVING;
    memcpy(s->nonce_ks, event->nonce_ks, sizeof(s->nonce_ks));
    memcpy(s->topic1, event->topic1, sizeof(s->topic1));
    memcpy(s->key_id, event->key_id, sizeof(s->key_id));
    memcpy(s->proof, event->proof, sizeof(s->proof));
    memcpy(s->done, event->done, sizeof(s->done));
    kgr_retry_reset(&renewal->retry);
    schedule(renewal, event);
    return KGR_NKSK_DO_ACCEPT;
}

static enum kgr_nksk_action finish(struct kgr_nksk_renewal *renewal)
{
    renewal->s = (struct kgr_nksk_state){.phase = KGR_NKSK_IDLE, .wanted = renewal->s.wanted};
    renewal->deadline_ms = UINT64_MAX;
    return KGR_NKSK_DO_FINISH;
}

static enum kgr_nksk_action on_done(struct kgr_nksk_renewal *renewal, event_t *event)
{
    if (renewal->s.phase != KGR_NKSK_PROVING || !ours(renewal, event) ||
        memcmp(event->transcript, renewal->s.done, KGR_NKSK_HASH_LEN) != 0)
        return KGR_NKSK_DO_IGNORE;
    return finish(renewal);
}

static enum kgr_nksk_action on_nack(struct kgr_nksk_renewal *renewal, event_t *event)
{
    if (renewal->s.phase != KGR_NKSK_ASKING || renewal->busy ||
        memcmp(event->exchange, renewal->s.exchange, KGR_NKSK_ID_LEN) != 0)
        return KGR_NKSK_DO_IGNORE;
    return give_up(renewal);
}

void kgr_nksk_restart(struct kgr_nksk_renewal *out, const struct kgr_nksk_state *state, bool placed)
{
    *out = (struct kgr_nksk_renewal){.s = *state, .deadline_ms = UINT64_MAX};
    /* The KS never saw a request whose storage key was not placed. */
    if (state->phase == KGR_NKSK_ASKING && state->storage && !placed)
        out->s = (struct kgr_nksk_state){.phase = KGR_NKSK_IDLE,
                                         .wanted = KGR_REKEY_WANTED | KGR_REKEY_STORAGE};
}

enum kgr_nksk_action kgr_nksk_step(struct kgr_nksk_renewal *renewal, event_t *event)
{
    switch (event->type) {
    case KGR_NKSK_WANT:
        return on_want(renewal, event);
    case KGR_NKSK_CONNECTED:
        renewal->connected = true;
        kgr_retry_reset(&renewal->retry);
        return go_on(renewal, event);
    case KGR_NKSK_SYNCED:
        renewal->connected = true;
        renewal->synced = true;
        return go_on(renewal, event);
    case KGR_NKSK_LOST:
        renewal->connected = false;
        renewal->synced = false;
        renewal->deadline_ms = UINT64_MAX;
        return KGR_NKSK_DO_NOTHING;
    case KGR_NKSK_TIMER:
        return event->now_ms < renewal->deadline_ms ? KGR_NKSK_DO_NOTHING : go_on(renewal, event);
    case KGR_NKSK_PREPARED:
        return on_prepared(renewal, event);
    case KGR_NKSK_PLACED:
        return on_placed(renewal, event);
    case KGR_NKSK_FAILED:
        return renewal->busy ? give_up(renewal) : KGR_NKSK_DO_IGNORE;
    case KGR_NKSK_CHALLENGE:
        return on_challenge(renewal, event);
    case KGR_NKSK_ACCEPTED:
        return on_accepted(renewal, event);
    case KGR_NKSK_REFUSED:
        /* nksk_req is repeated on its timer: a damaged challenge must not stop the node. */
        renewal->busy = false;
        return KGR_NKSK_DO_NOTHING;
    case KGR_NKSK_DONE:
        return on_done(renewal, event);
    case KGR_NKSK_HEARD:
        return renewal->s.phase == KGR_NKSK_PROVING ? finish(renewal) : KGR_NKSK_DO_NOTHING;
    case KGR_NKSK_NACK:
        return on_nack(renewal, event);
    }
    return KGR_NKSK_DO_NOTHING;
}

uint64_t kgr_nksk_due_s(const uint8_t key_id[KGR_NKSK_ID_LEN], uint64_t lifetime_s)
{
    return lifetime_s * (75u + key_id[0] % 21u) / 100;
}

/* The state as bytes */

#define VERSION 1u

void kgr_nksk_state_encode(struct kgr_wr *wr, const struct kgr_nksk_state *state)
{
    kgr_wr_u8(wr, VERSION);
    kgr_wr_u8(wr, (uint8_t)state->phase);
    kgr_wr_u8(wr, state->wanted);
    kgr_wr_u8(wr, state->storage ? 1 : 0);
    kgr_wr_bytes(wr, state->exchange, sizeof(state->exchange));
    kgr_wr_bytes(wr, state->nonce_n, sizeof(state->nonce_n));
    kgr_wr_bytes(wr, state->topic2, sizeof(state->topic2));
    kgr_wr_bytes(wr, state->req_hash, sizeof(state->req_hash));
    kgr_wr_bytes(wr, state->nonce_ks, sizeof(state->nonce_ks));
    kgr_wr_bytes(wr, state->topic1, sizeof(state->topic1));
    kgr_wr_bytes(wr, state->key_id, sizeof(state->key_id));
    kgr_wr_bytes(wr, state->proof, sizeof(state->proof));
    kgr_wr_bytes(wr, state->done, sizeof(state->done));
}

enum kgr_error kgr_nksk_state_decode(struct kgr_nksk_state *out, struct kgr_slice bytes)
{
    struct kgr_nksk_state state = {0};
    struct kgr_rd rd;
    uint8_t phase;

    kgr_rd_init(&rd, bytes.p, bytes.len);
    if (kgr_rd_u8(&rd) != VERSION)
        kgr_rd_fail(&rd);
    phase = kgr_rd_u8(&rd);
    state.wanted = kgr_wire_read_rekey(&rd);
    state.storage = kgr_wire_read_flag(&rd);
    kgr_rd_bytes(&rd, state.exchange, sizeof(state.exchange));
    kgr_rd_bytes(&rd, state.nonce_n, sizeof(state.nonce_n));
    kgr_rd_bytes(&rd, state.topic2, sizeof(state.topic2));
    kgr_rd_bytes(&rd, state.req_hash, sizeof(state.req_hash));
    kgr_rd_bytes(&rd, state.nonce_ks, sizeof(state.nonce_ks));
    kgr_rd_bytes(&rd, state.topic1, sizeof(state.topic1));
    kgr_rd_bytes(&rd, state.key_id, sizeof(state.key_id));
    kgr_rd_bytes(&rd, state.proof, sizeof(state.proof));
    kgr_rd_bytes(&rd, state.done, sizeof(state.done));
    if (phase > KGR_NKSK_PROVING || !kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    state.phase = (enum kgr_nksk_phase)phase;
    *out = state;
    return KGR_OK;
}
