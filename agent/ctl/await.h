/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/ctl/ctl.h"

/*
 * kgr_ctl_await waits until the pair with peer is ready with a generation of at least min_generation, shows on a terminal
 * that it waits if that takes more than a second, and prints the outcome. Returns the exit code.
 */
int kgr_ctl_await(const struct kgr_ctl *ctl, const char *peer, uint64_t min_generation);
