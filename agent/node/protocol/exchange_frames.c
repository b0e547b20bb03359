/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/node.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/wire/body_exchange.h"

#include <string.h>

/* Frames of the KS as events of a pair's machine. A body that does not decode is KGR_ERR_CORRUPT. */

static struct kgr_exchange_event event_of(enum kgr_exchange_event_type type,
                                          const struct kgr_frame_in *frame)
{
    struct kgr_exchange_event event = {.type = type, .sequence = frame->sequence};

    memcpy(event.xid, frame->header->xid, KGR_XID_LEN);
    return event;
}

static void set_head(struct kgr_exchange_event *event, const struct kgr_exchange_head *head)
{
    event->nid1 = &head->nid1;
    event->nid2 = &head->nid2;
    event->pxid = head->pxid;
    event->generation = head->generation;
}

static void set_keys(const struct kgr_node *node, struct kgr_exchange_event *event,
                     const struct kgr_key_ans *keys)
{
    enum kgr_tpm_form form;

    set_head(event, &keys->head);
    event->suite = keys->suite;
    event->custody = keys->custody;
    event->lifetime_s = keys->lifetime_s;
    event->iv = keys->iv;
    if (!kgr_custody_form(&node->custody, keys->custody, &form) ||
        (node->settings->min_custody != 0 && keys->custody > node->settings->min_custody))
        event->refuse = KGR_NACK_CUSTODY;
    else if ((node->custody.suites & KGR_MASK(keys->suite)) == 0)
        event->refuse = KGR_NACK_SUITE;
}

/* run gives the event to the pair with peer; a frame about a pair that is not ours is the KS's error. */
static enum kgr_error run(struct kgr_node *node, const struct kgr_nid *peer,
                          struct kgr_exchange_event *event, const struct kgr_key_ans *keys)
{
    struct kgr_pair *pair = kgr_pairs_find(&node->pairs, peer);

    if (pair == NULL) {
        kgr_warn("frame_ignored", "peer=%s reason=\"unknown pair\"", peer->s);
        return KGR_OK;
    }
    return kgr_exchange_run(node, pair, event, keys);
}

static enum kgr_error on_key_ans(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_key_ans ans;
    struct kgr_exchange_event event = event_of(KGR_EXCHANGE_KEY_ANS, frame);
    enum kgr_error err = kgr_key_ans_decode(&ans, frame->body);

    if (err != KGR_OK)
        return err;
    set_keys(node, &event, &ans);
    return run(node, &ans.head.nid2, &event, &ans);
}

static enum kgr_error on_adv_req(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    uint8_t topic[KGR_TOPIC_LEN];
    struct kgr_adv_req req;
    struct kgr_pair *pair;
    struct kgr_exchange_event event = event_of(KGR_EXCHANGE_ADV_REQ, frame);
    enum kgr_error err = kgr_adv_req_decode(&req, frame->body);

    if (err != KGR_OK)
        return err;
    err = kgr_pairs_ensure(&node->pairs, &pair, &req.key.head.nid1, false);
    if (err != KGR_OK) {
        kgr_warn("frame_ignored", "peer=%s reason=\"%s\"", req.key.head.nid1.s, kgr_strerror(err));
        return KGR_OK;
    }
    kgr_random(topic, sizeof(topic));
    set_keys(node, &event, &req.key);
    event.topic = req.topic3;
    event.fresh_topic = topic;
    return run(node, &req.key.head.nid1, &event, &req.key);
}

static enum kgr_error on_conf_req(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_adv_ans req;
    struct kgr_exchange_event event = event_of(KGR_EXCHANGE_CONF_REQ, frame);
    enum kgr_error err = kgr_adv_ans_decode(&req, frame->body);

    if (err != KGR_OK)
        return err;
    set_head(&event, &req.head);
    event.topic = req.topic4;
    event.kc = req.kc;
    return run(node, &req.head.nid2, &event, NULL);
}

static enum kgr_error on_done(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_conf_ans done;
    struct kgr_exchange_event event = event_of(KGR_EXCHANGE_DONE, frame);
    enum kgr_error err = kgr_conf_ans_decode(&done, frame->body);

    if (err != KGR_OK)
        return err;
    set_head(&event, &done.head);
    event.kc = done.kc;
    return run(node, &done.head.nid1, &event, NULL);
}

static enum kgr_error on_nack(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_nack nack;
    struct kgr_pair *pair = kgr_pairs_find_xid(&node->pairs, frame->header->xid);
    struct kgr_exchange_event event = event_of(KGR_EXCHANGE_NACK, frame);
    enum kgr_error err = kgr_nack_decode(&nack, frame->body);

    if (err != KGR_OK)
        return err;
    if (pair == NULL) {
        kgr_debug("frame_ignored", "type=%u reason=\"no such exchange\"", frame->header->type);
        return KGR_OK;
    }
    event.refused_type = nack.type;
    event.refused_sequence = nack.sequence;
    event.reason = nack.reason;
    event.retry_after_s = nack.retry_after_s;
    event.generation = nack.generation;
    pair->told_busy = nack.reason == KGR_NACK_BUSY;
    kgr_info("nack", "peer=%s reason=%u", pair->ex.s.peer.s, nack.reason);
    return kgr_exchange_run(node, pair, &event, NULL);
}

enum kgr_error kgr_exchange_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    node->sync.answer_ms = kgr_clock_boot_ms();
    switch (frame->header->type) {
    case KGR_FRAME_KEY_ANS:
        return on_key_ans(node, frame);
    case KGR_FRAME_ADV_REQ:
        return on_adv_req(node, frame);
    case KGR_FRAME_CONF_REQ:
        return on_conf_req(node, frame);
    case KGR_FRAME_DONE:
        return on_done(node, frame);
    case KGR_FRAME_NACK:
        return on_nack(node, frame);
    default:
        return KGR_OK;
    }
}
