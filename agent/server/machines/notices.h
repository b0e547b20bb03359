/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/wire/body_notice.h"

/*
 * The notices that wait for one node (docs/protocol.md, section 5.1). Pure, like agent/server/machines/coordinator.h: an event
 * goes in, actions come out. KEEP and ERASE of a step are one transaction with what caused it, before any
 * SEND. A restarted process puts the persisted entries back by kgr_notices_restore.
 */
#define KGR_NOTICES_BURST 8 /* sent at a time */
/* From the last acknowledgement of one burst to the next: a node takes 20 frames a second (docs/protocol.md, 3.2). */
#define KGR_NOTICES_PACE_MS  500u
#define KGR_NOTICES_FIRST_MS 1000u
#define KGR_NOTICES_MAX_MS   3600000u /* a node may be away for years */

struct kgr_notices_entry {
    struct kgr_notice notice;
    uint8_t xid[KGR_XID_LEN];
};

/* All zero is an empty queue, but for the deadline: begin with kgr_notices_init. */
struct kgr_notices {
    struct kgr_notices_entry *list; /* owned; in the order of words */
    size_t num;
    size_t cap;
    uint32_t attempts;
    uint64_t deadline_ms; /* when a TIMER event is due; UINT64_MAX: never */
};

enum kgr_notices_event_type {
    KGR_NOTICES_QUEUE, /* a notice whose word is above every one before */
    KGR_NOTICES_ACK,
    KGR_NOTICES_TIMER,
    KGR_NOTICES_HEARD, /* the node is there; or the broker is again */
    KGR_NOTICES_CLEAR, /* the node begins anew */
};

/* Only the fields named beside a type of event are read. */
struct kgr_notices_event {
    enum kgr_notices_event_type type;
    uint64_t now_ms;                 /* all: CLOCK_BOOTTIME */
    uint32_t jitter;                 /* all: random bits */
    const struct kgr_notice *notice; /* QUEUE */
    const uint8_t *xid;              /* QUEUE: 16 fresh random bytes */
    uint64_t word;                   /* ACK */
};

enum kgr_notices_action_type {
    KGR_NOTICES_DO_KEEP,      /* store the entry */
    KGR_NOTICES_DO_ERASE,     /* of this word */
    KGR_NOTICES_DO_ERASE_ALL, /* of this node */
    KGR_NOTICES_DO_SEND,      /* the entry, as a new frame */
    KGR_NOTICES_DO_TOLD,      /* the node knows that it is revoked */
};

#define KGR_NOTICES_MAX_ACTIONS (KGR_NOTICES_BURST + 3)

struct kgr_notices_actions {
    struct {
        enum kgr_notices_action_type type;
        uint64_t word;                  /* ERASE */
        struct kgr_notices_entry entry; /* KEEP, SEND */
    } list[KGR_NOTICES_MAX_ACTIONS];
    size_t num;
};

void kgr_notices_init(struct kgr_notices *out);
void kgr_notices_deinit(struct kgr_notices *notices);
/* kgr_notices_restore puts a persisted entry back, in the order of words; nothing is due before HEARD. */
KGR_MUST_CHECK enum kgr_error kgr_notices_restore(struct kgr_notices *notices,
                                                  const struct kgr_notices_entry *entry);
/* kgr_notices_step runs one event; out is overwritten. KGR_ERR_NO_MEMORY (of QUEUE alone): nothing happened. */
KGR_MUST_CHECK enum kgr_error kgr_notices_step(struct kgr_notices *notices,
                                               const struct kgr_notices_event *event,
                                               struct kgr_notices_actions *out);
