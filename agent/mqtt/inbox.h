/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"

/*
 * The way from Paho's threads to the owner's: a bounded queue of copies. What a connection does is always
 * let in (there is little of it), messages are dropped and counted when too many wait. Thread-safe.
 */
enum kgr_inbox_type {
    KGR_INBOX_CONNECTED,
    KGR_INBOX_FAILED,      /* an attempt to connect; text says why */
    KGR_INBOX_LOST,        /* the connection; text says why */
    KGR_INBOX_SUBSCRIBED,  /* a SUBSCRIBE was granted in full */
    KGR_INBOX_REFUSED,     /* likewise, but not all of it was granted; text says why */
    KGR_INBOX_UNPUBLISHED, /* a publish was refused; text says why */
    KGR_INBOX_PUBLISHED,   /* one was accepted, after refusals */
    KGR_INBOX_MESSAGE,     /* text is the topic */
};

struct kgr_inbox_item {
    struct kgr_inbox_item *next;
    enum kgr_inbox_type type;
    const char *text;         /* NUL-terminated, in the same allocation */
    struct kgr_slice payload; /* likewise */
    uint8_t bytes[];
};

struct kgr_inbox_drops {
    uint64_t full;
    uint64_t oversize;
    uint64_t malformed;
    uint64_t retained;
};

struct kgr_inbox;

KGR_MUST_CHECK enum kgr_error kgr_inbox_new(struct kgr_inbox **out, size_t max_messages,
                                            size_t max_payload);
/* kgr_inbox_free accepts NULL. */
void kgr_inbox_free(struct kgr_inbox *inbox);

/* kgr_inbox_push_event: without memory for it the inbox counts as broken, see kgr_inbox_take. */
void kgr_inbox_push_event(struct kgr_inbox *inbox, enum kgr_inbox_type type, const char *text);
/* kgr_inbox_push_message copies a message. A topic with a zero byte is malformed; nothing of ours is retained. */
void kgr_inbox_push_message(struct kgr_inbox *inbox, struct kgr_slice topic,
                            struct kgr_slice payload, bool retained);
/*
 * kgr_inbox_take hands over everything that waits, the oldest first, as a list that the caller frees item by
 * item. *out_broken: an event was lost for lack of memory, nothing is known about the connection.
 */
struct kgr_inbox_item *kgr_inbox_take(struct kgr_inbox *inbox, bool *out_broken);
/* kgr_inbox_item_free wipes and frees one item. */
void kgr_inbox_item_free(struct kgr_inbox_item *item);
void kgr_inbox_drops(struct kgr_inbox *inbox, struct kgr_inbox_drops *out);
