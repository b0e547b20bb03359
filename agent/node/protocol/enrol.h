/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/node/machines/registration.h"

struct kgr_node;

/* Registration of a node: from the credential file to reg_done (docs/protocol.md, sections 4 and 10). */

/*
 * kgr_enrol_read takes the credential at path: NTAG into the TPM, the rest into the state, the file overwritten and
 * unlinked, in this order. A credential that was read before is taken again, to go on. Every refusal leaves
 * file and state as they were: KGR_ERR_IO (no such file), KGR_ERR_CORRUPT (damaged), KGR_ERR_EXPIRED,
 * KGR_ERR_EXISTS (this node is registered, or is being by another credential).
 */
KGR_MUST_CHECK enum kgr_error kgr_enrol_read(struct kgr_node *node, const char *path,
                                             struct kgr_diag *diag);
/*
 * kgr_enrol_register goes on until reg_done was verified, or for timeout_s (KGR_ERR_TIMEOUT; a later call goes on
 * from there). The node's identity is loaded.
 */
KGR_MUST_CHECK enum kgr_error kgr_enrol_register(struct kgr_node *node, uint32_t timeout_s,
                                                 struct kgr_diag *diag);
/* kgr_enrol_save_state writes the state of the machine; within a transaction of the caller. */
KGR_MUST_CHECK enum kgr_error kgr_enrol_save_state(struct kgr_node *node,
                                                   const struct kgr_registration_state *state,
                                                   struct kgr_diag *diag);
