/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/frames.h"

/* kgr_ks_synchro_request answers sync_req (docs/protocol.md, section 5), within the frame's transaction. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_synchro_request(struct kgr_ks *ks, const struct kgr_ks_frame *frame, struct kgr_diag *diag);
