/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "agent/base/attr.h"

/* Who is at the other end of a connection, as the kernel says (SO_PEERCRED at connect). */
struct kgr_peercred {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* for the log only: a pid can be used again */
    int fd;    /* the connection, for the call of an access check; -1 otherwise */
};

/*
 * kgr_access_default decides who may connect at all: uid 0, the daemon's own uid, and processes that were in
 * the group `kgr` when they connected (SO_PEERGROUPS).
 */
KGR_MUST_CHECK bool kgr_access_default(void *arg, const struct kgr_peercred *peer);
