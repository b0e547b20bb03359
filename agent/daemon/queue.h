/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/attr.h"

/*
 * A bounded first-in first-out queue of pointers from many threads to one. The queue owns the items
 * that stand in it; push hands ownership over only when it succeeds. Pair it with a kgr_wakeup.
 */
struct kgr_queue;

/* kgr_queue_new holds at most cap items (1 or more); free_item frees what kgr_queue_free finds. */
KGR_MUST_CHECK enum kgr_error kgr_queue_new(struct kgr_queue **out, size_t cap,
                                            void (*free_item)(void *item));
/* kgr_queue_free accepts NULL. No other thread may use the queue any more. */
void kgr_queue_free(struct kgr_queue *queue);
/* kgr_queue_push appends item (not NULL): KGR_ERR_QUOTA when full. Never waits for room. Thread-safe. */
KGR_MUST_CHECK enum kgr_error kgr_queue_push(struct kgr_queue *queue, void *item);
/* kgr_queue_pop returns the oldest item, which the caller then owns, or NULL. Thread-safe. */
void *kgr_queue_pop(struct kgr_queue *queue);
size_t kgr_queue_len(struct kgr_queue *queue);
