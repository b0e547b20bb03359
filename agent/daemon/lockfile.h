/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/* The state folder of a daemon, and the lock that makes its owner the only process in it. */
struct kgr_lockfile {
    int fd;
};

/*
 * kgr_lockfile_take checks that dir is a folder of this process's own uid with mode 0700 (made so when
 * create is set and it is absent; its parent must exist), and locks the file `lock` in it until
 * kgr_lockfile_release or the end of the process. Errors, with diag: KGR_ERR_BUSY when another process has
 * it (its pid is named), KGR_ERR_STATE when dir is absent and create is not set, KGR_ERR_CONFIG when it
 * cannot be entered, belongs to another user, or others may enter it, KGR_ERR_IO for the rest.
 */
KGR_MUST_CHECK enum kgr_error kgr_lockfile_take(struct kgr_lockfile *out, const char *dir,
                                                bool create, struct kgr_diag *diag);
void kgr_lockfile_release(struct kgr_lockfile *lock);
