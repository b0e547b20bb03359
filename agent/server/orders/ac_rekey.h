/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/orders/command.h"

/*
 * The order ac_rekey (docs/protocol.md, section 9.4). kgr_ks_ac_rekey goes on after the transaction, in the TPM; errors as of
 * kgr_ks_commands_carry_out.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_rekey(struct kgr_ks_command *c, struct kgr_slice body,
                                              struct kgr_diag *diag);
