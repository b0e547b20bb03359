/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/*
 * kgr_ks_commands_order carries out an order of the AC that came over the local socket, and replies with a result
 * signed by the TPM (docs/protocol.md, section 9). What is no order of the pinned AC gets an unsigned
 * error.
 */
void kgr_ks_commands_order(struct kgr_ks *ks, const struct kgr_server_request *request);
