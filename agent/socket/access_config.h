/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/daemon/config.h"

struct kgr_policy;

/*
 * Who may do what, in a configuration file (docs/access.md). The schema of the file has
 *     {.name = "access", .type = KGR_CONFIG_GROUPS, .keys = kgr_access_keys}
 */
extern const struct kgr_config_key kgr_access_keys[];

/*
 * kgr_access_load makes the policy of the file, or the default one when it has no `access`. Names of users and groups are looked up.
 * KGR_ERR_CONFIG, KGR_ERR_NO_MEMORY. The caller unrefs.
 */
KGR_MUST_CHECK enum kgr_error kgr_access_load(struct kgr_policy **out, struct kgr_config_group root,
                                              struct kgr_diag *diag);
