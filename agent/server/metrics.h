/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/* kgr_ks_metrics_reply answers ks_metrics (docs/metrics.md). */
void kgr_ks_metrics_reply(struct kgr_ks *ks, const struct kgr_server_request *request);
/* kgr_ks_metrics_timer writes the file for node_exporter when that is due; called at every tick. */
void kgr_ks_metrics_timer(struct kgr_ks *ks);
