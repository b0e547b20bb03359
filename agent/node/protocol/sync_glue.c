/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/node.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/protocol/revoke.h"
#include "agent/node/service/service.h"
#include "agent/wire/body_sync.h"

#include <stdlib.h>
#include <string.h>

/* Synchronisation: the lists behind the machine of agent/node/machines/sync.h. */

#define PAIRS_MAX (2u * KGR_PAIRS_MAX) /* that the KS may name before we stop listening */

struct kgr_sync_lists {
    /* What this node tells, fixed when a synchronisation begins. */
    struct kgr_sync_peer *peers;
    size_t num_peers;
    uint8_t (*open)[KGR_XID_LEN];
    size_t num_open;
    uint8_t xid[KGR_XID_LEN]; /* of page 0; the number of a page is added */
    /* What the KS told so far. */
    struct kgr_sync_pair *pairs;
    size_t num_pairs;
    struct kgr_sync_result *results;
    size_t num_results;
    /* Room for one message each way. */
    struct kgr_sync_req req;
    struct kgr_sync_ans ans;
    uint8_t body[KGR_FRAME_PLAIN_MAX];
};

static void forget(struct kgr_sync_lists *lists)
{
    free(lists->peers);
    free(lists->open);
    free(lists->pairs);
    free(lists->results);
    lists->peers = NULL;
    lists->open = NULL;
    lists->pairs = NULL;
    lists->results = NULL;
    lists->num_peers = lists->num_open = lists->num_pairs = lists->num_results = 0;
}

void kgr_sync_lists_free(struct kgr_sync_lists *lists)
{
    if (lists == NULL)
        return;
    forget(lists);
    free(lists);
}

static uint32_t own_pages(const struct kgr_node *node)
{
    size_t pages = (node->pairs.num + KGR_SYNC_PAGE_MAX - 1) / KGR_SYNC_PAGE_MAX;

    return pages == 0 ? 1 : (uint32_t)pages;
}

/* begin fixes what this node tells. */
static enum kgr_error begin(struct kgr_node *node)
{
    struct kgr_sync_lists *lists = node->lists;
    size_t n = node->pairs.num;

    forget(lists);
    kgr_random(lists->xid, sizeof(lists->xid));
    lists->peers = calloc(n + 1, sizeof(*lists->peers));
    lists->open = calloc(n + 1, sizeof(*lists->open));
    if (lists->peers == NULL || lists->open == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct kgr_exchange *ex = &node->pairs.list[i]->ex;
        const uint8_t *xid = kgr_exchange_open_xid(ex);

        if (ex->s.highest != 0)
            lists->peers[lists->num_peers++] = (struct kgr_sync_peer){
                .peer = ex->s.peer, .current = ex->s.current.generation, .highest = ex->s.highest};
        if (xid != NULL)
            memcpy(lists->open[lists->num_open++], xid, KGR_XID_LEN);
    }
    return KGR_OK;
}

static size_t on_page(size_t num, uint32_t page)
{
    size_t first = (size_t)page * KGR_SYNC_PAGE_MAX;
    size_t rest = num > first ? num - first : 0;

    return rest < KGR_SYNC_PAGE_MAX ? rest : KGR_SYNC_PAGE_MAX;
}

static void send_page(struct kgr_node *node)
{
    struct kgr_sync_lists *lists = node->lists;
    struct kgr_sync_req *req = &lists->req;
    uint32_t page = node->sync.page;
    size_t first = (size_t)page * KGR_SYNC_PAGE_MAX;
    uint8_t xid[KGR_XID_LEN];
    struct kgr_wr wr;
    enum kgr_error err;

    /* A retry of a page has the same exchange id, another page another. */
    memcpy(xid, lists->xid, sizeof(xid));
    xid[KGR_XID_LEN - 1] ^= (uint8_t)page;
    xid[KGR_XID_LEN - 2] ^= (uint8_t)(page >> 8);
    memcpy(req->nonce, node->sync.nonce, KGR_NONCE_LEN);
    req->epoch = node->epoch;
    req->page = (uint16_t)page;
    req->num_peers = (uint16_t)on_page(lists->num_peers, page);
    req->num_open = (uint16_t)on_page(lists->num_open, page);
    if (req->num_peers > 0)
        memcpy(req->peers, lists->peers + first, req->num_peers * sizeof(req->peers[0]));
    if (req->num_open > 0)
        memcpy(req->open, lists->open + first, req->num_open * sizeof(req->open[0]));
    kgr_wr_init(&wr, lists->body, sizeof(lists->body));
    err = kgr_sync_req_encode(&wr, req);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NKSK, node->topic1, KGR_FRAME_SYNC_REQ, xid,
                              kgr_wr_slice(&wr), NULL);
    if (err != KGR_OK)
        kgr_warn("frame_not_sent", "type=%d reason=\"%s\"", KGR_FRAME_SYNC_REQ, kgr_strerror(err));
    if (err == KGR_ERR_QUOTA) /* a new start takes a new epoch */
        kgr_node_stop(node, err);
}

static void *append(void *list, size_t num, const void *more, size_t num_more, size_t size)
{
    uint8_t *grown = realloc(list, (num + num_more + 1) * size);

    if (grown != NULL)
        kgr_copy(grown + num * size, more, num_more * size);
    return grown;
}

static enum kgr_error take(struct kgr_sync_lists *lists)
{
    const struct kgr_sync_ans *ans = &lists->ans;
    void *pairs;
    void *results;

    if (lists->num_pairs + ans->num_pairs > PAIRS_MAX ||
        lists->num_results + ans->num_results > PAIRS_MAX)
        return KGR_ERR_QUOTA;
    pairs =
        append(lists->pairs, lists->num_pairs, ans->pairs, ans->num_pairs, sizeof(ans->pairs[0]));
    if (pairs == NULL)
        return KGR_ERR_NO_MEMORY;
    lists->pairs = pairs;
    lists->num_pairs += ans->num_pairs;
    results = append(lists->results, lists->num_results, ans->results, ans->num_results,
                     sizeof(ans->results[0]));
    if (results == NULL)
        return KGR_ERR_NO_MEMORY;
    lists->results = results;
    lists->num_results += ans->num_results;
    return KGR_OK;
}

/* Putting in force */

static void set_age(struct kgr_node *node, const struct kgr_pair *pair,
                    const struct kgr_sync_pair *told, uint64_t now_ms)
{
    for (size_t i = 0; told->generation != 0 && i < KGR_RING_NUM_PLACES; i++) {
        struct kgr_ring_key *key =
            kgr_ring_at(node->pairs.ring, &pair->ex.s.peer, (enum kgr_ring_place)i);

        if (key == NULL || key->generation > told->generation)
            continue;
        /* Of an older one, whose age a restart forgot, it is what is sure. */
        if (key->generation == told->generation || kgr_ring_key_age_s(key, now_ms) < told->age_s)
            key->born_ms = now_ms - told->age_s * 1000ull;
        if (key->generation == told->generation)
            key->lifetime_s = told->lifetime_s;
    }
}

static enum kgr_error unname(struct kgr_node *node, struct kgr_pair *pair, struct kgr_diag *diag)
{
    bool changed;

    return pair->status == KGR_PAIR_UNNAMED
               ? KGR_OK
               : kgr_revoke_hear(node, pair, KGR_PAIR_UNNAMED, pair->word, 0, &changed, diag);
}

static enum kgr_error write_statuses(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_sync_lists *lists = node->lists;
    uint64_t now = kgr_clock_boot_ms();
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < node->pairs.num; i++)
        node->pairs.list[i]->named = false;
    for (size_t i = 0; i < lists->num_pairs && err == KGR_OK; i++) {
        const struct kgr_sync_pair *told = &lists->pairs[i];
        struct kgr_pair *pair;
        bool changed;

        err = kgr_pairs_ensure(&node->pairs, &pair, &told->peer, false);
        if (err != KGR_OK)
            break;
        pair->named = true;
        err = kgr_revoke_hear(node, pair, (enum kgr_pair_status)told->status, told->word,
                              told->floor, &changed, diag);
        set_age(node, pair, told, now);
        if (told->status == KGR_SYNC_ALLOWED && told->generation > pair->confirmed)
            pair->confirmed = told->generation;
        kgr_renewal_peer_sends(pair, told->peer_generation);
    }
    for (size_t i = 0; i < node->pairs.num && err == KGR_OK; i++)
        if (!node->pairs.list[i]->named)
            err = unname(node, node->pairs.list[i], diag);
    return err;
}

/* A key that the KS committed and this node has not: after a database that was put back, say. */
static void ask_for_missing(struct kgr_node *node)
{
    const struct kgr_sync_lists *lists = node->lists;

    for (size_t i = 0; i < lists->num_pairs; i++) {
        const struct kgr_sync_pair *told = &lists->pairs[i];
        struct kgr_pair *pair = kgr_pairs_find(&node->pairs, &told->peer);

        if (pair != NULL && told->status == KGR_SYNC_ALLOWED &&
            told->generation > pair->ex.s.current.generation &&
            kgr_exchange_open_xid(&pair->ex) == NULL &&
            kgr_exchange_request(node, pair, KGR_CAUSE_RENEWAL, true) != KGR_OK)
            kgr_warn("request_failed", "peer=%s", told->peer.s);
    }
}

static enum kgr_error complete(struct kgr_node *node)
{
    struct kgr_sync_lists *lists = node->lists;
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err == KGR_OK) {
        err = write_statuses(node, &diag);
        if (err != KGR_OK)
            kgr_node_rollback(node, "sync", err, &diag);
        else
            err = kgr_node_commit(node);
    }
    if (err == KGR_OK)
        err = kgr_revoke_apply_all(node);
    if (err != KGR_OK)
        return err;
    for (size_t i = 0; i < lists->num_results; i++)
        kgr_exchange_on_outcome(node, &lists->results[i]);
    kgr_info("synchronised", "pairs=%zu lease_s=%u ks_epoch=%u", lists->num_pairs,
             node->sync.lease_s, node->sync.ks_epoch);
    node->synced = true;
    ask_for_missing(node);
    kgr_exchange_resume(node);
    for (size_t i = 0; i < node->pairs.num; i++) {
        kgr_renewal_look(node->pairs.list[i]);
        kgr_service_pair_changed(node->service, node->pairs.list[i]);
    }
    kgr_service_synchronised(node->service);
    forget(lists);
    kgr_nksk_on_synced(node, lists->ans.nksk_age_s, lists->ans.rekey);
    return KGR_OK;
}

/* What the KS said is not whole, or not on record: no use of keys on it, and soon again. */
static void give_up(struct kgr_node *node, enum kgr_error err)
{
    kgr_error_log("sync_failed", "reason=\"%s\"", kgr_strerror(err));
    node->sync.active = false;
    node->sync.lease_ms = 0;
    node->sync.deadline_ms = kgr_clock_boot_ms() + KGR_RETRY_MAX_MS;
    forget(node->lists);
}

static enum kgr_error step(struct kgr_node *node, struct kgr_sync_event *event)
{
    uint8_t nonce[KGR_SYNC_NONCE_LEN];
    enum kgr_error err = KGR_OK;

    if (node->lists == NULL)
        node->lists = calloc(1, sizeof(*node->lists));
    if (node->lists == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_random(nonce, sizeof(nonce));
    kgr_random(&event->jitter, sizeof(event->jitter));
    event->fresh_nonce = nonce;
    event->own_pages = own_pages(node);
    switch (kgr_sync_step(&node->sync, event)) {
    case KGR_SYNC_DO_BEGIN:
        err = begin(node);
        if (err == KGR_OK)
            send_page(node);
        break;
    case KGR_SYNC_DO_TAKE:
        err = take(node->lists);
        if (err == KGR_OK)
            send_page(node);
        break;
    case KGR_SYNC_DO_SEND:
        send_page(node);
        break;
    case KGR_SYNC_DO_COMPLETE:
        err = take(node->lists);
        if (err == KGR_OK)
            err = complete(node);
        break;
    case KGR_SYNC_DO_IGNORE:
        kgr_debug("frame_ignored", "type=%d", KGR_FRAME_SYNC_ANS);
        break;
    case KGR_SYNC_DO_NOTHING:
        break;
    }
    event->fresh_nonce = NULL;
    if (err != KGR_OK)
        give_up(node, err);
    return err;
}

static void happen(struct kgr_node *node, enum kgr_sync_event_type type, uint64_t now_ms)
{
    struct kgr_sync_event event = {.type = type, .now_ms = now_ms};

    (void)step(node, &event); /* logged; the timer comes again */
}

void kgr_sync_on_ready(struct kgr_node *node)
{
    happen(node, KGR_SYNC_CONNECTED, kgr_clock_boot_ms());
}

void kgr_sync_on_lost(struct kgr_node *node)
{
    happen(node, KGR_SYNC_LOST, kgr_clock_boot_ms());
}

void kgr_sync_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    happen(node, KGR_SYNC_TIMER, now_ms);
}

enum kgr_error kgr_sync_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_sync_ans *ans;
    struct kgr_sync_event event = {.type = KGR_SYNC_ANSWER, .now_ms = kgr_clock_boot_ms()};
    enum kgr_error err;

    if (node->lists == NULL)
        return KGR_OK;
    ans = &node->lists->ans;
    err = kgr_sync_ans_decode(ans, frame->body);
    if (err != KGR_OK)
        return err;
    event.nonce = ans->nonce;
    event.ks_epoch = ans->epoch;
    event.page = ans->page;
    event.num_pages = ans->num_pages;
    event.lease_s = ans->lease_s;
    return step(node, &event);
}
