/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/daemon/config.h"

/* The keys of the group `tpm`, the same in every configuration; what they mean stands in agent/tpm/access.h. */
extern const struct kgr_config_key kgr_config_tpm_keys[];
/* kgr_config_tpm_check notes wrong values of the group, and with open files that are not fit to hold a password. */
void kgr_config_tpm_check(struct kgr_config_group root, bool open);
