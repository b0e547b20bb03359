/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"

/* Registration of nodes: drives agent/server/machines/registry.h (docs/protocol.md, section 4). */

/* Handlers of frames, within the transaction of the frame. KGR_ERR_CORRUPT: the body is malformed. */
KGR_MUST_CHECK enum kgr_error kgr_ks_enrolment_request(struct kgr_ks *ks,
                                                       const struct kgr_ks_frame *frame,
                                                       struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_ks_enrolment_proof(struct kgr_ks *ks, const struct kgr_ks_frame *frame, struct kgr_diag *diag);
/* kgr_ks_enrolment_expire ends the credentials whose time is over, in transactions of its own. */
void kgr_ks_enrolment_expire(struct kgr_ks *ks);
