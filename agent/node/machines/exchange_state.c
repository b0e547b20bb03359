/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/exchange_state.h"

#define VERSION 1u

static bool get_bool(struct kgr_rd *rd)
{
    uint8_t v = kgr_rd_u8(rd);

    if (v > 1)
        kgr_rd_fail(rd);
    return v == 1;
}

static void get_version(struct kgr_rd *rd)
{
    if (kgr_rd_u8(rd) != VERSION)
        kgr_rd_fail(rd);
}

static void put_offer(struct kgr_wr *wr, const struct kgr_exchange_offer *offer)
{
    kgr_wr_bytes(wr, offer->xid, sizeof(offer->xid));
    kgr_wr_bytes(wr, offer->pxid, sizeof(offer->pxid));
    kgr_wr_u64(wr, offer->generation);
    kgr_wr_u32(wr, offer->lifetime_s);
    kgr_wr_u8(wr, offer->suite);
    kgr_wr_u8(wr, offer->custody);
    kgr_wr_u8(wr, offer->requester ? 1 : 0);
    kgr_wr_bytes(wr, offer->iv, sizeof(offer->iv));
    kgr_wr_bytes(wr, offer->topic_own, sizeof(offer->topic_own));
    kgr_wr_bytes(wr, offer->topic_peer, sizeof(offer->topic_peer));
    kgr_wr_u8(wr, offer->kc_len);
    kgr_wr_bytes(wr, offer->kc_own, sizeof(offer->kc_own));
    kgr_wr_bytes(wr, offer->kc_peer, sizeof(offer->kc_peer));
}

static void get_offer(struct kgr_rd *rd, struct kgr_exchange_offer *out)
{
    kgr_rd_bytes(rd, out->xid, sizeof(out->xid));
    kgr_rd_bytes(rd, out->pxid, sizeof(out->pxid));
    out->generation = kgr_rd_u64(rd);
    out->lifetime_s = kgr_rd_u32(rd);
    out->suite = kgr_rd_u8(rd);
    out->custody = kgr_rd_u8(rd);
    out->requester = get_bool(rd);
    kgr_rd_bytes(rd, out->iv, sizeof(out->iv));
    kgr_rd_bytes(rd, out->topic_own, sizeof(out->topic_own));
    kgr_rd_bytes(rd, out->topic_peer, sizeof(out->topic_peer));
    out->kc_len = kgr_rd_u8(rd);
    if (out->kc_len > KGR_HASH_MAX)
        kgr_rd_fail(rd);
    kgr_rd_bytes(rd, out->kc_own, sizeof(out->kc_own));
    kgr_rd_bytes(rd, out->kc_peer, sizeof(out->kc_peer));
    if (out->generation != 0 && !kgr_suite_known(out->suite))
        kgr_rd_fail(rd);
}

void kgr_exchange_offer_encode(struct kgr_wr *wr, const struct kgr_exchange_offer *offer)
{
    kgr_wr_u8(wr, VERSION);
    put_offer(wr, offer);
}

enum kgr_error kgr_exchange_offer_decode(struct kgr_exchange_offer *out, struct kgr_slice bytes)
{
    struct kgr_exchange_offer offer = {0};
    struct kgr_rd rd;

    kgr_rd_init(&rd, bytes.p, bytes.len);
    get_version(&rd);
    get_offer(&rd, &offer);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    *out = offer;
    return KGR_OK;
}

void kgr_exchange_state_encode(struct kgr_wr *wr, const struct kgr_exchange_state *state)
{
    kgr_wr_u8(wr, VERSION);
    kgr_wr_u8(wr, (uint8_t)state->phase);
    kgr_wr_bytes(wr, state->request_xid, sizeof(state->request_xid));
    kgr_wr_bytes(wr, state->request_topic, sizeof(state->request_topic));
    kgr_wr_u8(wr, state->request_cause);
    kgr_wr_u64(wr, state->request_highest);
    kgr_wr_u64(wr, state->highest);
    kgr_wr_u32(wr, (uint32_t)state->error);
    put_offer(wr, &state->candidate);
    put_offer(wr, &state->current);
}

enum kgr_error kgr_exchange_state_decode(struct kgr_exchange_state *out, struct kgr_slice bytes)
{
    struct kgr_exchange_state state = *out;
    struct kgr_rd rd;
    uint32_t error;
    uint8_t phase;

    kgr_rd_init(&rd, bytes.p, bytes.len);
    get_version(&rd);
    phase = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, state.request_xid, sizeof(state.request_xid));
    kgr_rd_bytes(&rd, state.request_topic, sizeof(state.request_topic));
    state.request_cause = kgr_rd_u8(&rd);
    state.request_highest = kgr_rd_u64(&rd);
    state.highest = kgr_rd_u64(&rd);
    error = kgr_rd_u32(&rd);
    get_offer(&rd, &state.candidate);
    get_offer(&rd, &state.current);
    if (phase > KGR_EXCHANGE_FAILED || error >= KGR_ERR_COUNT || !kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    state.phase = (enum kgr_exchange_phase)phase;
    state.error = (enum kgr_error)error;
    *out = state;
    return KGR_OK;
}

void kgr_registration_state_encode(struct kgr_wr *wr, const struct kgr_registration_state *state)
{
    kgr_wr_u8(wr, VERSION);
    kgr_wr_u8(wr, (uint8_t)state->phase);
    kgr_wr_bytes(wr, state->exchange, sizeof(state->exchange));
    kgr_wr_bytes(wr, state->nonce_n, sizeof(state->nonce_n));
    kgr_wr_bytes(wr, state->req_hash, sizeof(state->req_hash));
    kgr_wr_bytes(wr, state->nonce_ks, sizeof(state->nonce_ks));
    kgr_wr_bytes(wr, state->key_id, sizeof(state->key_id));
    kgr_wr_u8(wr, state->suite);
    kgr_wr_u8(wr, state->custody);
    kgr_wr_bytes(wr, state->proof, sizeof(state->proof));
    kgr_wr_bytes(wr, state->done, sizeof(state->done));
}

enum kgr_error kgr_registration_state_decode(struct kgr_registration_state *out,
                                             struct kgr_slice bytes)
{
    struct kgr_registration_state state = {0};
    struct kgr_rd rd;
    uint8_t phase;

    kgr_rd_init(&rd, bytes.p, bytes.len);
    get_version(&rd);
    phase = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, state.exchange, sizeof(state.exchange));
    kgr_rd_bytes(&rd, state.nonce_n, sizeof(state.nonce_n));
    kgr_rd_bytes(&rd, state.req_hash, sizeof(state.req_hash));
    kgr_rd_bytes(&rd, state.nonce_ks, sizeof(state.nonce_ks));
    kgr_rd_bytes(&rd, state.key_id, sizeof(state.key_id));
    state.suite = kgr_rd_u8(&rd);
    state.custody = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, state.proof, sizeof(state.proof));
    kgr_rd_bytes(&rd, state.done, sizeof(state.done));
    if (phase > KGR_REGISTRATION_REGISTERED || !kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    state.phase = (enum kgr_registration_phase)phase;
    *out = state;
    return KGR_OK;
}
