/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/ac.h"
#include "agent/base/diag.h"
#include "agent/wire/order.h"

/* The nodes and pairs of a KS, as it told them. */
struct kgr_roster {
    struct kgr_node_entry *nodes; /* owned; their ek_name borrows nothing and is empty */
    size_t num_nodes;
    struct kgr_pair_entry *pairs; /* owned */
    size_t num_pairs;
};

/*
 * kgr_ac_pages asks for every page of a list (KGR_ORDER_NODE_LIST, KGR_ORDER_PAIR_LIST) and gives entry each page's reader where one
 * begins; false when it is malformed.
 */
typedef bool kgr_ac_entry_fn(void *arg, struct kgr_rd *rd);
KGR_MUST_CHECK enum kgr_error kgr_ac_pages(struct kgr_ac *ac, enum kgr_order_kind kind,
                                           kgr_ac_entry_fn *entry, void *arg,
                                           struct kgr_diag *diag);

/* kgr_roster_fetch fills *out, to be freed by kgr_roster_deinit also after a failure; begin with {0}. */
KGR_MUST_CHECK enum kgr_error kgr_roster_fetch(struct kgr_roster *out, struct kgr_ac *ac,
                                               struct kgr_diag *diag);
void kgr_roster_deinit(struct kgr_roster *roster);

/* NULL when there is none. Pairs are found in either order of their nodes. */
const struct kgr_node_entry *kgr_roster_node(const struct kgr_roster *roster,
                                             const struct kgr_nid *node);
const struct kgr_pair_entry *kgr_roster_pair(const struct kgr_roster *roster,
                                             const struct kgr_nid nids[2]);
