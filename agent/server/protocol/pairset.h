/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/* The coordinators in memory: those of pairs that have exchanges. The others are on the disk only. */

/* kgr_ks_pair_order puts two N_IDs in the order of roles. */
void kgr_ks_pair_order(struct kgr_nid out[2], const struct kgr_nid *a, const struct kgr_nid *b);
/* kgr_ks_pair_find: NULL when the pair's coordinator is not in memory. nids in the order of roles. */
struct kgr_ks_pair *kgr_ks_pair_find(struct kgr_ks *ks, const struct kgr_nid nids[2]);
/*
 * kgr_ks_pair_get finds it, or continues it from its rows. KGR_ERR_UNKNOWN_PEER for a pair that the AC never
 * named: no rows are made for whatever names a node may think of.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_pair_get(struct kgr_ks *ks, const struct kgr_nid nids[2],
                                              struct kgr_ks_pair **out, struct kgr_diag *diag);
/* kgr_ks_pairs_drop_idle frees those without exchanges or births under way. */
void kgr_ks_pairs_drop_idle(struct kgr_ks *ks);
/* kgr_ks_pairs_load_engaged continues every pair that has exchanges, at the start. */
KGR_MUST_CHECK enum kgr_error kgr_ks_pairs_load_engaged(struct kgr_ks *ks, struct kgr_diag *diag);
