/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * When the head of an audit log is to be signed (docs/protocol.md, section 9.3): after a start, every hour, after 256 records,
 * and when somebody asks. Pure; zeroed at the start, newest and head being the newest record that stands.
 */
#define KGR_AUDIT_HEAD_MS      UINT64_C(3600000)
#define KGR_AUDIT_HEAD_RECORDS 256u
#define KGR_AUDIT_RETRY_MS     UINT64_C(30000) /* after a signature that failed */

struct kgr_audit_schedule {
    uint64_t newest; /* record */
    uint64_t head;   /* the newest record that needs no head after it */
    uint64_t due_ms; /* of the next head, if there is anything to sign */
    bool busy;       /* a signature is being made */
};

/* kgr_audit_schedule_due: when a head is to be made; UINT64_MAX: not before something happens. */
uint64_t kgr_audit_schedule_due(const struct kgr_audit_schedule *schedule);
/* kgr_audit_schedule_added: this record was written; is_head if it is one. */
void kgr_audit_schedule_added(struct kgr_audit_schedule *schedule, uint64_t id, bool is_head,
                              uint64_t now_ms);
/* kgr_audit_schedule_failed: a signature was not made. */
void kgr_audit_schedule_failed(struct kgr_audit_schedule *schedule, uint64_t now_ms);
