/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/access.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP_NAME  "kgr"
#define MAX_GROUPS  256
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
    struct passwd entry, *found = NULL;
    gid_t groups[MAX_GROUPS];
    int num = MAX_GROUPS;
    bool member = false;
    if (peer->gid == group)
        return true;
    char *buf = malloc(NSS_BUF_LEN);
    if (buf != NULL && getpwuid_r(peer->uid, &entry, buf, NSS_BUF_LEN, &found) == 0 &&
        found != NULL && getgrouplist(entry.pw_name, entry.pw_gid, groups, &num) >= 0) {
        for (int i = 0; i < num; i++)
            member = member || groups[i] == group;
    }
    free(buf);
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
