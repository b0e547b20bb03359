/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/audit/log.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/server/machines/orders.h"
#include "agent/wire/body_audit.h"

/*
 * The audit log of the KS (agent/audit/log.h). Call kgr_ks_audit within the transaction of the event, once for each, and through a
 * gate of its own (agent/audit/gate.h) whatever a stranger can provoke.
 */
struct kgr_ks;

#define KGR_KS_AUDIT_KEPT 100000 /* records */

/* kgr_ks_audit_load finds the newest record, at the start. */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_load(struct kgr_ks *ks, struct kgr_diag *diag);
/* kgr_ks_audit adds a record, within a transaction. KGR_ERR_IO and others of the database. */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit(struct kgr_ks *ks, const struct kgr_audit_event *event,
                                           struct kgr_diag *diag);
/*
 * kgr_ks_audit_node records what became of a node, within a transaction, unless there are too many such records: they are counted
 * then. status tells a refusal from the rest.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_node(struct kgr_ks *ks, const char *nid,
                                                enum kgr_error status, const char *text,
                                                struct kgr_diag *diag);
/*
 * kgr_ks_audit_exchange records what became of a generation of a pair, within a transaction, unless there are too many such
 * records of this pair: they are counted then.
 */
struct kgr_ks_audit_exchange {
    const char *requester; /* N_IDs */
    const char *destined;
    uint64_t generation;
    enum kgr_error status;
    const char *text;
};
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_exchange(struct kgr_ks *ks,
                                                    const struct kgr_ks_audit_exchange *exchange,
                                                    struct kgr_diag *diag);
/*
 * kgr_ks_audit_refusal records a refused order in a transaction of its own, unless there are too many of its reason: those
 * are counted. kind and number as far as they are known.
 */
void kgr_ks_audit_refusal(struct kgr_ks *ks, enum kgr_orders_reason reason, uint8_t kind,
                          uint64_t number, const char *subject);
/* kgr_ks_audit_alone records an event of the service in a transaction of its own; a failure stops the KS as any does. */
void kgr_ks_audit_alone(struct kgr_ks *ks, uint8_t what, enum kgr_error status, const char *text);
/* kgr_ks_audit_list writes the body of the result of audit_list. KGR_ERR_CORRUPT: body is malformed. */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_list(struct kgr_ks *ks, struct kgr_wr *wr,
                                                struct kgr_slice body, struct kgr_diag *diag);

/* kgr_ks_audit_timer signs the head when that is due; kgr_ks_audit_deadline says when. */
void kgr_ks_audit_timer(struct kgr_ks *ks);
uint64_t kgr_ks_audit_deadline(const struct kgr_ks *ks);
