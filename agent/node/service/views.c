/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/views.h"

#include "agent/node/node.h"
#include "agent/seal/software.h"

#include <stdlib.h>
#include <string.h>

static void key_release(struct kgr_view_key *key)
{
    kgr_pair_records_free(key->records);
    kgr_software_key_free(key->keys);
}

static void view_free(struct kgr_view *view)
{
    if (--view->holders > 0)
        return;
    for (int place = 0; place < KGR_RING_NUM_PLACES; place++)
        key_release(&view->keys[place]);
    free(view);
}

/* Of a list. */
static void snapshots_free(void *arg)
{
    struct kgr_snapshot *snapshot = arg;

    while (snapshot != NULL) {
        struct kgr_snapshot *next = snapshot->next;

        for (size_t i = 0; i < snapshot->num; i++)
            view_free(snapshot->views[i]);
        free(snapshot);
        snapshot = next;
    }
}

/* exchange publishes a snapshot (NULL: none), and sees to the one before. */
static void exchange(struct kgr_views *views, struct kgr_snapshot *snapshot)
{
    struct kgr_snapshot *old = atomic_exchange(&views->current, snapshot);

    if (old != NULL) {
        old->next = views->unretired;
        views->unretired = old;
    }
    if (views->unretired == NULL)
        return;
    if (views->retire == NULL)
        snapshots_free(views->unretired);
    else if (views->retire(views->retire_ctx, snapshots_free, views->unretired) != KGR_OK)
        return; /* with the next one */
    views->unretired = NULL;
}

/* What there is to see of a key; records and keys are held. */
static void see_key(struct kgr_view_key *out, struct kgr_pair *pair, const struct kgr_ring_key *key,
                    bool current)
{
    struct kgr_pair_records *records =
        key == NULL ? NULL : kgr_pair_find_records(pair, key->generation);

    *out = (struct kgr_view_key){0};
    if (records == NULL)
        return;
    out->records = kgr_pair_records_hold(records);
    out->keys = kgr_keyset_hold(key->keys);
    out->generation = key->generation;
    out->born_ms = key->born_ms;
    out->lifetime_s = key->lifetime_s;
    out->suite = key->suite;
    out->own_role = key->own_role;
    out->sends = current && key->generation >= pair->confirmed &&
                 key->generation == pair->ex.s.current.generation;
}

static bool same_key(const struct kgr_view_key *a, const struct kgr_view_key *b)
{
    return a->records == b->records && a->keys == b->keys && a->generation == b->generation &&
           a->born_ms == b->born_ms && a->lifetime_s == b->lifetime_s && a->suite == b->suite &&
           a->own_role == b->own_role && a->sends == b->sends;
}

/* see finds the view of a pair, the old one if it is still true; NULL: no memory, and the pair is left to the loop. */
static struct kgr_view *see(struct kgr_node *node, struct kgr_pair *pair, size_t in_ring,
                            struct kgr_view *old)
{
    struct kgr_view_key keys[KGR_RING_NUM_PLACES];
    struct kgr_view *view = NULL;
    bool same = old != NULL;

    for (int place = 0; place < KGR_RING_NUM_PLACES; place++) {
        see_key(&keys[place], pair,
                kgr_ring_key_at(node->pairs.ring, in_ring, (enum kgr_ring_place)place),
                place == KGR_RING_CURRENT);
        same = same && same_key(&keys[place], &old->keys[place]);
    }
    if (!same)
        view = calloc(1, sizeof(*view));
    if (view == NULL) {
        for (int place = 0; place < KGR_RING_NUM_PLACES; place++)
            key_release(&keys[place]);
        view = same ? old : NULL;
    } else {
        view->peer = pair->ex.s.peer;
        memcpy(view->keys, keys, sizeof(keys));
    }
    if (view != NULL)
        view->holders++;
    return view;
}

/* Pairs, the ring and what was published have one order: all three are walked together. */
static bool look_at_all(struct kgr_node *node, const struct kgr_snapshot *old,
                        struct kgr_snapshot *out)
{
    const struct kgr_ring *ring = node->pairs.ring;
    size_t in_ring = 0;
    size_t in_old = 0;
    bool same = old != NULL && old->overlap_s == out->overlap_s && old->budget == out->budget;

    for (size_t i = 0; node->revoked == 0 && i < node->pairs.num; i++) {
        struct kgr_pair *pair = node->pairs.list[i];
        const struct kgr_nid *peer = &pair->ex.s.peer;
        struct kgr_view *before = NULL;
        struct kgr_view *view;

        if (pair->status != KGR_PAIR_ALLOWED)
            continue;
        while (in_ring < kgr_ring_num_peers(ring) &&
               kgr_nid_cmp(kgr_ring_peer(ring, in_ring), peer) < 0)
            in_ring++;
        if (in_ring == kgr_ring_num_peers(ring))
            break;
        if (kgr_nid_cmp(kgr_ring_peer(ring, in_ring), peer) != 0)
            continue;
        while (old != NULL && in_old < old->num && kgr_nid_cmp(&old->views[in_old]->peer, peer) < 0)
            in_old++;
        if (old != NULL && in_old < old->num && kgr_nid_cmp(&old->views[in_old]->peer, peer) == 0)
            before = old->views[in_old];
        view = see(node, pair, in_ring, before);
        same = same && view != NULL && view == before;
        if (view != NULL)
            out->views[out->num++] = view;
    }
    return same && out->num == old->num;
}

void kgr_views_publish(struct kgr_views *views, struct kgr_node *node)
{
    size_t max = node->pairs.num;
    struct kgr_snapshot *old = atomic_load_explicit(&views->current, memory_order_relaxed);
    struct kgr_snapshot *snapshot = calloc(1, sizeof(*snapshot) + max * sizeof(struct kgr_view *));

    atomic_store_explicit(&views->lease_ms, node->sync.lease_ms, memory_order_release);
    if (snapshot == NULL) { /* what is seen no more must not stay */
        exchange(views, NULL);
        return;
    }
    snapshot->overlap_s = node->settings->overlap_s;
    snapshot->budget = node->settings->budget;
    if (look_at_all(node, old, snapshot))
        snapshots_free(snapshot);
    else
        exchange(views, snapshot);
}

void kgr_views_withdraw(struct kgr_views *views)
{
    exchange(views, NULL);
}

void kgr_views_deinit(struct kgr_views *views)
{
    views->retire = NULL;
    exchange(views, NULL);
}

const struct kgr_view *kgr_snapshot_find(const struct kgr_snapshot *snapshot,
                                         const struct kgr_nid *peer)
{
    size_t low = 0;
    size_t high = snapshot->num;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = kgr_nid_cmp(&snapshot->views[middle]->peer, peer);

        if (order == 0)
            return snapshot->views[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void kgr_views_want(struct kgr_views *views, struct kgr_pair_records *records)
{
    /* Whoever finds it wanted already shows the loop what he counted all the same. */
    if (atomic_exchange_explicit(&records->wanted, true, memory_order_acq_rel))
        return;
    atomic_store_explicit(&views->wanted, true, memory_order_release);
    if (views->wakeup != NULL)
        kgr_wakeup_signal(views->wakeup);
}
