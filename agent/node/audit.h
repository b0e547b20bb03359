/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/audit/log.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"

/*
 * The audit log of a node (docs/protocol.md, section 9.3): its rows in the node's database, the key that signs its heads in the
 * node's TPM. One thread, the loop's.
 */
struct kgr_node;
struct kgr_node_audit;
struct kgr_pair;

#define KGR_NODE_AUDIT_KEPT 20000 /* records */

/*
 * kgr_node_audit_open finds the log, and makes its key at the first start, while the node still has the TPM for itself: a node
 * without (a revoked one) keeps a log that it does not sign.
 */
KGR_MUST_CHECK enum kgr_error kgr_node_audit_open(struct kgr_node *node, struct kgr_diag *diag);
/* kgr_node_audit_close: after the worker has ended. */
void kgr_node_audit_close(struct kgr_node *node);

/*
 * kgr_node_audit_within adds a record to the transaction that is open (kgr_node_begin); when it fails the transaction must.
 * kgr_node_audit adds one in a transaction of its own: one that cannot be written is counted, raises the alarm of a disk that
 * failed, and is told by a record when there is room again.
 */
KGR_MUST_CHECK enum kgr_error kgr_node_audit_within(struct kgr_node *node,
                                                    const struct kgr_audit_event *event,
                                                    struct kgr_diag *diag);
void kgr_node_audit(struct kgr_node *node, const struct kgr_audit_event *event);
/*
 * kgr_node_audit_refusal records that the access policy refused a request of uid: op, the peer that it named (or NULL), and why.
 * Before the request is answered. Too many of one user are counted.
 */
void kgr_node_audit_refusal(struct kgr_node *node, uint32_t uid, uint16_t op, const char *peer,
                            const char *why);
/* kgr_node_audit_pair is kgr_node_audit_within for what a pair's exchange came to; too many of one pair are counted. */
KGR_MUST_CHECK enum kgr_error kgr_node_audit_pair(struct kgr_node *node,
                                                  const struct kgr_pair *pair, uint64_t generation,
                                                  enum kgr_error status, const char *text,
                                                  struct kgr_diag *diag);

/* kgr_node_audit_deadline: when kgr_node_audit_on_timer signs the head; UINT64_MAX: never. */
uint64_t kgr_node_audit_deadline(const struct kgr_node *node);
void kgr_node_audit_on_timer(struct kgr_node *node, uint64_t now_ms);

/*
 * kgr_node_audit_sign calls done when a head signs all that was recorded before: at once if it does, with KGR_ERR_TPM or another
 * error when it could not be made, KGR_ERR_STATE by a node without a key. It is called before the worker has ended.
 */
typedef void kgr_node_audit_done(void *arg, enum kgr_error err);
void kgr_node_audit_sign(struct kgr_node *node, kgr_node_audit_done *done, void *arg);

/* kgr_node_audit_page writes the body of the reply to `audit` (section 11), of at most max bytes. */
KGR_MUST_CHECK enum kgr_error kgr_node_audit_page(struct kgr_node *node, struct kgr_wr *wr,
                                                  size_t max, const struct kgr_audit_query *query,
                                                  struct kgr_diag *diag);

struct kgr_node_audit_stats {
    uint64_t records;    /* written since the start */
    uint64_t lost;       /* that could not be written */
    uint64_t unsigned_n; /* after the last head */
};
void kgr_node_audit_stats(const struct kgr_node *node, struct kgr_node_audit_stats *out);
