/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/socket/policy.h"

#define GROUP_NAME  "kgr"
#define NSS_BUF_LEN 16384

/* (uid_t)-1 means nobody to the kernel. */
static bool is_number(id_t *out, const char *name)
{
    unsigned long value;
    char *end;

    if (name[0] < '0' || name[0] > '9')
        return false;
    errno = 0;
    value = strtoul(name, &end, 10);
    if (*end != '\0' || errno != 0 || value >= UINT32_MAX)
        return false;
    *out = (id_t)value;
    return true;
}

enum kgr_error kgr_access_user(uid_t *out, const char *name)
{
    struct passwd entry, *found = NULL;
    char *buf;

    if (is_number(out, name))
        return KGR_OK;
    buf = malloc(NSS_BUF_LEN);
    if (buf == NULL)
        return KGR_ERR_NO_MEMORY;
    if (getpwnam_r(name, &entry, buf, NSS_BUF_LEN, &found) == 0 && found != NULL)
        *out = entry.pw_uid;
    free(buf);
    return found == NULL ? KGR_ERR_UNKNOWN_PEER : KGR_OK;
}

enum kgr_error kgr_access_group(gid_t *out, const char *name)
{
    struct group entry, *found = NULL;
    char *buf;

    if (is_number(out, name))
        return KGR_OK;
    buf = malloc(NSS_BUF_LEN);
    if (buf == NULL)
        return KGR_ERR_NO_MEMORY;
    if (getgrnam_r(name, &entry, buf, NSS_BUF_LEN, &found) == 0 && found != NULL)
        *out = entry.gr_gid;
    free(buf);
    return found == NULL ? KGR_ERR_UNKNOWN_PEER : KGR_OK;
}

enum kgr_error kgr_access_default(struct kgr_policy **out)
{
    gid_t group = 0;
    const struct kgr_policy_rule rule = {.gids = &group, .num_gids = 1, .rights = KGR_RIGHTS_ALL};
    enum kgr_error err = kgr_access_group(&group, GROUP_NAME);

    if (err != KGR_OK && err != KGR_ERR_UNKNOWN_PEER)
        return err;
    return kgr_policy_new(out, &rule, err == KGR_OK ? 1 : 0, geteuid());
}
