/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"
#include "agent/server/ks.h"

/* Renewal of the nodes' NKSKs: docs/protocol.md, section 5.2. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_nksk_request(struct kgr_ks *ks, const struct kgr_ks_frame *frame, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_proof(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                                struct kgr_diag *diag);

/* Within a transaction of the caller: the node is registered by a new NKSK, the first one. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_born(struct kgr_ks *ks, struct kgr_ks_node *node,
                                               struct kgr_diag *diag);
/* kgr_ks_nksk_order keeps the AC's order until a renewal satisfies it; within a transaction of the caller. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_order(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                bool storage, struct kgr_diag *diag);
/* kgr_ks_nksk_restore continues a node's renewal from its row, once a start. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_restore(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                  struct kgr_diag *diag);
