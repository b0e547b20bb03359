/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/gate.h"

uint32_t kgr_audit_gate_count(struct kgr_audit_gate *gate, uint32_t most, uint64_t now_s)
{
    uint32_t count;

    if (gate->began_s == 0 || now_s >= gate->began_s + KGR_AUDIT_GATE_S) {
        gate->began_s = now_s;
        gate->written = 0;
    }
    if (gate->silent < UINT32_MAX - 1)
        gate->silent++;
    if (gate->written >= most)
        return 0;
    count = gate->silent;
    gate->written++;
    gate->silent = 0;
    return count;
}

struct kgr_audit_gate *kgr_audit_gate_of(struct kgr_audit_gate *gates, const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return &gates[hash % KGR_AUDIT_GATES_LOCAL];
}
