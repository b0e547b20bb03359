/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/node/machines/retry.h"

/*
 * Synchronisation with the KS and the lease that it gives (docs/protocol.md, section 5). Pure: an event in, at
 * most one action out. Nothing of it is persistent: every start synchronises anew.
 *
 * The owner holds the entries: those of its own pages, which it fixes at BEGIN, and those of the KS, which it
 * collects from TAKE on and puts in force at COMPLETE, all together.
 */
#define KGR_SYNC_NONCE_LEN 32
#define KGR_SYNC_PAGE      200 /* most entries of each kind in one page */

struct kgr_sync {
    bool active;
    uint8_t nonce[KGR_SYNC_NONCE_LEN];
    uint32_t own_pages; /* of this node, at least 1 */
    uint32_t ks_pages;  /* of the KS; 0 before its first answer */
    uint32_t page;      /* asked now */
    uint32_t ks_epoch;
    uint32_t lease_s;
    uint64_t begun_ms; /* when page 0 was sent first */
    struct kgr_retry retry;
    uint64_t deadline_ms; /* when a TIMER event is due; UINT64_MAX: never */
    uint64_t lease_ms;    /* end of the lease; 0: none was ever given */
    uint64_t answer_ms;   /* of the last answer of the KS; 0: never */
};

enum kgr_sync_event_type {
    KGR_SYNC_CONNECTED,
    KGR_SYNC_LOST,
    KGR_SYNC_TIMER,
    KGR_SYNC_ANSWER, /* sync_ans, its tag verified */
};

struct kgr_sync_event {
    enum kgr_sync_event_type type;
    uint64_t now_ms;
    uint32_t jitter;
    const uint8_t *fresh_nonce; /* CONNECTED, TIMER, ANSWER: 32 random bytes */
    uint32_t own_pages;   /* CONNECTED, TIMER, ANSWER: as many as the node's entries need now */
    const uint8_t *nonce; /* ANSWER: its fields */
    uint32_t ks_epoch;
    uint32_t page;
    uint32_t num_pages;
    uint32_t lease_s;
};

enum kgr_sync_action {
    KGR_SYNC_DO_NOTHING,
    KGR_SYNC_DO_BEGIN,    /* forget what was collected, fix the own entries, then as SEND */
    KGR_SYNC_DO_SEND,     /* sync_req for `page` with `nonce` */
    KGR_SYNC_DO_TAKE,     /* collect the entries of the answer, then as SEND */
    KGR_SYNC_DO_COMPLETE, /* collect the entries of the answer, and put all in force */
    KGR_SYNC_DO_IGNORE,   /* the answer is not to what was asked last */
};

void kgr_sync_init(struct kgr_sync *out);
enum kgr_sync_action kgr_sync_step(struct kgr_sync *sync, const struct kgr_sync_event *event);
/* kgr_sync_want brings the next synchronisation forward to at_ms, unless one is under way or none was complete yet. */
void kgr_sync_want(struct kgr_sync *sync, uint64_t at_ms);
/* kgr_sync_has_lease tells whether keys may be used. */
bool kgr_sync_has_lease(const struct kgr_sync *sync, uint64_t now_ms);
