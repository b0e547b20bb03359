/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/machines/coordinator.h"

/* How coordinator.c writes down what its owner shall do. Of no use to others. */

/* Types of frames, docs/protocol.md section 3. */
enum kgr_co_frame {
    KGR_CO_KEY_REQ = 7,
    KGR_CO_KEY_ANS = 8,
    KGR_CO_ADV_REQ = 9,
    KGR_CO_ADV_ANS = 10,
    KGR_CO_CONF_REQ = 11,
    KGR_CO_DONE = 13,
    KGR_CO_NACK = 14,
};

struct kgr_coordinator_action *kgr_co_add(struct kgr_coordinator_actions *out,
                                          enum kgr_coordinator_action_type type);
void kgr_co_report(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row);
void kgr_co_erase(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row,
                  uint8_t side);
void kgr_co_send(struct kgr_coordinator_actions *out, const struct kgr_coordinator_row *row,
                 uint8_t frame, uint8_t side);
/* kgr_co_refuse answers the frame of event by a nack. */
void kgr_co_refuse(struct kgr_coordinator_actions *out, const struct kgr_coordinator_event *event,
                   uint8_t refused_type, uint8_t reason, uint32_t retry_after_s,
                   uint64_t generation);
/* kgr_co_tell_aborted tells the requester at once; if that is lost, it asks again. */
void kgr_co_tell_aborted(const struct kgr_coordinator_row *row,
                         struct kgr_coordinator_actions *out);
