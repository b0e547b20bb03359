/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/bodies.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wire/body_exchange.h"
#include "agent/wire/frame.h"

#define BODY_MAX 4096

static void head_of(struct kgr_exchange_head *out, const struct kgr_coordinator_state *state,
                    const struct kgr_coordinator_row *row)
{
    out->nid1 = state->nids[row->requester];
    out->nid2 = state->nids[1 - row->requester];
    memcpy(out->pxid, row->pxid, sizeof out->pxid);
    out->generation = row->generation;
}

static struct kgr_slice kc_of(const struct kgr_coordinator_row *row, size_t end)
{
    return kgr_slice(row->kc[end], kgr_suite_hash_len((enum kgr_suite)row->suite));
}

static enum kgr_error write_keys(struct kgr_wr *wr, const struct kgr_coordinator_state *state,
                                 const struct kgr_coordinator_action *action,
                                 struct kgr_slice objects)
{
    const struct kgr_coordinator_row *row = action->row;
    struct kgr_adv_req body = {
        .key = {.suite = row->suite, .custody = row->custody, .lifetime_s = row->lifetime_s},
    };
    struct kgr_rd rd;

    kgr_rd_init(&rd, objects.p, objects.len);
    kgr_wire_read_object(&rd, &body.key.nnsk);
    kgr_wire_read_object(&rd, &body.key.nnsksign);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    head_of(&body.key.head, state, row);
    memcpy(body.key.iv, row->iv, sizeof body.key.iv);
    memcpy(body.topic3, row->topic3, sizeof body.topic3);
    return action->frame == KGR_FRAME_KEY_ANS ? kgr_key_ans_encode(wr, &body.key)
                                              : kgr_adv_req_encode(wr, &body);
}

static enum kgr_error write_conf_req(struct kgr_wr *wr, const struct kgr_coordinator_state *state,
                                     const struct kgr_coordinator_row *row)
{
    struct kgr_adv_ans body = {.kc = kc_of(row, 1)};

    head_of(&body.head, state, row);
    memcpy(body.topic4, row->topic4, sizeof body.topic4);
    return kgr_adv_ans_encode(wr, &body);
}

static enum kgr_error write_done(struct kgr_wr *wr, const struct kgr_coordinator_state *state,
                                 const struct kgr_coordinator_row *row)
{
    struct kgr_conf_ans body = {.kc = kc_of(row, 0)};

    head_of(&body.head, state, row);
    return kgr_conf_ans_encode(wr, &body);
}

static enum kgr_error write_nack(struct kgr_wr *wr, const struct kgr_coordinator_action *action)
{
    struct kgr_nack body = {
        .type = action->refused_type,
        .sequence = action->refused_sequence,
        .reason = action->reason,
        .retry_after_s = action->retry_after_s,
        .generation = action->generation,
    };

    return kgr_nack_encode(wr, &body);
}

enum kgr_error kgr_ks_body(const struct kgr_coordinator_state *state,
                           const struct kgr_coordinator_action *action, struct kgr_slice objects,
                           uint8_t **out, size_t *out_len)
{
    uint8_t *body = malloc(BODY_MAX);
    struct kgr_wr wr;
    enum kgr_error err;

    if (body == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_wr_init(&wr, body, BODY_MAX);
    switch (action->frame) {
    case KGR_FRAME_KEY_ANS:
    case KGR_FRAME_ADV_REQ:
        err = write_keys(&wr, state, action, objects);
        break;
    case KGR_FRAME_CONF_REQ:
        err = write_conf_req(&wr, state, action->row);
        break;
    case KGR_FRAME_DONE:
        err = write_done(&wr, state, action->row);
        break;
    case KGR_FRAME_NACK:
        err = write_nack(&wr, action);
        break;
    default:
        err = KGR_ERR_INVALID;
        break;
    }
    if (err != KGR_OK) {
        free(body);
        return err;
    }
    *out = body;
    *out_len = wr.len;
    return KGR_OK;
}
