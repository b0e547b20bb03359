/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * How many records a kind of refusal gets (docs/protocol.md, section 9.3): whoever can provoke refusals must not fill the
 * audit log with them. Pure; one gate a reason, zeroed at the start.
 */
#define KGR_AUDIT_GATE_S   3600u
#define KGR_AUDIT_GATE_NUM 16u

struct kgr_audit_gate {
    uint64_t began_s; /* of the present hour; 0: none yet */
    uint32_t written; /* records in it */
    uint32_t silent;  /* events since the last record */
};

/*
 * kgr_audit_gate_count takes an event at now_s (a clock that never goes back), and returns how many events the record to be
 * written stands for; 0: no record now.
 */
uint32_t kgr_audit_gate_count(struct kgr_audit_gate *gate, uint64_t now_s);
