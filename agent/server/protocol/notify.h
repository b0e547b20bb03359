/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"

/* Notices to nodes: drives agent/server/machines/notices.h (docs/protocol.md, section 5.1). */

/* kgr_ks_next_word is the number of the order that is being carried out. */
uint64_t kgr_ks_next_word(struct kgr_ks *ks);

/* Within a transaction: */
/* kgr_ks_notify queues a notice; nothing happens for a node that cannot be told (unknown, not registered). */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify(struct kgr_ks *ks, struct kgr_ks_node *node,
                                            const struct kgr_notice *notice, struct kgr_diag *diag);
/* kgr_ks_notify_pair tells both nodes of a pair. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify_pair(struct kgr_ks *ks, const struct kgr_nid nids[2],
                                                 uint8_t kind, uint64_t word, uint64_t floor,
                                                 struct kgr_diag *diag);
/* kgr_ks_notify_ack handles notice_ack. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify_ack(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                                struct kgr_diag *diag);
/* kgr_ks_notify_heard sends what waits for a node that is there. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify_heard(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                  struct kgr_diag *diag);
/* kgr_ks_notify_clear forgets what waits for a node that begins anew. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify_clear(struct kgr_ks *ks, struct kgr_ks_node *node,
                                                  struct kgr_diag *diag);

/* kgr_ks_notify_load continues what the database holds, after the nodes. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notify_load(struct kgr_ks *ks, struct kgr_diag *diag);
void kgr_ks_notify_connected(struct kgr_ks *ks);
void kgr_ks_notify_timer(struct kgr_ks *ks);
