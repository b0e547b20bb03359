/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/socket/server.h"

struct kgr_ks;

/* kgr_ks_reload_reply answers ks_reload: as kgr-agent does reload (agent/node/reload.h), with the keys of ks.conf that are live. */
void kgr_ks_reload_reply(struct kgr_ks *ks, const struct kgr_server_request *request);
/* kgr_ks_on_hangup is that by SIGHUP: the log has the text. */
void kgr_ks_on_hangup(void *ks);
