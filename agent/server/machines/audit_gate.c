/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/audit_gate.h"

uint32_t kgr_audit_gate_count(struct kgr_audit_gate *gate, uint64_t now_s)
{
    uint32_t count;

    if (gate->began_s == 0 || now_s >= gate->began_s + KGR_AUDIT_GATE_S) {
        gate->began_s = now_s;
        gate->written = 0;
    }
    if (gate->silent < UINT32_MAX - 1)
        gate->silent++;
    if (gate->written >= KGR_AUDIT_GATE_NUM)
        return 0;
    count = gate->silent;
    gate->written++;
    gate->silent = 0;
    return count;
}
