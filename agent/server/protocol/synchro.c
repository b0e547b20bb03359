/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/synchro.h"

#include <stdlib.h>
#include <string.h>

#include "agent/server/protocol/exchanges.h"
#include "agent/server/protocol/notify.h"
#include "agent/wire/body_sync.h"
#include "agent/wire/frame.h"

/* The pairs of one page, out of all that the node has. */
struct page {
    const struct kgr_ks *ks;
    const struct kgr_nid *self;
    uint64_t now_s;
    uint32_t first;
    uint32_t total; /* pairs counted so far */
    struct kgr_sync_ans *ans;
};

static enum kgr_error count_pair(void *arg, const struct kgr_ks_pair_row *row)
{
    struct page *page = arg;
    uint32_t index = page->total++;
    struct kgr_sync_pair *out;
    uint64_t age;
    size_t peer;

    if (index < page->first || page->ans->num_pairs >= KGR_SYNC_PAGE_MAX)
        return KGR_OK;
    out = &page->ans->pairs[page->ans->num_pairs++];
    peer = kgr_nid_cmp(&row->nids[0], page->self) == 0 ? 1 : 0;
    *out = (struct kgr_sync_pair){
        .peer = row->nids[peer],
        .peer_generation = row->current[peer],
        .status = row->policy.allowed   ? KGR_SYNC_ALLOWED
                  : row->policy.revoked ? KGR_SYNC_REVOKED
                                        : KGR_SYNC_DENIED,
        .word = row->policy.word,
        .floor = row->policy.floor,
    };
    if (row->generation == 0)
        return KGR_OK;
    age = page->now_s > row->born_s ? page->now_s - row->born_s : 0;
    out->generation = row->generation;
    out->age_s = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
    out->lifetime_s = row->lifetime_s;
    out->suite = row->suite;
    out->custody = row->custody;
    return KGR_OK;
}

static void fill_results(const struct kgr_ks *ks, const struct kgr_nid *self,
                         const struct kgr_sync_req *req, struct kgr_sync_ans *ans)
{
    for (size_t i = 0; i < req->num_open; i++) {
        struct kgr_sync_result *result = &ans->results[i];
        enum kgr_coordinator_outcome outcome;
        uint64_t generation = 0;

        memcpy(result->xid, req->open[i], sizeof result->xid);
        outcome = kgr_ks_exchanges_outcome(ks, self, req->open[i], &generation);
        result->outcome = (uint8_t)outcome;
        result->generation = generation;
    }
    ans->num_results = req->num_open;
}

static enum kgr_error answer(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                             const struct kgr_sync_req *req, struct kgr_sync_ans *ans,
                             struct kgr_diag *diag)
{
    struct page page = {
        .ks = ks,
        .self = &frame->node->r.nid,
        .now_s = kgr_ks_now_s(ks),
        .first = (uint32_t)req->page * KGR_SYNC_PAGE_MAX,
        .ans = ans,
    };
    uint8_t *body;
    struct kgr_wr wr;
    uint32_t pages;
    uint64_t age;
    enum kgr_error err = kgr_ks_pairs_each(ks->db, page.self, count_pair, &page, diag);

    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    pages = (page.total + KGR_SYNC_PAGE_MAX - 1) / KGR_SYNC_PAGE_MAX;
    memcpy(ans->nonce, req->nonce, sizeof ans->nonce);
    ans->epoch = ks->epoch;
    ans->page = req->page;
    ans->num_pages = (uint16_t)(pages == 0 ? 1 : pages);
    ans->lease_s = ks->settings.lease_s;
    age = page.now_s > frame->node->nksk_born_s ? page.now_s - frame->node->nksk_born_s : 0;
    ans->nksk_age_s = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
    ans->rekey = frame->node->rekey;
    fill_results(ks, page.self, req, ans);
    body = malloc(KGR_FRAME_PLAIN_MAX);
    if (body == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_wr_init(&wr, body, KGR_FRAME_PLAIN_MAX);
    err = kgr_sync_ans_encode(&wr, ans);
    if (err == KGR_OK)
        err = kgr_ks_frames_send(ks, frame->key, KGR_FRAME_SYNC_ANS, frame->xid, kgr_wr_slice(&wr),
                                 NULL);
    free(body);
    return err;
}

enum kgr_error kgr_ks_synchro_request(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                      struct kgr_diag *diag)
{
    struct kgr_sync_req *req = malloc(sizeof *req);
    struct kgr_sync_ans *ans = calloc(1, sizeof *ans);
    enum kgr_error err = req == NULL || ans == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_sync_req_decode(req, frame->body);
    if (err == KGR_OK)
        err = kgr_ks_exchanges_sync(ks, frame, req, diag);
    if (err == KGR_OK)
        err = answer(ks, frame, req, ans, diag);
    if (err == KGR_OK && req->page == 0) /* once a synchronisation */
        err = kgr_ks_exchanges_heard(ks, &frame->node->r.nid, diag);
    if (err == KGR_OK)
        err = kgr_ks_notify_heard(ks, frame->node, diag);
    free(req);
    free(ans);
    return err;
}
