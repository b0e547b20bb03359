/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct kgr_queue {
    pthread_mutex_t lock; /* held for a few instructions only, never across a call */
    void (*free_item)(void *item);
    size_t cap;
    size_t head; /* index of the oldest item */
    size_t len;
    void *items[];
};

enum kgr_error kgr_queue_new(struct kgr_queue **out, size_t cap, void (*free_item)(void *item))
{
    struct kgr_queue *queue;

    assert(cap > 0 && free_item != NULL);
    if (cap > (SIZE_MAX - sizeof(*queue)) / sizeof(queue->items[0]))
        return KGR_ERR_NO_MEMORY;
    queue = calloc(1, sizeof(*queue) + cap * sizeof(queue->items[0]));
    if (queue == NULL)
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        free(queue);
        return KGR_ERR_NO_MEMORY;
    }
    queue->cap = cap;
    queue->free_item = free_item;
    *out = queue;
    return KGR_OK;
}

void kgr_queue_free(struct kgr_queue *queue)
{
    void *item;

    if (queue == NULL)
        return;
    while ((item = kgr_queue_pop(queue)) != NULL)
        queue->free_item(item);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

enum kgr_error kgr_queue_push(struct kgr_queue *queue, void *item)
{
    enum kgr_error err = KGR_ERR_QUOTA;

    assert(item != NULL);
    pthread_mutex_lock(&queue->lock);
    if (queue->len < queue->cap) {
        queue->items[(queue->head + queue->len) % queue->cap] = item;
        queue->len++;
        err = KGR_OK;
    }
    pthread_mutex_unlock(&queue->lock);
    return err;
}

void *kgr_queue_pop(struct kgr_queue *queue)
{
    void *item = NULL;

    pthread_mutex_lock(&queue->lock);
    if (queue->len > 0) {
        item = queue->items[queue->head];
        queue->head = (queue->head + 1) % queue->cap;
        queue->len--;
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

size_t kgr_queue_len(struct kgr_queue *queue)
{
    size_t len;

    pthread_mutex_lock(&queue->lock);
    len = queue->len;
    pthread_mutex_unlock(&queue->lock);
    return len;
}
