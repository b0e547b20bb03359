/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/node/mirror/mirror.h"

/* What a mirror must hold, of what the node has. For the files of this room. */

/*
 * kgr_mirror_check_peer: KGR_ERR_UNSUPPORTED when this node, or the pair, keeps keys that are no objects of the TPM, UNKNOWN_PEER,
 * REVOKED. peer NULL: the node alone is looked at.
 */
KGR_MUST_CHECK enum kgr_error kgr_mirror_check_peer(const struct kgr_node *node,
                                                    const struct kgr_nid *peer,
                                                    struct kgr_diag *diag);
/* kgr_mirror_is_current: primary is the storage key in force. */
bool kgr_mirror_is_current(const struct kgr_node *node, const struct kgr_mirror_primary *primary);
/* kgr_mirror_plan makes a job with the objects as they are to be now; pin is copied into the arena. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_plan(struct kgr_mirror_job **out, struct kgr_node *node,
                                              const struct kgr_mirror *mirror,
                                              enum kgr_mirror_what what, struct kgr_slice pin);
