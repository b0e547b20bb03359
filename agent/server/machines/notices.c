/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/notices.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef const struct kgr_notices_event event_t;
typedef struct kgr_notices_actions actions_t;

static void add(actions_t *out, enum kgr_notices_action_type type, uint64_t word,
                const struct kgr_notices_entry *entry)
{
    assert(out->num < KGR_NOTICES_MAX_ACTIONS);
    out->list[out->num].type = type;
    out->list[out->num].word = word;
    if (entry != NULL)
        out->list[out->num].entry = *entry;
    out->num++;
}

static void schedule(struct kgr_notices *notices, event_t *event)
{
    uint64_t delay = KGR_NOTICES_MAX_MS;

    if (notices->num == 0) {
        notices->deadline_ms = UINT64_MAX;
        return;
    }
    if (notices->attempts < 12 && (KGR_NOTICES_FIRST_MS << notices->attempts) < delay)
        delay = KGR_NOTICES_FIRST_MS << notices->attempts;
    if (notices->attempts < UINT32_MAX)
        notices->attempts++;
    notices->deadline_ms = event->now_ms + delay - delay / 4 + event->jitter % (delay / 2 + 1);
}

static void send_due(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    for (size_t i = 0; i < notices->num && i < KGR_NOTICES_BURST; i++)
        add(out, KGR_NOTICES_DO_SEND, notices->list[i].notice.word, &notices->list[i]);
    schedule(notices, event);
}

static void take_out(struct kgr_notices *notices, size_t i)
{
    notices->num--;
    memmove(notices->list + i, notices->list + i + 1, (notices->num - i) * sizeof notices->list[0]);
}

static enum kgr_error append(struct kgr_notices *notices, const struct kgr_notices_entry *entry)
{
    if (notices->num == notices->cap) {
        size_t cap = notices->cap == 0 ? 8 : 2 * notices->cap;
        struct kgr_notices_entry *list = realloc(notices->list, cap * sizeof *list);

        if (list == NULL)
            return KGR_ERR_NO_MEMORY;
        notices->list = list;
        notices->cap = cap;
    }
    notices->list[notices->num++] = *entry;
    return KGR_OK;
}

/* What the new notice makes untrue goes: all when the node itself is revoked. */
static void supersede(struct kgr_notices *notices, const struct kgr_notice *by, actions_t *out)
{
    if (by->kind == KGR_NOTICE_NODE_REVOKED) {
        if (notices->num > 1)
            add(out, KGR_NOTICES_DO_ERASE_ALL, 0, NULL);
        notices->list[0] = notices->list[notices->num - 1];
        notices->num = 1;
        return;
    }
    for (size_t i = 0; i + 1 < notices->num; i++) {
        const struct kgr_notice *old = &notices->list[i].notice;

        if (old->kind != KGR_NOTICE_NODE_REVOKED && kgr_nid_cmp(&old->peer, &by->peer) == 0) {
            add(out, KGR_NOTICES_DO_ERASE, old->word, NULL);
            take_out(notices, i);
            return; /* there is one a peer */
        }
    }
}

static enum kgr_error on_queue(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    struct kgr_notices_entry entry = {.notice = *event->notice};
    enum kgr_error err;

    assert(notices->num == 0 || event->notice->word > notices->list[notices->num - 1].notice.word);
    memcpy(entry.xid, event->xid, sizeof entry.xid);
    err = append(notices, &entry);
    if (err != KGR_OK)
        return err;
    supersede(notices, &entry.notice, out);
    add(out, KGR_NOTICES_DO_KEEP, entry.notice.word, &entry);
    if (notices->num <= KGR_NOTICES_BURST)
        add(out, KGR_NOTICES_DO_SEND, entry.notice.word, &entry);
    /* Behind others it comes with them, and must not put them off. */
    if (notices->num <= KGR_NOTICES_BURST || notices->deadline_ms == UINT64_MAX) {
        notices->attempts = 0;
        schedule(notices, event);
    }
    return KGR_OK;
}

static enum kgr_error on_ack(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    for (size_t i = 0; i < notices->num; i++) {
        const struct kgr_notices_entry *entry = &notices->list[i];
        uint8_t kind = entry->notice.kind;

        if (entry->notice.word != event->word)
            continue;
        add(out, KGR_NOTICES_DO_ERASE, event->word, NULL);
        take_out(notices, i);
        if (kind == KGR_NOTICE_NODE_REVOKED)
            add(out, KGR_NOTICES_DO_TOLD, event->word, NULL);
        notices->attempts = 0;
        schedule(notices, event);
        if (notices->num >= KGR_NOTICES_BURST) /* some were never sent */
            notices->deadline_ms = event->now_ms + KGR_NOTICES_PACE_MS;
        return KGR_OK;
    }
    return KGR_OK; /* again, or of a notice that was superseded */
}

static enum kgr_error on_timer(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    if (event->now_ms >= notices->deadline_ms)
        send_due(notices, event, out);
    return KGR_OK;
}

static enum kgr_error on_heard(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    notices->attempts = 0;
    send_due(notices, event, out);
    return KGR_OK;
}

static enum kgr_error on_clear(struct kgr_notices *notices, event_t *event, actions_t *out)
{
    (void)event;
    if (notices->num > 0)
        add(out, KGR_NOTICES_DO_ERASE_ALL, 0, NULL);
    notices->num = 0;
    notices->attempts = 0;
    notices->deadline_ms = UINT64_MAX;
    return KGR_OK;
}

void kgr_notices_init(struct kgr_notices *out)
{
    *out = (struct kgr_notices){.deadline_ms = UINT64_MAX};
}

void kgr_notices_deinit(struct kgr_notices *notices)
{
    free(notices->list);
    kgr_notices_init(notices);
}

enum kgr_error kgr_notices_restore(struct kgr_notices *notices,
                                   const struct kgr_notices_entry *entry)
{
    return append(notices, entry);
}

enum kgr_error kgr_notices_step(struct kgr_notices *notices, const struct kgr_notices_event *event,
                                struct kgr_notices_actions *out)
{
    static enum kgr_error (*const handlers[])(struct kgr_notices *, event_t *, actions_t *) = {
        [KGR_NOTICES_QUEUE] = on_queue, [KGR_NOTICES_ACK] = on_ack,
        [KGR_NOTICES_TIMER] = on_timer, [KGR_NOTICES_HEARD] = on_heard,
        [KGR_NOTICES_CLEAR] = on_clear,
    };

    assert((size_t)event->type < KGR_ARRAY_LEN(handlers));
    out->num = 0;
    return handlers[event->type](notices, event, out);
}
