/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/server/machines/orders.h"
#include "agent/wire/body_audit.h"

/*
 * The audit log: what an operator must be able to prove later, in a chain of hashes (docs/protocol.md, section 9.3). Whatever
 * concerns nodes may be recorded with it: registrations, takeovers, revocations (kgr_ks_audit_node), starts and
 * restored databases (KGR_AUDIT_SERVICE). Call kgr_ks_audit within the transaction of the event, once for each, and through a gate
 * of its own (audit_gate.h) whatever a stranger can provoke.
 */
struct kgr_ks;

#define KGR_AUDIT_KEPT 100000 /* records */

struct kgr_ks_audit_event {
    uint8_t what;    /* enum kgr_audit_what */
    uint8_t kind;    /* of an order, else 0 */
    uint64_t number; /* of an order, else 0 */
    enum kgr_error status;
    uint32_t count;      /* 0 counts as 1 */
    const char *subject; /* N_IDs, or NULL; cut at KGR_AUDIT_SUBJECT_MAX */
    const char *text;    /* or NULL; cut at KGR_AUDIT_TEXT_MAX */
};

/* kgr_ks_audit adds a record, within a transaction. KGR_ERR_IO and others of the database. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_audit(struct kgr_ks *ks, const struct kgr_ks_audit_event *event, struct kgr_diag *diag);
/*
 * kgr_ks_audit_node records what became of a node, within a transaction, unless there are too many such records: they are counted
 * then. status tells a refusal from the rest.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_node(struct kgr_ks *ks, const char *nid,
                                                enum kgr_error status, const char *text,
                                                struct kgr_diag *diag);
/*
 * kgr_ks_audit_refusal records a refused order in a transaction of its own, unless there are too many of its reason: those
 * are counted. kind and number as far as they are known.
 */
void kgr_ks_audit_refusal(struct kgr_ks *ks, enum kgr_orders_reason reason, uint8_t kind,
                          uint64_t number, const char *subject);
/* kgr_ks_audit_list writes the body of the result of audit_list. KGR_ERR_CORRUPT: body is malformed. */
KGR_MUST_CHECK enum kgr_error kgr_ks_audit_list(struct kgr_ks *ks, struct kgr_wr *wr,
                                                struct kgr_slice body, struct kgr_diag *diag);
