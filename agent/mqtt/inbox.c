/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/inbox.h"

#include "agent/base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct kgr_inbox {
    pthread_mutex_t lock; /* never held across a call out of this file */
    size_t max_messages;
    size_t max_payload;
    struct kgr_inbox_item *first; /* owned */
    struct kgr_inbox_item **tail;
    size_t num_messages;
    bool broken;
    struct kgr_inbox_drops drops;
};

enum kgr_error kgr_inbox_new(struct kgr_inbox **out, size_t max_messages, size_t max_payload)
{
    struct kgr_inbox *inbox = calloc(1, sizeof(*inbox));

    if (inbox == NULL)
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&inbox->lock, NULL) != 0) {
        free(inbox);
        return KGR_ERR_NO_MEMORY;
    }
    inbox->max_messages = max_messages;
    inbox->max_payload = max_payload;
    inbox->tail = &inbox->first;
    *out = inbox;
    return KGR_OK;
}

void kgr_inbox_free(struct kgr_inbox *inbox)
{
    struct kgr_inbox_item *item, *next;
    bool broken;

    if (inbox == NULL)
        return;
    for (item = kgr_inbox_take(inbox, &broken); item != NULL; item = next) {
        next = item->next;
        kgr_inbox_item_free(item);
    }
    pthread_mutex_destroy(&inbox->lock);
    free(inbox);
}

static struct kgr_inbox_item *new_item(enum kgr_inbox_type type, struct kgr_slice text,
                                       struct kgr_slice payload)
{
    struct kgr_inbox_item *item = malloc(sizeof(*item) + text.len + 1 + payload.len);

    if (item == NULL)
        return NULL;
    item->next = NULL;
    item->type = type;
    kgr_copy(item->bytes, text.p, text.len);
    item->bytes[text.len] = '\0';
    kgr_copy(item->bytes + text.len + 1, payload.p, payload.len);
    item->text = (const char *)item->bytes;
    item->payload = kgr_slice(item->bytes + text.len + 1, payload.len);
    return item;
}

void kgr_inbox_item_free(struct kgr_inbox_item *item)
{
    if (item == NULL)
        return;
    kgr_cleanse(item->bytes, strlen(item->text) + 1 + item->payload.len);
    free(item);
}

static void append(struct kgr_inbox *inbox, struct kgr_inbox_item *item)
{
    *inbox->tail = item;
    inbox->tail = &item->next;
}

void kgr_inbox_push_event(struct kgr_inbox *inbox, enum kgr_inbox_type type, const char *text)
{
    struct kgr_inbox_item *item = new_item(type, kgr_slice(text, strlen(text)), kgr_slice(NULL, 0));

    pthread_mutex_lock(&inbox->lock);
    if (item != NULL)
        append(inbox, item);
    else
        inbox->broken = true;
    pthread_mutex_unlock(&inbox->lock);
}

void kgr_inbox_push_message(struct kgr_inbox *inbox, struct kgr_slice topic,
                            struct kgr_slice payload, bool retained)
{
    bool malformed = topic.len == 0 || memchr(topic.p, '\0', topic.len) != NULL;
    bool oversize = payload.len > inbox->max_payload;
    struct kgr_inbox_item *item = NULL;

    if (!malformed && !oversize && !retained)
        item = new_item(KGR_INBOX_MESSAGE, topic, payload);
    pthread_mutex_lock(&inbox->lock);
    if (malformed) {
        inbox->drops.malformed++;
    } else if (retained) {
        inbox->drops.retained++;
    } else if (oversize) {
        inbox->drops.oversize++;
    } else if (item == NULL || inbox->num_messages >= inbox->max_messages) {
        inbox->drops.full++;
    } else {
        append(inbox, item);
        inbox->num_messages++;
        item = NULL;
    }
    pthread_mutex_unlock(&inbox->lock);
    kgr_inbox_item_free(item);
}

struct kgr_inbox_item *kgr_inbox_take(struct kgr_inbox *inbox, bool *out_broken)
{
    struct kgr_inbox_item *first;

    pthread_mutex_lock(&inbox->lock);
    first = inbox->first;
    inbox->first = NULL;
    inbox->tail = &inbox->first;
    inbox->num_messages = 0;
    *out_broken = inbox->broken;
    inbox->broken = false;
    pthread_mutex_unlock(&inbox->lock);
    return first;
}

void kgr_inbox_drops(struct kgr_inbox *inbox, struct kgr_inbox_drops *out)
{
    pthread_mutex_lock(&inbox->lock);
    *out = inbox->drops;
    pthread_mutex_unlock(&inbox->lock);
}
