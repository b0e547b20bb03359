/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/ring.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    struct kgr_nid peer;
    uint64_t highest;
    struct kgr_ring_key *keys[KGR_RING_NUM_PLACES]; /* owned */
};

struct kgr_ring {
    struct pair *pairs; /* owned, in the order of the peers */
    size_t num_pairs;
    size_t cap;
};

void kgr_ring_key_free(struct kgr_ring_key *key)
{
    if (key == NULL)
        return;
    kgr_keyset_free(key->keys);
    free(key);
}

enum kgr_error kgr_ring_new(struct kgr_ring **out)
{
    struct kgr_ring *ring = calloc(1, sizeof(*ring));

    if (ring == NULL)
        return KGR_ERR_NO_MEMORY;
    *out = ring;
    return KGR_OK;
}

static void free_keys(struct pair *pair)
{
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++)
        kgr_ring_key_free(pair->keys[i]);
}

void kgr_ring_free(struct kgr_ring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->num_pairs; i++)
        free_keys(&ring->pairs[i]);
    free(ring->pairs);
    free(ring);
}

/* The index of the peer, or where it would stand. */
static size_t position(const struct kgr_ring *ring, const struct kgr_nid *peer)
{
    size_t low = 0;
    size_t high = ring->num_pairs;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (kgr_nid_cmp(&ring->pairs[mid].peer, peer) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct pair *find(const struct kgr_ring *ring, const struct kgr_nid *peer)
{
    size_t at = position(ring, peer);

    if (at == ring->num_pairs || kgr_nid_cmp(&ring->pairs[at].peer, peer) != 0)
        return NULL;
    return &ring->pairs[at];
}

static enum kgr_error find_or_add(struct kgr_ring *ring, struct pair **out,
                                  const struct kgr_nid *peer)
{
    size_t at = position(ring, peer);

    if (at < ring->num_pairs && kgr_nid_cmp(&ring->pairs[at].peer, peer) == 0) {
        *out = &ring->pairs[at];
        return KGR_OK;
    }
    if (ring->num_pairs == ring->cap) {
        size_t cap = ring->cap == 0 ? 16 : 2 * ring->cap;
        struct pair *grown = reallocarray(ring->pairs, cap, sizeof(*grown));

        if (grown == NULL)
            return KGR_ERR_NO_MEMORY;
        ring->pairs = grown;
        ring->cap = cap;
    }
    memmove(&ring->pairs[at + 1], &ring->pairs[at], (ring->num_pairs - at) * sizeof(*ring->pairs));
    memset(&ring->pairs[at], 0, sizeof(ring->pairs[at]));
    ring->pairs[at].peer = *peer;
    ring->num_pairs++;
    *out = &ring->pairs[at];
    return KGR_OK;
}

/* A generation never names two keys, and never comes back. */
static bool generation_fits(const struct pair *pair, enum kgr_ring_place place, uint64_t generation)
{
    const struct kgr_ring_key *current = pair->keys[KGR_RING_CURRENT];

    if (generation == 0)
        return false;
    if (place == KGR_RING_PREVIOUS)
        return current != NULL ? generation < current->generation : generation <= pair->highest;
    return generation > pair->highest;
}

enum kgr_error kgr_ring_put(struct kgr_ring *ring, const struct kgr_nid *peer,
                            enum kgr_ring_place place, struct kgr_ring_key *key)
{
    static const struct pair none = {.highest = 0};
    const struct pair *known = find(ring, peer);
    struct pair *pair;
    enum kgr_error err;

    if (known == NULL)
        known = &none;
    if (known->keys[place] != NULL)
        return KGR_ERR_EXISTS;
    if (!generation_fits(known, place, key->generation))
        return KGR_ERR_STATE;
    err = find_or_add(ring, &pair, peer);
    if (err != KGR_OK)
        return err;
    pair->keys[place] = key;
    if (key->generation > pair->highest)
        pair->highest = key->generation;
    return KGR_OK;
}

struct kgr_ring_key *kgr_ring_take(struct kgr_ring *ring, const struct kgr_nid *peer,
                                   enum kgr_ring_place place)
{
    struct pair *pair = find(ring, peer);
    struct kgr_ring_key *key;

    if (pair == NULL)
        return NULL;
    key = pair->keys[place];
    pair->keys[place] = NULL;
    return key;
}

enum kgr_error kgr_ring_promote(struct kgr_ring *ring, struct kgr_ring_key **out_dropped,
                                const struct kgr_nid *peer, uint64_t generation)
{
    struct pair *pair = find(ring, peer);
    struct kgr_ring_key *candidate = pair == NULL ? NULL : pair->keys[KGR_RING_CANDIDATE];

    if (candidate == NULL || candidate->generation != generation)
        return KGR_ERR_NO_KEY;
    *out_dropped = NULL;
    if (pair->keys[KGR_RING_CURRENT] != NULL) {
        *out_dropped = pair->keys[KGR_RING_PREVIOUS];
        pair->keys[KGR_RING_PREVIOUS] = pair->keys[KGR_RING_CURRENT];
    }
    pair->keys[KGR_RING_CURRENT] = candidate;
    pair->keys[KGR_RING_CANDIDATE] = NULL;
    return KGR_OK;
}

enum kgr_error kgr_ring_raise(struct kgr_ring *ring, const struct kgr_nid *peer,
                              uint64_t generation)
{
    struct pair *pair;
    enum kgr_error err = find_or_add(ring, &pair, peer);

    if (err == KGR_OK && generation > pair->highest)
        pair->highest = generation;
    return err;
}

struct kgr_ring_key *kgr_ring_at(struct kgr_ring *ring, const struct kgr_nid *peer,
                                 enum kgr_ring_place place)
{
    struct pair *pair = find(ring, peer);

    return pair == NULL ? NULL : pair->keys[place];
}

struct kgr_ring_key *kgr_ring_sending(struct kgr_ring *ring, const struct kgr_nid *peer)
{
    return kgr_ring_at(ring, peer, KGR_RING_CURRENT);
}

struct kgr_ring_key *kgr_ring_receiving(struct kgr_ring *ring, const struct kgr_nid *peer,
                                        uint64_t generation)
{
    struct pair *pair = find(ring, peer);

    if (pair == NULL)
        return NULL;
    if (generation == 0)
        return pair->keys[KGR_RING_CURRENT];
    for (size_t i = 0; i < KGR_RING_NUM_PLACES; i++) {
        if (pair->keys[i] != NULL && pair->keys[i]->generation == generation)
            return pair->keys[i];
    }
    return NULL;
}

uint64_t kgr_ring_highest(const struct kgr_ring *ring, const struct kgr_nid *peer)
{
    const struct pair *pair = find(ring, peer);

    return pair == NULL ? 0 : pair->highest;
}

size_t kgr_ring_num_peers(const struct kgr_ring *ring)
{
    return ring->num_pairs;
}

const struct kgr_nid *kgr_ring_peer(const struct kgr_ring *ring, size_t index)
{
    return &ring->pairs[index].peer;
}

struct kgr_ring_key *kgr_ring_key_at(const struct kgr_ring *ring, size_t index,
                                     enum kgr_ring_place place)
{
    return ring->pairs[index].keys[place];
}

void kgr_ring_forget(struct kgr_ring *ring, const struct kgr_nid *peer)
{
    size_t at = position(ring, peer);

    if (find(ring, peer) == NULL)
        return;
    free_keys(&ring->pairs[at]);
    ring->num_pairs--;
    memmove(&ring->pairs[at], &ring->pairs[at + 1], (ring->num_pairs - at) * sizeof(*ring->pairs));
}
