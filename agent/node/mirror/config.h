/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/daemon/config.h"

/* The groups `mirror` of agent.conf (docs/tpm2-pkcs11.md). */
#define KGR_MIRROR_SETTINGS_MAX 16

extern const struct kgr_config_key kgr_mirror_keys[];

/*
 * kgr_mirror_settings_read finds the groups and notes their mistakes in the configuration; files: the PIN's files are looked at
 * too. Returns how many there are. A group has store, token, pin_file and peers (none: all).
 */
size_t kgr_mirror_settings_read(struct kgr_config_group out[KGR_MIRROR_SETTINGS_MAX],
                                struct kgr_config_group root, bool files);
