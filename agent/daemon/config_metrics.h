/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/daemon/config.h"

/* The group `metrics` of a service: textfile (a path for node_exporter, empty: none), interval in s, peers with their own. */
extern const struct kgr_config_key kgr_config_metrics_keys[];

/* kgr_config_metrics_check takes the configuration's root, and notes wrong values of the group. */
void kgr_config_metrics_check(struct kgr_config_group root);
