/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/orders/command.h"

/*
 * kgr_ks_commands_carry_out does what an accepted order asks for, within a transaction (docs/protocol.md, section 9). An error is the
 * status of the result; KGR_ERR_CORRUPT, KGR_ERR_EXISTS, KGR_ERR_INVALID, KGR_ERR_UNKNOWN_PEER and KGR_ERR_UNSUPPORTED are
 * refusals of the order, any other is a failure of the KS.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_commands_carry_out(struct kgr_ks_command *c,
                                                        const struct kgr_order *order,
                                                        struct kgr_diag *diag);
