/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/node.h"

/* Notices, and the end of pairs and of this node: docs/protocol.md, section 5.1. */

/*
 * kgr_revoke_hear takes what the KS said of a pair, unless it is older than what was heard: *out_changed then. Within a
 * transaction of the caller, who calls kgr_revoke_apply after its commit.
 */
KGR_MUST_CHECK enum kgr_error kgr_revoke_hear(struct kgr_node *node, struct kgr_pair *pair,
                                              enum kgr_pair_status status, uint64_t word,
                                              uint64_t floor, bool *out_changed,
                                              struct kgr_diag *diag);
/* kgr_revoke_apply destroys the keys of a pair that may not be any more; also at the start, for a crash in between. */
KGR_MUST_CHECK enum kgr_error kgr_revoke_apply(struct kgr_node *node, struct kgr_pair *pair);
/* kgr_revoke_apply_all: for every pair. */
KGR_MUST_CHECK enum kgr_error kgr_revoke_apply_all(struct kgr_node *node);

enum kgr_error kgr_revoke_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame);
/* kgr_revoke_on_ready: a revoked node tells the KS that it knows. */
void kgr_revoke_on_ready(struct kgr_node *node);
void kgr_revoke_on_timer(struct kgr_node *node, uint64_t now_ms);

/* kgr_revoke_load: *out_word is 0 unless this node was revoked. */
KGR_MUST_CHECK enum kgr_error kgr_revoke_load(struct kgr_db *db, uint64_t *out_word,
                                              struct kgr_diag *diag);
/* kgr_revoke_resume marks a node that was revoked before this start. */
void kgr_revoke_resume(struct kgr_node *node, uint64_t word);
