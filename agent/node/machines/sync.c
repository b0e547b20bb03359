/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/sync.h"

#include <string.h>

static enum kgr_sync_action begin(struct kgr_sync *sync, const struct kgr_sync_event *event)
{
    sync->active = true;
    memcpy(sync->nonce, event->fresh_nonce, KGR_SYNC_NONCE_LEN);
    sync->own_pages = event->own_pages;
    sync->ks_pages = 0;
    sync->page = 0;
    sync->begun_ms = event->now_ms;
    kgr_retry_reset(&sync->retry);
    sync->deadline_ms = event->now_ms + kgr_retry_delay_ms(&sync->retry, event->jitter);
    return KGR_SYNC_DO_BEGIN;
}

static enum kgr_sync_action on_timer(struct kgr_sync *sync, const struct kgr_sync_event *event)
{
    if (event->now_ms < sync->deadline_ms)
        return KGR_SYNC_DO_NOTHING;
    if (!sync->active)
        return begin(sync, event);
    sync->deadline_ms = event->now_ms + kgr_retry_delay_ms(&sync->retry, event->jitter);
    return KGR_SYNC_DO_SEND;
}

static enum kgr_sync_action complete(struct kgr_sync *sync, const struct kgr_sync_event *event)
{
    uint64_t third = sync->lease_s * 1000ull / 3;

    sync->active = false;
    sync->lease_ms = sync->begun_ms + sync->lease_s * 1000ull;
    /* A lease so short that it is over already must not make a busy loop. */
    if (third < KGR_RETRY_FIRST_MS)
        third = KGR_RETRY_FIRST_MS;
    sync->deadline_ms = event->now_ms + third - event->jitter % (third / 4 + 1);
    return KGR_SYNC_DO_COMPLETE;
}

static enum kgr_sync_action on_answer(struct kgr_sync *sync, const struct kgr_sync_event *event)
{
    uint32_t pages;

    if (!sync->active || memcmp(event->nonce, sync->nonce, KGR_SYNC_NONCE_LEN) != 0 ||
        event->page != sync->page || event->num_pages == 0)
        return KGR_SYNC_DO_IGNORE;
    sync->answer_ms = event->now_ms;
    /* Pages of two lives or two lists of the KS do not make one list. */
    if (sync->ks_pages != 0 &&
        (event->ks_epoch != sync->ks_epoch || event->num_pages != sync->ks_pages))
        return begin(sync, event);
    if (sync->ks_pages == 0 || event->lease_s < sync->lease_s)
        sync->lease_s = event->lease_s;
    sync->ks_pages = event->num_pages;
    sync->ks_epoch = event->ks_epoch;
    pages = sync->own_pages > sync->ks_pages ? sync->own_pages : sync->ks_pages;
    if (sync->page + 1 >= pages)
        return complete(sync, event);
    sync->page++;
    kgr_retry_reset(&sync->retry);
    sync->deadline_ms = event->now_ms + kgr_retry_delay_ms(&sync->retry, event->jitter);
    return KGR_SYNC_DO_TAKE;
}

void kgr_sync_init(struct kgr_sync *out)
{
    *out = (struct kgr_sync){.deadline_ms = UINT64_MAX};
}

enum kgr_sync_action kgr_sync_step(struct kgr_sync *sync, const struct kgr_sync_event *event)
{
    switch (event->type) {
    case KGR_SYNC_CONNECTED:
        return begin(sync, event);
    case KGR_SYNC_LOST:
        sync->active = false;
        sync->deadline_ms = UINT64_MAX;
        return KGR_SYNC_DO_NOTHING;
    case KGR_SYNC_TIMER:
        return on_timer(sync, event);
    case KGR_SYNC_ANSWER:
        return on_answer(sync, event);
    }
    return KGR_SYNC_DO_NOTHING;
}

void kgr_sync_want(struct kgr_sync *sync, uint64_t at_ms)
{
    if (!sync->active && sync->lease_ms != 0 && at_ms < sync->deadline_ms)
        sync->deadline_ms = at_ms;
}

bool kgr_sync_has_lease(const struct kgr_sync *sync, uint64_t now_ms)
{
    return now_ms < sync->lease_ms;
}
