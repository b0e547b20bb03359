/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/pairs.h"

#include "agent/base/secret.h"
#include "agent/node/store/anchor.h"
#include "agent/wire/common.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The table */

static size_t position(const struct kgr_pairs *pairs, const struct kgr_nid *peer, bool *out_found)
{
    size_t low = 0;
    size_t high = pairs->num;

    *out_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = kgr_nid_cmp(&pairs->list[middle]->ex.s.peer, peer);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct kgr_pair *kgr_pairs_find(const struct kgr_pairs *pairs, const struct kgr_nid *peer)
{
    bool found;
    size_t i = position(pairs, peer, &found);

    return found ? pairs->list[i] : NULL;
}

struct kgr_pair *kgr_pairs_find_xid(const struct kgr_pairs *pairs, const uint8_t xid[KGR_XID_LEN])
{
    for (size_t i = 0; i < pairs->num; i++)
        if (kgr_exchange_has_xid(&pairs->list[i]->ex, xid))
            return pairs->list[i];
    return NULL;
}

static size_t count_unnamed(const struct kgr_pairs *pairs)
{
    size_t n = 0;

    for (size_t i = 0; i < pairs->num; i++)
        if (pairs->list[i]->status == KGR_PAIR_UNNAMED)
            n++;
    return n;
}

static enum kgr_error grow(struct kgr_pairs *pairs)
{
    size_t cap = pairs->cap == 0 ? 16 : pairs->cap * 2;
    struct kgr_pair **list;

    if (pairs->num < pairs->cap)
        return KGR_OK;
    list = realloc(pairs->list, cap * sizeof(struct kgr_pair *));
    if (list == NULL)
        return KGR_ERR_NO_MEMORY;
    pairs->list = list;
    pairs->cap = cap;
    return KGR_OK;
}

enum kgr_error kgr_pairs_ensure(struct kgr_pairs *pairs, struct kgr_pair **out,
                                const struct kgr_nid *peer, bool unnamed)
{
    struct kgr_pair *pair;
    bool found;
    size_t i = position(pairs, peer, &found);
    enum kgr_error err;

    if (found) {
        *out = pairs->list[i];
        return KGR_OK;
    }
    if (pairs->num >= KGR_PAIRS_MAX || (unnamed && count_unnamed(pairs) >= KGR_PAIRS_UNNAMED_MAX))
        return KGR_ERR_QUOTA;
    err = grow(pairs);
    if (err != KGR_OK)
        return err;
    pair = calloc(1, sizeof(*pair));
    if (pair == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_exchange_init(&pair->ex, &pairs->self, peer);
    if (err != KGR_OK) {
        free(pair);
        return err;
    }
    kgr_renewal_init(&pair->renewal);
    memmove(pairs->list + i + 1, pairs->list + i, (pairs->num - i) * sizeof(struct kgr_pair *));
    pairs->list[i] = pair;
    pairs->num++;
    *out = pair;
    return KGR_OK;
}

static void free_pair(struct kgr_pair *pair)
{
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++)
        kgr_pair_records_free(pair->records[i]);
    free(pair->blobs);
    kgr_mailbox_free(pair->mailbox);
    free(pair);
}

void kgr_pairs_remove(struct kgr_pairs *pairs, struct kgr_pair *pair)
{
    bool found;
    size_t i = position(pairs, &pair->ex.s.peer, &found);

    assert(found && pairs->list[i] == pair && pair->jobs == 0 && pair->staged == NULL);
    pairs->num--;
    memmove(pairs->list + i, pairs->list + i + 1, (pairs->num - i) * sizeof(struct kgr_pair *));
    free_pair(pair);
}

enum kgr_error kgr_pairs_init(struct kgr_pairs *out, const struct kgr_nid *self)
{
    *out = (struct kgr_pairs){.self = *self, .next_key_id = KGR_PAIRS_FIRST_KEY_ID};
    return kgr_ring_new(&out->ring);
}

void kgr_pairs_deinit(struct kgr_pairs *pairs)
{
    for (size_t i = 0; i < pairs->num; i++) {
        kgr_ring_key_free(pairs->list[i]->staged);
        free_pair(pairs->list[i]);
    }
    free(pairs->list);
    kgr_ring_free(pairs->ring);
    *pairs = (struct kgr_pairs){0};
}

void kgr_pairs_close_unusable(struct kgr_pairs *pairs, bool lease)
{
    for (size_t i = 0; i < pairs->num; i++) {
        const struct kgr_pair *pair = pairs->list[i];

        if (lease && pair->status == KGR_PAIR_ALLOWED)
            continue;
        for (int place = 0; place < KGR_RING_NUM_PLACES; place++) {
            struct kgr_ring_key *key =
                kgr_ring_at(pairs->ring, &pair->ex.s.peer, (enum kgr_ring_place)place);

            if (key != NULL && kgr_keyset_is_ready(key->keys))
                kgr_keyset_close(key->keys);
        }
    }
}

void kgr_pair_row_of(const struct kgr_pair *pair, struct kgr_pair_row *out)
{
    out->state = pair->ex.s;
    out->status = (uint8_t)pair->status;
    out->word = pair->word;
    out->floor = pair->floor;
}

/* Keys */

enum kgr_error kgr_pair_auths(const struct kgr_anchor *anchor, const struct kgr_nid *peer,
                              uint64_t generation, struct kgr_tpm_auth **out_enc,
                              struct kgr_tpm_auth **out_mac)
{
    uint8_t id[KGR_NID_MAX + 1 + 8];
    struct kgr_wr wr;
    struct kgr_tpm_auth *enc = NULL;
    struct kgr_tpm_auth *mac = NULL;
    enum kgr_error err;

    kgr_wr_init(&wr, id, sizeof(id));
    kgr_wire_write_nid(&wr, peer);
    kgr_wr_u64(&wr, generation);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    err = kgr_auth_derive(anchor->root, &enc, "nnsk", kgr_wr_slice(&wr));
    if (err == KGR_OK)
        err = kgr_auth_derive(anchor->root, &mac, "nnsksign", kgr_wr_slice(&wr));
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        return err;
    }
    *out_enc = enc;
    *out_mac = mac;
    return KGR_OK;
}

enum kgr_error kgr_pair_make_key(struct kgr_pairs *pairs, struct kgr_ring_key **out,
                                 const struct kgr_exchange_state *state,
                                 const struct kgr_exchange_offer *offer,
                                 const struct kgr_key_blobs *blobs, const struct kgr_anchor *anchor,
                                 uint64_t now_ms)
{
    static const uint8_t unknown[KGR_TOPIC_LEN];
    struct kgr_tpm_auth *enc = NULL;
    struct kgr_tpm_auth *mac = NULL;
    struct kgr_ring_key *key = calloc(1, sizeof(*key));
    enum kgr_error err = key == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_pair_auths(anchor, &state->peer, offer->generation, &enc, &mac);
    if (err == KGR_OK)
        err = kgr_keyset_new(&key->keys, (enum kgr_suite)offer->suite, anchor->storage, blobs,
                             pairs->next_key_id, enc, pairs->next_key_id + 1, mac);
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        kgr_secret_free(mac);
        free(key);
        return err;
    }
    pairs->next_key_id += 2;
    key->generation = offer->generation;
    key->suite = (enum kgr_suite)offer->suite;
    key->custody = offer->custody;
    key->own_role = kgr_exchange_role(state);
    key->lifetime_s = offer->lifetime_s;
    key->born_ms = now_ms;
    key->has_send_topic = memcmp(offer->topic_peer, unknown, KGR_TOPIC_LEN) != 0;
    memcpy(key->pxid, offer->pxid, KGR_PXID_LEN);
    memcpy(key->iv, offer->iv, KGR_IV_LEN);
    memcpy(key->receive_topic, offer->topic_own, KGR_TOPIC_LEN);
    memcpy(key->send_topic, offer->topic_peer, KGR_TOPIC_LEN);
    memcpy(key->kc_own, offer->kc_own, KGR_HASH_MAX);
    *out = key;
    return KGR_OK;
}

struct kgr_pair_records *kgr_pair_find_records(struct kgr_pair *pair, uint64_t generation)
{
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++)
        if (pair->records[i] != NULL && pair->records[i]->generation == generation)
            return pair->records[i];
    return NULL;
}

struct kgr_pair_records *kgr_pair_add_records(struct kgr_pair *pair, uint64_t generation)
{
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++) {
        struct kgr_pair_records *records;

        if (pair->records[i] != NULL)
            continue;
        records = calloc(1, sizeof(*records));
        if (records == NULL)
            return NULL;
        atomic_init(&records->holders, 1);
        records->generation = generation;
        kgr_record_send_restart(&records->send, 0);
        kgr_record_recv_restart(&records->recv, 0);
        kgr_budget_restart(&records->budget, 0);
        pair->records[i] = records;
        return records;
    }
    return NULL;
}

void kgr_pair_drop_records(struct kgr_pair *pair, uint64_t generation)
{
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++) {
        struct kgr_pair_records *records = pair->records[i];

        if (records == NULL || records->generation != generation)
            continue;
        atomic_store_explicit(&records->dropped, true, memory_order_release);
        kgr_pair_records_free(records);
        pair->records[i] = NULL;
    }
}

struct kgr_pair_records *kgr_pair_records_hold(struct kgr_pair_records *records)
{
    (void)atomic_fetch_add_explicit(&records->holders, 1, memory_order_relaxed);
    return records;
}

void kgr_pair_records_free(struct kgr_pair_records *records)
{
    if (records != NULL &&
        atomic_fetch_sub_explicit(&records->holders, 1, memory_order_acq_rel) == 1)
        free(records);
}

uint64_t kgr_ring_key_age_s(const struct kgr_ring_key *key, uint64_t now_ms)
{
    /* A key may be older than the boot clock: born_ms is then "negative", and the difference still right. */
    return (now_ms - key->born_ms) / 1000;
}

uint64_t kgr_ring_key_rest_s(const struct kgr_ring_key *key, uint64_t now_ms)
{
    uint64_t age = kgr_ring_key_age_s(key, now_ms);

    return age >= key->lifetime_s ? 0 : key->lifetime_s - age;
}

bool kgr_ring_key_opens(const struct kgr_ring_key *key, uint32_t overlap_s, uint64_t now_ms)
{
    return kgr_ring_key_age_s(key, now_ms) < (uint64_t)key->lifetime_s + overlap_s;
}

/* Loading */

struct load {
    struct kgr_pairs *pairs;
    const struct kgr_anchor *anchor;
    uint64_t now_ms;
};

static enum kgr_error load_pair(void *arg, const struct kgr_pair_row *row, struct kgr_diag *diag)
{
    struct load *load = arg;
    struct kgr_exchange_state state = row->state;
    struct kgr_pair *pair;
    enum kgr_error err = kgr_pairs_ensure(load->pairs, &pair, &row->state.peer, false);

    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "pair %s of the state database", row->state.peer.s);
    state.self = load->pairs->self;
    kgr_exchange_restart(&pair->ex, &state, load->now_ms);
    pair->renewal.deadline_ms = 0;
    /* nnsk_done told the destined node that its peer has gone on. */
    if (!row->state.current.requester)
        pair->peer_generation = row->state.current.generation;
    pair->status =
        row->status <= KGR_PAIR_DENIED ? (enum kgr_pair_status)row->status : KGR_PAIR_UNNAMED;
    pair->word = row->word;
    pair->floor = row->floor;
    return KGR_OK;
}

static enum kgr_error load_key(void *arg, const struct kgr_generation_row *row,
                               struct kgr_diag *diag)
{
    struct load *load = arg;
    struct kgr_pair *pair = kgr_pairs_find(load->pairs, &row->peer);
    struct kgr_pair_records *records;
    struct kgr_ring_key *key = NULL;
    enum kgr_error err;

    if (pair == NULL)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: a key of no pair, for %s",
                            row->peer.s);
    err = kgr_pair_make_key(load->pairs, &key, &pair->ex.s, &row->offer, &row->blobs, load->anchor,
                            load->now_ms);
    if (err == KGR_OK) {
        err = kgr_ring_put(load->pairs->ring, &row->peer, row->place, key);
        if (err != KGR_OK)
            kgr_ring_key_free(key);
    }
    records = err == KGR_OK ? kgr_pair_add_records(pair, row->offer.generation) : NULL;
    if (records == NULL)
        return kgr_diag_set(diag, err == KGR_OK ? KGR_ERR_CORRUPT : err,
                            "state database: a key of %s cannot be used", row->peer.s);
    /* Records between what was seen and the ceiling are refused from now on: the sender shall get a new key. */
    if (!row->has_seen && row->recv_ceiling != 0 && row->place == KGR_RING_CURRENT)
        pair->skipped = row->offer.generation;
    kgr_record_send_restart(&records->send, row->send_ceiling);
    kgr_budget_restart(&records->budget, row->blocks);
    if (row->has_seen)
        kgr_record_recv_restore(&records->recv, row->recv_ceiling, row->seen);
    else
        kgr_record_recv_restart(&records->recv, row->recv_ceiling);
    return KGR_OK;
}

enum kgr_error kgr_pairs_load(struct kgr_pairs *pairs, struct kgr_db *db,
                              const struct kgr_anchor *anchor, uint64_t now_ms,
                              struct kgr_diag *diag)
{
    struct load load = {pairs, anchor, now_ms};
    enum kgr_error err = kgr_pair_each(db, load_pair, &load, diag);

    if (err == KGR_OK)
        err = kgr_generation_each(db, load_key, &load, diag);
    /* The stored windows are as old as the last clean stop from the first record on. */
    if (err == KGR_OK)
        err = kgr_generation_forget_seen(db, diag);
    return err;
}
