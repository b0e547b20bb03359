/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * How many records an event gets that a stranger can provoke (docs/protocol.md, section 9.3): nobody must fill the
 * audit log. Pure; one gate a reason, zeroed at the start.
 */
#define KGR_AUDIT_GATE_S      3600u
#define KGR_AUDIT_GATE_NUM    16u  /* orders and registrations of one reason */
#define KGR_AUDIT_GATE_LOCAL  256u /* local requests of one user, exchanges of one pair */
#define KGR_AUDIT_GATES_LOCAL 256u /* gates for those, by hash */

struct kgr_audit_gate {
    uint64_t began_s; /* of the present hour; 0: none yet */
    uint32_t written; /* records in it */
    uint32_t silent;  /* events since the last record */
};

/*
 * kgr_audit_gate_count takes an event at now_s (a clock that never goes back), and returns how many events the record to be
 * written stands for; 0: no record now, for there were most of them in this hour.
 */
uint32_t kgr_audit_gate_count(struct kgr_audit_gate *gate, uint32_t most, uint64_t now_s);
/* kgr_audit_gate_of picks one of KGR_AUDIT_GATES_LOCAL gates by a text. */
struct kgr_audit_gate *kgr_audit_gate_of(struct kgr_audit_gate *gates, const char *text);
