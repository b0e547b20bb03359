/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/ac.h"

/* Orders that change nodes and pairs, by an AC that is open (kgr_ac_open). */

/* kgr_ac_add_node lets a node register and writes its credential to path, which must not exist. */
KGR_MUST_CHECK enum kgr_error kgr_ac_add_node(struct kgr_ac *ac,
                                              const struct kgr_order_node_add *add,
                                              const char *path, struct kgr_diag *diag);
/* kind: KGR_ORDER_PAIR_ALLOW or KGR_ORDER_PAIR_DENY, which has no use for the minimums. */
KGR_MUST_CHECK enum kgr_error kgr_ac_order_pair(struct kgr_ac *ac,
                                                const struct kgr_order_pair *pair,
                                                enum kgr_order_kind kind, struct kgr_diag *diag);
