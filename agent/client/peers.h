/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/wire/ipc_status.h"

/* kgr_peer_set makes a caller's peer of a peer entry. */
void kgr_peer_set(struct kgr_peer *out, const struct kgr_ipc_peer *in);
