/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/attr.h"

/* The topics that the owner wants, sorted, and how far each is on this connection. */
#define KGR_TOPICS_NAME_MAX 1023

enum kgr_topic_state {
    KGR_TOPIC_NEW,   /* not asked for on this connection */
    KGR_TOPIC_ASKED, /* in a SUBSCRIBE under way */
    KGR_TOPIC_ACKED,
};

struct kgr_topic_entry {
    char *name; /* owned */
    enum kgr_topic_state state;
};

struct kgr_topics {
    struct kgr_topic_entry *entries; /* owned */
    size_t num;
    size_t cap;
    size_t num_new;
};

void kgr_topics_deinit(struct kgr_topics *topics);
/* kgr_topics_is_valid: 1 to KGR_TOPICS_NAME_MAX bytes and no wildcard. */
bool kgr_topics_is_valid(const char *name);
/* kgr_topics_add adds name as NEW; KGR_OK too when it is there. */
KGR_MUST_CHECK enum kgr_error kgr_topics_add(struct kgr_topics *topics, const char *name);
/* kgr_topics_remove returns whether the topic was asked for on this connection. */
bool kgr_topics_remove(struct kgr_topics *topics, const char *name);
bool kgr_topics_contains(const struct kgr_topics *topics, const char *name);
/* kgr_topics_ask turns at most max NEW topics into ASKED, and borrows their names. Returns how many. */
size_t kgr_topics_ask(struct kgr_topics *topics, char **out_names, size_t max);
/* kgr_topics_ack turns all ASKED into ACKED. */
void kgr_topics_ack(struct kgr_topics *topics);
/* kgr_topics_reset turns all into NEW: the connection has gone. */
void kgr_topics_reset(struct kgr_topics *topics);
