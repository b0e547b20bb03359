/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/ctl/ctl.h"

/*
 * kgr_ctl_candidates writes the peers that may have been meant by typed: those that begin with it, else those that have it in them,
 * else the nearest one; "a, b or c", at most so many as there is room for, then "...". Empty when there is none, or typed is one
 * of them. Returns out.
 */
const char *kgr_ctl_candidates(char *out, size_t cap, const struct kgr_peer *peers, size_t num,
                               const char *typed);

/*
 * kgr_ctl_fail_peer is kgr_ctl_fail for an operand that should name a peer: where the agent knows none of that name it says which may have
 * been meant.
 */
int kgr_ctl_fail_peer(const struct kgr_ctl *ctl, enum kgr_error err, const char *peer);
