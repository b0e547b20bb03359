/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <sys/types.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

struct kgr_policy;
struct kgr_principal;

/* Who is at the other end of a connection, as the kernel says (SO_PEERCRED at connect). */
struct kgr_peercred {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* for the log only: a pid can be used again */
    int fd;    /* the connection, while it is being admitted; -1 otherwise */
    /* What he may do and has under way. Borrowed while the connection lives: whoever keeps it longer counts himself in. */
    struct kgr_principal *principal;
};

/* kgr_access_default makes the policy of a service without configuration: the group `kgr`, if there is one, may do everything. */
KGR_MUST_CHECK enum kgr_error kgr_access_default(struct kgr_policy **out);

/*
 * kgr_access_user and kgr_access_group find the id of a name, or of a number, which needs no entry in a database. They may ask
 * a network service: at the start and at a reload only. KGR_ERR_UNKNOWN_PEER: nobody bears the name.
 */
KGR_MUST_CHECK enum kgr_error kgr_access_user(uid_t *out, const char *name);
KGR_MUST_CHECK enum kgr_error kgr_access_group(gid_t *out, const char *name);
