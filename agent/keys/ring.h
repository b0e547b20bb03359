/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/keys/keyset.h"

/*
 * The key ring of a node: for every peer the generations that it holds. Data only: no clock, TPM
 * or disk. One thread.
 *
 *   candidate  received, not confirmed: used to receive
 *   current    confirmed: used to send and receive
 *   previous   the current one before: used to receive, for a bounded overlap
 */
#define KGR_PXID_LEN 16

enum kgr_ring_place {
    KGR_RING_CANDIDATE,
    KGR_RING_CURRENT,
    KGR_RING_PREVIOUS,
    KGR_RING_NUM_PLACES
};

/* One generation of a pair. Custody by its number on the wire: 1 resident, 2 mixed, 3 sealed. */
struct kgr_ring_key {
    uint64_t generation; /* from 1 */
    enum kgr_suite suite;
    uint8_t custody;
    uint8_t own_role; /* 1 or 2 */
    bool has_send_topic;
    uint8_t pxid[KGR_PXID_LEN];
    uint8_t iv[KGR_IV_LEN];
    uint8_t receive_topic[KGR_TOPIC_LEN];
    uint8_t send_topic[KGR_TOPIC_LEN];
    uint8_t kc_own[KGR_HASH_MAX];
    uint64_t born_ms; /* CLOCK_BOOTTIME */
    uint32_t lifetime_s;
    uint64_t row;            /* of the caller's database */
    struct kgr_keyset *keys; /* owned */
};

/* kgr_ring_key_free frees what the key owns, and it; accepts NULL. */
void kgr_ring_key_free(struct kgr_ring_key *key);

struct kgr_ring;
KGR_MUST_CHECK enum kgr_error kgr_ring_new(struct kgr_ring **out);
void kgr_ring_free(struct kgr_ring *ring);

/*
 * kgr_ring_put takes key (from malloc) when it succeeds. The peer appears with its first key.
 * KGR_ERR_EXISTS when the place is taken, KGR_ERR_STATE when the generation is not above every
 * one that the peer's ring held (candidate, current), or not below the current one (previous).
 * From a database put current, previous, candidate in this order, and raise last.
 */
KGR_MUST_CHECK enum kgr_error kgr_ring_put(struct kgr_ring *ring, const struct kgr_nid *peer,
                                           enum kgr_ring_place place, struct kgr_ring_key *key);
/* kgr_ring_take removes a key and hands it to the caller; NULL when there is none. */
struct kgr_ring_key *kgr_ring_take(struct kgr_ring *ring, const struct kgr_nid *peer,
                                   enum kgr_ring_place place);
/*
 * kgr_ring_promote makes candidate g the current key and the current one the previous;
 * *out_dropped is the key that was previous before (or NULL), now the caller's. KGR_ERR_NO_KEY
 * when the candidate is not g.
 */
KGR_MUST_CHECK enum kgr_error kgr_ring_promote(struct kgr_ring *ring,
                                               struct kgr_ring_key **out_dropped,
                                               const struct kgr_nid *peer, uint64_t generation);
/* kgr_ring_raise notes a generation that the peer's ring may never take again, nor a lower one. */
KGR_MUST_CHECK enum kgr_error kgr_ring_raise(struct kgr_ring *ring, const struct kgr_nid *peer,
                                             uint64_t generation);

/* Look-ups borrow; NULL when there is none. */
struct kgr_ring_key *kgr_ring_at(struct kgr_ring *ring, const struct kgr_nid *peer,
                                 enum kgr_ring_place place);
/* kgr_ring_sending: the current key. */
struct kgr_ring_key *kgr_ring_sending(struct kgr_ring *ring, const struct kgr_nid *peer);
/*
 * kgr_ring_receiving: the key of that generation in any place; 0 means the latest that may be
 * used, the current.
 */
struct kgr_ring_key *kgr_ring_receiving(struct kgr_ring *ring, const struct kgr_nid *peer,
                                        uint64_t generation);
/* kgr_ring_highest: the highest generation ever put or raised; 0 for an unknown peer. */
uint64_t kgr_ring_highest(const struct kgr_ring *ring, const struct kgr_nid *peer);

/* Peers in the order of their N_IDs; index below kgr_ring_num_peers. */
size_t kgr_ring_num_peers(const struct kgr_ring *ring);
const struct kgr_nid *kgr_ring_peer(const struct kgr_ring *ring, size_t index);
/* kgr_ring_key_at: the key of that peer in a place; NULL when there is none. */
struct kgr_ring_key *kgr_ring_key_at(const struct kgr_ring *ring, size_t index,
                                     enum kgr_ring_place place);
/* kgr_ring_forget frees every key of the peer and forgets it, highest generation included. */
void kgr_ring_forget(struct kgr_ring *ring, const struct kgr_nid *peer);
