/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/event_queue.h"

#include <stdlib.h>

enum kgr_error kgr_event_queue_init(struct kgr_event_queue *out, size_t cap)
{
    *out = (struct kgr_event_queue){.cap = cap};
    out->events = calloc(cap, sizeof(*out->events));
    return out->events == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
}

void kgr_event_queue_deinit(struct kgr_event_queue *queue)
{
    free(queue->events);
    *queue = (struct kgr_event_queue){0};
}

static struct kgr_node_event *at(struct kgr_event_queue *queue, size_t i)
{
    return &queue->events[(queue->first + i) % queue->cap];
}

void kgr_event_queue_push(struct kgr_event_queue *queue, const struct kgr_node_event *event)
{
    if (queue->num == queue->cap) {
        at(queue, queue->num - 1)->count++;
        return;
    }
    if (queue->num == queue->cap - 1)
        *at(queue, queue->num) =
            (struct kgr_node_event){.type = KGR_EVENT_LOST, .count = 1, .unix_s = event->unix_s};
    else
        *at(queue, queue->num) = *event;
    queue->num++;
}

bool kgr_event_queue_pop(struct kgr_event_queue *queue, struct kgr_node_event *out)
{
    if (queue->num == 0)
        return false;
    *out = *at(queue, 0);
    queue->first = (queue->first + 1) % queue->cap;
    queue->num--;
    return true;
}
