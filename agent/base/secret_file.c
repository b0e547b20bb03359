/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEME     "credential:"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define PATH_LEN   1100

bool kgr_secret_file_is_named(const char *text)
{
    const char *name = text + SCHEME_LEN;

    if (strncmp(text, SCHEME, SCHEME_LEN) != 0)
        return text[0] == '/';
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static bool is_in(const char *path, const char *folder)
{
    size_t len = folder == NULL ? 0 : strlen(folder);

    return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

static enum kgr_error find(char out[PATH_LEN], const char *name, const char *folder,
                           struct kgr_diag *diag)
{
    int n;

    if (!kgr_secret_file_is_named(name))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%.100s: " KGR_SECRET_FILE_RULE, name);
    if (strncmp(name, SCHEME, SCHEME_LEN) != 0)
        n = snprintf(out, PATH_LEN, "%s", name);
    else if (folder == NULL || folder[0] != '/')
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: the service manager gave no credentials; name it with "
                            "LoadCredential= in the unit, or give a path",
                            name);
    else
        n = snprintf(out, PATH_LEN, "%s/%s", folder, name + SCHEME_LEN);
    return n > 0 && n < PATH_LEN ? KGR_OK
                                 : kgr_diag_set(diag, KGR_ERR_CONFIG, "%.100s: too long", name);
}

static enum kgr_error check(int fd, const char *path, bool is_credential, struct kgr_diag *diag)
{
    mode_t refused = is_credential ? S_IRWXO | S_IWGRP | S_IXGRP : S_IRWXO | S_IRWXG;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: belongs to uid %u, but this process runs as uid %u; chown it",
                            path, (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & refused) != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: others may use it (mode %04o), chmod it to 0600", path,
                            (unsigned)(st.st_mode & 07777));
    return KGR_OK;
}

enum kgr_error kgr_secret_file_open(int *out_fd, const char *name, struct kgr_diag *diag)
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_LEN];
    enum kgr_error err = find(path, name, folder, diag);
    int fd;

    if (err != KGR_OK)
        return err;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", path, strerror(errno));
    err = check(fd, path, is_in(path, folder), diag);
    if (err != KGR_OK) {
        (void)close(fd); /* only read */
        return err;
    }
    *out_fd = fd;
    return KGR_OK;
}
