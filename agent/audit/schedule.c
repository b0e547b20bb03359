/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/schedule.h"

uint64_t kgr_audit_schedule_due(const struct kgr_audit_schedule *schedule)
{
    return schedule->busy || schedule->newest <= schedule->head ? UINT64_MAX : schedule->due_ms;
}

void kgr_audit_schedule_added(struct kgr_audit_schedule *schedule, uint64_t id, bool is_head,
                              uint64_t now_ms)
{
    schedule->newest = id;
    if (is_head) {
        schedule->head = id;
        schedule->due_ms = now_ms + KGR_AUDIT_HEAD_MS;
    } else if (id - schedule->head == KGR_AUDIT_HEAD_RECORDS && schedule->due_ms > now_ms) {
        schedule->due_ms = now_ms;
    }
}

void kgr_audit_schedule_failed(struct kgr_audit_schedule *schedule, uint64_t now_ms)
{
    schedule->due_ms = now_ms + KGR_AUDIT_RETRY_MS;
}
