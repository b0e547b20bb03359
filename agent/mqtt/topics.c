/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/topics.h"

#include <stdlib.h>
#include <string.h>

void kgr_topics_deinit(struct kgr_topics *topics)
{
    for (size_t i = 0; i < topics->num; i++)
        free(topics->entries[i].name);
    free(topics->entries);
    *topics = (struct kgr_topics){0};
}

bool kgr_topics_is_valid(const char *name)
{
    size_t len = strnlen(name, KGR_TOPICS_NAME_MAX + 1);

    return len >= 1 && len <= KGR_TOPICS_NAME_MAX && strpbrk(name, "#+") == NULL;
}

/* The index of name, or where it belongs. */
static size_t find(const struct kgr_topics *topics, const char *name, bool *out_found)
{
    size_t low = 0, high = topics->num;

    *out_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(topics->entries[middle].name, name);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum kgr_error kgr_topics_add(struct kgr_topics *topics, const char *name)
{
    struct kgr_topic_entry *entries;
    size_t at, cap;
    bool found;
    char *copy;

    at = find(topics, name, &found);
    if (found)
        return KGR_OK;
    if (topics->num == topics->cap) {
        cap = topics->cap == 0 ? 16 : topics->cap * 2;
        entries = reallocarray(topics->entries, cap, sizeof(*entries));
        if (entries == NULL)
            return KGR_ERR_NO_MEMORY;
        topics->entries = entries;
        topics->cap = cap;
    }
    copy = strdup(name);
    if (copy == NULL)
        return KGR_ERR_NO_MEMORY;
    memmove(&topics->entries[at + 1], &topics->entries[at],
            (topics->num - at) * sizeof(*topics->entries));
    topics->entries[at] = (struct kgr_topic_entry){copy, KGR_TOPIC_NEW};
    topics->num++;
    topics->num_new++;
    return KGR_OK;
}

bool kgr_topics_remove(struct kgr_topics *topics, const char *name)
{
    bool found, was_asked;
    size_t at = find(topics, name, &found);

    if (!found)
        return false;
    was_asked = topics->entries[at].state != KGR_TOPIC_NEW;
    if (!was_asked)
        topics->num_new--;
    free(topics->entries[at].name);
    topics->num--;
    memmove(&topics->entries[at], &topics->entries[at + 1],
            (topics->num - at) * sizeof(*topics->entries));
    return was_asked;
}

bool kgr_topics_contains(const struct kgr_topics *topics, const char *name)
{
    bool found;

    (void)find(topics, name, &found);
    return found;
}

size_t kgr_topics_ask(struct kgr_topics *topics, char **out_names, size_t max)
{
    size_t num = 0;

    for (size_t i = 0; i < topics->num && num < max && topics->num_new > 0; i++) {
        if (topics->entries[i].state != KGR_TOPIC_NEW)
            continue;
        topics->entries[i].state = KGR_TOPIC_ASKED;
        topics->num_new--;
        out_names[num++] = topics->entries[i].name;
    }
    return num;
}

void kgr_topics_ack(struct kgr_topics *topics)
{
    for (size_t i = 0; i < topics->num; i++)
        if (topics->entries[i].state == KGR_TOPIC_ASKED)
            topics->entries[i].state = KGR_TOPIC_ACKED;
}

void kgr_topics_reset(struct kgr_topics *topics)
{
    for (size_t i = 0; i < topics->num; i++)
        topics->entries[i].state = KGR_TOPIC_NEW;
    topics->num_new = topics->num;
}
