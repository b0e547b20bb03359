/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/access.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_NAME  "kgr"
#define NSS_BUF_LEN 16384

/* The group's id; false when there is no such group. */
static bool find_group(gid_t *out)
{
    struct group entry, *found = NULL;
    char *buf = malloc(NSS_BUF_LEN);
    bool ok = buf != NULL && getgrnam_r(GROUP_NAME, &entry, buf, NSS_BUF_LEN, &found) == 0 &&
              found != NULL;
    if (ok)
        *out = entry.gr_gid;
    free(buf);
    return ok;
}

static bool has_member(gid_t group, const struct kgr_peercred *peer)
{
    gid_t *groups = NULL;
    socklen_t len = 0;
    bool member = peer->gid == group;
    /* The first call fails with ERANGE and tells how much room the list needs. */
    if (!member && getsockopt(peer->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) != 0 &&
        errno == ERANGE)
        groups = malloc(len);
    if (groups != NULL && getsockopt(peer->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0) {
        for (size_t i = 0; i < len / sizeof *groups; i++)
            member = member || groups[i] == group;
    }
    free(groups);
    return member;
}

bool kgr_access_default(void *arg, const struct kgr_peercred *peer)
{
    gid_t group;
    (void)arg;
    if (peer->uid == 0 || peer->uid == geteuid())
        return true;
    return find_group(&group) && has_member(group, peer);
}
