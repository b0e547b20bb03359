/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/* kgr_ks_status_reply answers ks_status (docs/protocol.md, section 11). */
void kgr_ks_status_reply(struct kgr_ks *ks, const struct kgr_server_request *request);
