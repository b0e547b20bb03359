/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/notify.h"

#include <inttypes.h>

#include "agent/base/log.h"
#include "agent/server/store/notice_rows.h"
#include "agent/server/protocol/pairset.h"
#include "agent/server/orders/revoke.h"
#include "agent/wire/frame.h"

uint64_t kgr_ks_next_word(struct kgr_ks *ks)
{
    return (uint64_t)ks->epoch << 32 | ++ks->words;
}

static enum kgr_error send(struct kgr_ks *ks, struct kgr_ks_node *node,
                           const struct kgr_notices_entry *entry)
{
    uint8_t body[KGR_NOTICE_MAX];
    struct kgr_wr wr;
    enum kgr_error err;

    if (node->nksk == NULL)
        return KGR_OK;
    kgr_wr_init(&wr, body, sizeof body);
    err = kgr_notice_encode(&wr, &entry->notice);
    if (err == KGR_OK)
        err = kgr_ks_frames_send(ks, node->nksk, KGR_FRAME_NOTICE, entry->xid, kgr_wr_slice(&wr),
                                 NULL);
    return err;
}

static enum kgr_error step(struct kgr_ks *ks, struct kgr_ks_node *node,
                           struct kgr_notices_event *event, struct kgr_diag *diag)
{
    struct kgr_notices_actions actions;
    enum kgr_error err;

    event->now_ms = kgr_clock_boot_ms();
    event->jitter = kgr_ks_jitter();
    err = kgr_notices_step(&node->notices, event, &actions);
    for (size_t i = 0; i < actions.num && err == KGR_OK; i++) {
        switch (actions.list[i].type) {
        case KGR_NOTICES_DO_KEEP:
            err = kgr_ks_notice_keep(ks->db, &node->r.nid, &actions.list[i].entry, diag);
            break;
        case KGR_NOTICES_DO_ERASE:
            err = kgr_ks_notice_erase(ks->db, &node->r.nid, actions.list[i].word, diag);
            break;
        case KGR_NOTICES_DO_ERASE_ALL:
            err = kgr_ks_notice_erase_all(ks->db, &node->r.nid, diag);
            break;
        case KGR_NOTICES_DO_SEND:
            err = send(ks, node, &actions.list[i].entry);
            break;
        case KGR_NOTICES_DO_TOLD:
            err = kgr_ks_revoke_told(ks, node, diag);
            break;
        }
    }
    if (node->notices.deadline_ms < ks->notices_ms) {
        ks->notices_ms = node->notices.deadline_ms;
        kgr_ks_arm(ks);
    }
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of our own rows */
}

enum kgr_error kgr_ks_notify(struct kgr_ks *ks, struct kgr_ks_node *node,
                             const struct kgr_notice *notice, struct kgr_diag *diag)
{
    uint8_t xid[KGR_XID_LEN];
    struct kgr_notices_event event = {.type = KGR_NOTICES_QUEUE, .notice = notice, .xid = xid};

    if (node == NULL || node->nksk == NULL)
        return KGR_OK;
    kgr_random(xid, sizeof xid);
    kgr_info("notice", "node=%s kind=%u peer=%s word=%" PRIu64, node->r.nid.s, notice->kind,
             notice->peer.s, notice->word);
    return step(ks, node, &event, diag);
}

enum kgr_error kgr_ks_notify_pair(struct kgr_ks *ks, const struct kgr_nid nids[2], uint8_t kind,
                                  uint64_t word, uint64_t floor, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    for (size_t side = 0; side < 2 && err == KGR_OK; side++) {
        struct kgr_ks_node *node = kgr_ks_node_find(ks, &nids[side]);
        struct kgr_notice notice = {
            .word = word, .kind = kind, .floor = floor, .peer = nids[1 - side]};

        if (node != NULL && kgr_ks_node_ready(node))
            err = kgr_ks_notify(ks, node, &notice, diag);
    }
    return err;
}

enum kgr_error kgr_ks_notify_ack(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                 struct kgr_diag *diag)
{
    struct kgr_notices_event event = {.type = KGR_NOTICES_ACK};

    if (kgr_notice_ack_decode(&event.word, frame->body) != KGR_OK)
        return KGR_ERR_CORRUPT;
    return step(ks, frame->node, &event, diag);
}

enum kgr_error kgr_ks_notify_heard(struct kgr_ks *ks, struct kgr_ks_node *node,
                                   struct kgr_diag *diag)
{
    struct kgr_notices_event event = {.type = KGR_NOTICES_HEARD};

    return node->notices.num == 0 ? KGR_OK : step(ks, node, &event, diag);
}

enum kgr_error kgr_ks_notify_clear(struct kgr_ks *ks, struct kgr_ks_node *node,
                                   struct kgr_diag *diag)
{
    struct kgr_notices_event event = {.type = KGR_NOTICES_CLEAR};

    return step(ks, node, &event, diag);
}

static enum kgr_error restore(void *arg, const struct kgr_nid *nid,
                              const struct kgr_notices_entry *entry)
{
    struct kgr_ks_node *node = kgr_ks_node_find(arg, nid);

    return node == NULL ? KGR_ERR_CORRUPT : kgr_notices_restore(&node->notices, entry);
}

enum kgr_error kgr_ks_notify_load(struct kgr_ks *ks, struct kgr_diag *diag)
{
    return kgr_ks_notice_each(ks->db, restore, ks, diag);
}

static void step_all(struct kgr_ks *ks, enum kgr_notices_event_type type, uint64_t due_ms)
{
    ks->notices_ms = UINT64_MAX;
    for (struct kgr_ks_node *node = ks->nodes; node != NULL && !ks->failed; node = node->next) {
        struct kgr_notices_event event = {.type = type};
        struct kgr_diag diag = {{0}};

        if (node->notices.num == 0)
            continue;
        if (node->notices.deadline_ms > due_ms) {
            if (node->notices.deadline_ms < ks->notices_ms)
                ks->notices_ms = node->notices.deadline_ms;
            continue;
        }
        if (kgr_ks_begin(ks) == KGR_OK)
            kgr_ks_end(ks, step(ks, node, &event, &diag), &diag);
    }
}

void kgr_ks_notify_connected(struct kgr_ks *ks)
{
    step_all(ks, KGR_NOTICES_HEARD, UINT64_MAX);
}

void kgr_ks_notify_timer(struct kgr_ks *ks)
{
    uint64_t now = kgr_clock_boot_ms();

    if (ks->notices_ms <= now)
        step_all(ks, KGR_NOTICES_TIMER, now);
}
