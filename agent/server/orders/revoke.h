/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/* The end of a node at the KS: docs/protocol.md, section 5.1. All within a transaction. */

/*
 * kgr_ks_revoke marks the node (removed: its N_ID may be given to another TPM), ends all that its pairs had, and queues
 * the notices. KGR_ERR_EXISTS when that was done before.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_revoke(struct kgr_ks *ks, struct kgr_ks_node *node,
                                            bool removed, struct kgr_diag *diag);
/* kgr_ks_revoke_told: the node knows; its keys at the KS go. */
KGR_MUST_CHECK enum kgr_error kgr_ks_revoke_told(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                 struct kgr_diag *diag);
/* kgr_ks_revoke_forget: the N_ID is given anew; who bore it is told nothing more. */
KGR_MUST_CHECK enum kgr_error kgr_ks_revoke_forget(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                   struct kgr_diag *diag);
/* kgr_ks_node_gone: revoked or removed. */
bool kgr_ks_node_gone(const struct kgr_ks_node *node);
