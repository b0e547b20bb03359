/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/coordinator_actions.h"

#include <assert.h>
#include <string.h>

struct kgr_coordinator_action *kgr_co_add(struct kgr_coordinator_actions *out,
                                          enum kgr_coordinator_action_type type)
{
    struct kgr_coordinator_action *action;

    assert(out->num < KGR_COORDINATOR_MAX_ACTIONS);
    action = &out->list[out->num++];
    *action = (struct kgr_coordinator_action){.type = type};
    return action;
}

void kgr_co_report(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row)
{
    struct kgr_coordinator_action *action = kgr_co_add(out, KGR_COORDINATOR_DO_REPORT);

    action->phase = row->phase;
    action->generation = row->generation;
    action->side = row->requester;
    action->reason = row->reason;
}

void kgr_co_erase(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row,
                  uint8_t side)
{
    struct kgr_coordinator_action *action = kgr_co_add(out, KGR_COORDINATOR_DO_ERASE);

    action->generation = row->generation;
    action->side = side;
}

void kgr_co_send(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row,
                 uint8_t frame, uint8_t side)
{
    struct kgr_coordinator_action *action = kgr_co_add(out, KGR_COORDINATOR_DO_SEND);

    action->frame = frame;
    action->side = side;
    action->row = row;
    memcpy(action->xid, row->xid[side == row->requester ? 0 : 1], KGR_COORDINATOR_XID_LEN);
}

void kgr_co_refuse(struct kgr_coordinator_actions *out, const struct kgr_coordinator_event *event,
                   uint8_t refused_type, uint8_t reason, uint32_t retry_after_s,
                   uint64_t generation)
{
    struct kgr_coordinator_action *action = kgr_co_add(out, KGR_COORDINATOR_DO_SEND);

    action->frame = KGR_CO_NACK;
    action->side = event->side;
    memcpy(action->xid, event->xid, KGR_COORDINATOR_XID_LEN);
    action->refused_type = refused_type;
    action->refused_sequence = event->sequence;
    action->reason = reason;
    action->retry_after_s = retry_after_s;
    action->generation = generation;
}

void kgr_co_tell_aborted(const struct kgr_coordinator_row *row, struct kgr_coordinator_actions *out)
{
    struct kgr_coordinator_action *action = kgr_co_add(out, KGR_COORDINATOR_DO_SEND);

    action->frame = KGR_CO_NACK;
    action->side = row->requester;
    memcpy(action->xid, row->xid[0], KGR_COORDINATOR_XID_LEN);
    action->refused_type = KGR_CO_KEY_REQ;
    action->refused_sequence = row->request_sequence;
    action->reason = KGR_REASON_ABORTED;
    action->generation = row->generation;
}
