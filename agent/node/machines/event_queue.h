/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/text.h"
#include "agent/wire/ipc_data.h"

#include <kgr/client.h>

/* Events that one subscriber has not taken. Data only: no clock. */
struct kgr_node_event {
    enum kgr_event_type type;
    struct kgr_nid peer; /* empty: of the node */
    uint64_t generation;
    uint64_t count;
    enum kgr_error error;
    uint64_t unix_s;
    char text[KGR_IPC_EVENT_TEXT_MAX + 1];
};

struct kgr_event_queue {
    struct kgr_node_event *events; /* owned, a ring of cap */
    size_t cap;
    size_t first;
    size_t num;
};

/* kgr_event_queue_init: cap at least 2. KGR_ERR_NO_MEMORY. Free with kgr_event_queue_deinit. */
KGR_MUST_CHECK enum kgr_error kgr_event_queue_init(struct kgr_event_queue *out, size_t cap);
void kgr_event_queue_deinit(struct kgr_event_queue *queue);
/*
 * kgr_event_queue_push copies event. The last place takes no event but a KGR_EVENT_LOST, and what comes while it is
 * taken is counted there: so the subscriber learns where in the order he missed something, and how much.
 */
void kgr_event_queue_push(struct kgr_event_queue *queue, const struct kgr_node_event *event);
/* kgr_event_queue_pop moves the oldest to out; false when there is none. */
KGR_MUST_CHECK bool kgr_event_queue_pop(struct kgr_event_queue *queue, struct kgr_node_event *out);
