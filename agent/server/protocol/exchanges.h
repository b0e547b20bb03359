/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"

/* Exchanges of pairs: drives agent/server/machines/coordinator.h (docs/protocol.md, section 6). */

/* kgr_ks_exchanges_frame handles key_req, adv_ans, conf_ans and nack, within the frame's transaction. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_exchanges_frame(struct kgr_ks *ks, const struct kgr_ks_frame *frame, struct kgr_diag *diag);
/* kgr_ks_exchanges_sync tells the machines what a node said in sync_req, within its transaction. */
struct kgr_sync_req;
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_sync(struct kgr_ks *ks,
                                                    const struct kgr_ks_frame *frame,
                                                    const struct kgr_sync_req *req,
                                                    struct kgr_diag *diag);
/* kgr_ks_exchanges_outcome tells what became of an exchange of this node. */
enum kgr_coordinator_outcome kgr_ks_exchanges_outcome(const struct kgr_ks *ks,
                                                      const struct kgr_nid *nid, const uint8_t *xid,
                                                      uint64_t *out_generation);
/* kgr_ks_exchanges_rekeyed: a node has another NKSK, under which it numbers its frames anew. Within a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_rekeyed(struct kgr_ks *ks, const struct kgr_nid *nid,
                                                       struct kgr_diag *diag);
/*
 * kgr_ks_exchanges_abort ends what is not committed of every pair of a node: its duplicates are for a storage key that
 * is no more. Within a transaction.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_abort(struct kgr_ks *ks, const struct kgr_nid *nid,
                                                     struct kgr_diag *diag);
/* kgr_ks_exchanges_denied ends the open exchange of a pair that may not have keys any more, in a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_denied(struct kgr_ks *ks,
                                                      const struct kgr_nid nids[2], uint8_t reason,
                                                      struct kgr_diag *diag);
/* kgr_ks_exchanges_revoked ends all that a pair has, because the node of that side is gone, in a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_revoked(struct kgr_ks *ks,
                                                       const struct kgr_nid nids[2], uint8_t side,
                                                       struct kgr_diag *diag);
/* kgr_ks_exchanges_heard sends a node that is back what it waits for, within a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_exchanges_heard(struct kgr_ks *ks, const struct kgr_nid *nid,
                                                     struct kgr_diag *diag);
/* kgr_ks_exchanges_connected sends what is due, after every connect. */
void kgr_ks_exchanges_connected(struct kgr_ks *ks);
/* kgr_ks_exchanges_timer runs what is due. */
void kgr_ks_exchanges_timer(struct kgr_ks *ks);
/* kgr_ks_exchanges_deadline is when kgr_ks_exchanges_timer should be called, in ms of CLOCK_BOOTTIME. */
uint64_t kgr_ks_exchanges_deadline(const struct kgr_ks *ks);
