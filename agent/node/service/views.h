/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>

#include "agent/base/text.h"
#include "agent/daemon/loop.h"
#include "agent/keys/ring.h"
#include "agent/node/pairs.h"

struct kgr_node;
struct kgr_wakeup;

/*
 * What the workers see of the node: its pairs and keys as they were after the last event of the loop, as an immutable table. The loop
 * publishes another one by one atomic exchange whenever a fact of it changed, and the old one goes when no worker is in a request that began
 * before; with it go the bytes of keys that are closed meanwhile. What changes with every request, the counts, is shared and
 * thread-safe (struct kgr_pair_records); what changes with time is compared with the clock by each request.
 */
struct kgr_view_key {
    struct kgr_pair_records *records; /* held; NULL: no key in this place */
    struct kgr_software_key
        *keys; /* held; NULL: resident, or not in memory: the loop knows what to do */
    uint64_t generation;
    uint64_t born_ms;
    uint32_t lifetime_s;
    enum kgr_suite suite;
    uint8_t own_role;
    bool sends; /* may be used to send, until its lifetime ends */
};

/* A pair that is allowed. */
struct kgr_view {
    unsigned int holders; /* the loop's */
    struct kgr_nid peer;
    struct kgr_view_key keys[KGR_RING_NUM_PLACES];
};

struct kgr_snapshot {
    struct kgr_snapshot *next; /* of those that wait to be freed */
    uint32_t overlap_s;
    uint64_t budget;
    size_t num;
    struct kgr_view *views[]; /* held, in the order of the peers */
};

struct kgr_views {
    _Atomic(struct kgr_snapshot *) current; /* owned; NULL: nothing can be done here */
    _Atomic uint64_t lease_ms;              /* when the word of the KS is too old */
    atomic_bool wanted;                     /* the loop shall look at the counts */
    struct kgr_wakeup *wakeup;              /* how it is told; owned */
    /* retire calls fn(arg) on the loop's thread when nobody can see what is published no more; NULL: only the loop looks. */
    enum kgr_error (*retire)(void *ctx, kgr_loop_fn *fn, void *arg);
    void *retire_ctx;
    struct kgr_snapshot *unretired; /* owned list: there was no memory to say when they may go */
};

/* kgr_views_publish compares with the node what was published, and publishes what has changed; after every event. */
void kgr_views_publish(struct kgr_views *views, struct kgr_node *node);
/* kgr_views_withdraw publishes nothing any more: every request goes to the loop. */
void kgr_views_withdraw(struct kgr_views *views);
/* kgr_views_deinit when no worker runs. */
void kgr_views_deinit(struct kgr_views *views);

/* On any thread. kgr_snapshot_find: NULL for a peer that is not there. */
const struct kgr_view *kgr_snapshot_find(const struct kgr_snapshot *snapshot,
                                         const struct kgr_nid *peer);
/* kgr_views_want wakes the loop to look at records, once until it has. */
void kgr_views_want(struct kgr_views *views, struct kgr_pair_records *records);
