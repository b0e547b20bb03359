/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/*
 * TOPIC0, where registrations begin (docs/protocol.md, section 4): new credentials name the present one; a former one
 * is listened to as long as a credential that names it is not spent.
 */

/* kgr_ks_topic0_listen subscribes to all of them, at the start. */
KGR_MUST_CHECK enum kgr_error kgr_ks_topic0_listen(struct kgr_ks *ks);
/* kgr_ks_topic0_rotate makes a new one, within a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_topic0_rotate(struct kgr_ks *ks, struct kgr_diag *diag);
/* kgr_ks_topic0_release: a credential that named this topic is spent; without others nobody listens there any more. */
void kgr_ks_topic0_release(struct kgr_ks *ks, const uint8_t topic0[KGR_TOPIC_LEN]);
