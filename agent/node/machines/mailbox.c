/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/mailbox.h"

#include "agent/base/secret.h"

#include <assert.h>
#include <stdlib.h>

/* What forgeries may cost: commands of the TPM, each of which takes a KiB. */
#define CHARGE_UNIT  1024u
#define CHARGE_RATE  20u
#define CHARGE_BURST 40u

struct list {
    struct kgr_mailbox_item *first; /* owned */
    struct kgr_mailbox_item *last;
};

struct kgr_mailbox {
    struct kgr_mailbox_pool *pool; /* borrowed */
    struct list sealed;
    struct list opened;
    size_t num;        /* in both */
    size_t num_opened; /* in opened */
    size_t bytes;
    struct kgr_bucket bucket;
    uint64_t ready_ms;
    bool busy;
    uint64_t dropped;
};

enum kgr_error kgr_mailbox_new(struct kgr_mailbox **out, struct kgr_mailbox_pool *pool,
                               uint64_t now_ms)
{
    struct kgr_mailbox *box = calloc(1, sizeof(*box));

    if (box == NULL)
        return KGR_ERR_NO_MEMORY;
    box->pool = pool;
    kgr_bucket_init(&box->bucket, CHARGE_RATE, CHARGE_BURST, now_ms);
    *out = box;
    return KGR_OK;
}

static void append(struct list *list, struct kgr_mailbox_item *item)
{
    item->next = NULL;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

static struct kgr_mailbox_item *detach(struct list *list)
{
    struct kgr_mailbox_item *item = list->first;

    assert(item != NULL);
    list->first = item->next;
    if (list->first == NULL)
        list->last = NULL;
    return item;
}

static void drop(struct kgr_mailbox *box, struct kgr_mailbox_item *item)
{
    box->num--;
    box->bytes -= item->size;
    box->pool->bytes -= item->size;
    kgr_cleanse(item->bytes, item->size - sizeof(*item));
    free(item);
}

void kgr_mailbox_free(struct kgr_mailbox *box)
{
    if (box == NULL)
        return;
    while (box->sealed.first != NULL)
        kgr_mailbox_refuse(box);
    while (box->opened.first != NULL)
        kgr_mailbox_take(box);
    free(box);
}

enum kgr_error kgr_mailbox_hold(struct kgr_mailbox *box, uint64_t generation, uint64_t sequence,
                                struct kgr_slice record)
{
    const struct kgr_mailbox_limits *limits = &box->pool->limits;
    size_t size = sizeof(struct kgr_mailbox_item) + record.len;
    struct kgr_mailbox_item *item;

    if (box->num >= limits->messages || size > limits->bytes || box->bytes > limits->bytes - size ||
        size > limits->total_bytes || box->pool->bytes > limits->total_bytes - size) {
        box->dropped++;
        return KGR_ERR_QUOTA;
    }
    item = malloc(size);
    if (item == NULL) {
        box->dropped++;
        return KGR_ERR_NO_MEMORY;
    }
    item->arrival = ++box->pool->arrivals;
    item->generation = generation;
    item->sequence = sequence;
    item->size = size;
    item->len = record.len;
    kgr_copy(item->bytes, record.p, record.len);
    append(&box->sealed, item);
    box->num++;
    box->pool->num_sealed++;
    box->bytes += size;
    box->pool->bytes += size;
    return KGR_OK;
}

const struct kgr_mailbox_item *kgr_mailbox_sealed(const struct kgr_mailbox *box)
{
    return box->sealed.first;
}

const struct kgr_mailbox_item *kgr_mailbox_opened(const struct kgr_mailbox *box)
{
    return box->opened.first;
}

void kgr_mailbox_accept(struct kgr_mailbox *box, struct kgr_slice plaintext)
{
    struct kgr_mailbox_item *item = detach(&box->sealed);

    assert(plaintext.len <= item->len);
    kgr_copy(item->bytes, plaintext.p, plaintext.len);
    item->len = plaintext.len;
    append(&box->opened, item);
    box->num_opened++;
    box->pool->num_sealed--;
    box->pool->num_opened++;
}

void kgr_mailbox_refuse(struct kgr_mailbox *box)
{
    box->pool->num_sealed--;
    drop(box, detach(&box->sealed));
}

void kgr_mailbox_take(struct kgr_mailbox *box)
{
    box->num_opened--;
    box->pool->num_opened--;
    drop(box, detach(&box->opened));
}

size_t kgr_mailbox_num_opened(const struct kgr_mailbox *box)
{
    return box->num_opened;
}

void kgr_mailbox_charge(struct kgr_mailbox *box, size_t len, uint64_t now_ms)
{
    size_t units = len / CHARGE_UNIT + 1;

    while (units > 0 && kgr_bucket_take(&box->bucket, now_ms))
        units--;
    box->ready_ms = now_ms + units * 1000 / CHARGE_RATE;
}

uint64_t kgr_mailbox_ready_ms(const struct kgr_mailbox *box)
{
    return box->ready_ms;
}

void kgr_mailbox_set_busy(struct kgr_mailbox *box, bool busy)
{
    box->busy = busy;
}

bool kgr_mailbox_is_busy(const struct kgr_mailbox *box)
{
    return box->busy;
}

uint64_t kgr_mailbox_num_dropped(const struct kgr_mailbox *box)
{
    return box->dropped;
}
