/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/state.h"
#include "agent/base/diag.h"
#include "agent/wire/ac_grant.h"

struct kgr_ac;

/* Other keys for the AC, step by step; each leaves a state from which the next can go on (docs/protocol.md, section 9.4). */

/* kgr_ac_announce makes the next keys in the TPM and stores them; nothing stays there when it fails. */
KGR_MUST_CHECK enum kgr_error kgr_ac_announce(struct kgr_ac *ac, struct kgr_diag *diag);
/* kgr_ac_adopt imports what the KS granted to them: from now on ac works with them. */
KGR_MUST_CHECK enum kgr_error kgr_ac_adopt(struct kgr_ac *ac, const struct kgr_ac_grant *grant,
                                           struct kgr_diag *diag);
/* kgr_ac_settle makes adopted keys the only ones, and evicts the others. Does nothing when there are none. */
KGR_MUST_CHECK enum kgr_error kgr_ac_settle(struct kgr_ac *ac, struct kgr_diag *diag);
/* kgr_ac_evict_retired ends an eviction that was cut off. */
KGR_MUST_CHECK enum kgr_error kgr_ac_evict_retired(struct kgr_ac *ac, struct kgr_diag *diag);
