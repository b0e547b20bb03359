/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_CAP 800
/* A database whose TPM objects are gone is called so until it is gone too. */
#define SPENT ".wiped"

enum kgr_error kgr_wipe_confirm(bool yes, const char *what, struct kgr_diag *diag)
{
    char answer[16];
    size_t len;

    if (yes)
        return KGR_OK;
    if (isatty(STDIN_FILENO) == 0)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "wipe destroys %s; say --yes", what);
    (void)fprintf(stderr, "This destroys %s, for ever. Type yes to go on: ", what);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    len = strcspn(answer, "\n");
    answer[len] = '\0';
    return strcmp(answer, "yes") == 0 ? KGR_OK
                                      : kgr_diag_set(diag, KGR_ERR_INVALID, "nothing was done");
}

static bool path_of(char out[PATH_CAP], const char *dir, const char *name, const char *suffix)
{
    int n = snprintf(out, PATH_CAP, "%s/%s%s", dir, name, suffix);

    return n > 0 && n < PATH_CAP;
}

static bool overwrite(int fd, off_t len)
{
    static const char zeroes[4096];

    while (len > 0) {
        size_t now = len < (off_t)sizeof(zeroes) ? (size_t)len : sizeof(zeroes);
        ssize_t n = write(fd, zeroes, now);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        len -= n;
    }
    return fsync(fd) == 0;
}

static enum kgr_error erase(const char *path, struct kgr_diag *diag)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok;

    if (fd < 0 && errno == ENOENT)
        return KGR_OK;
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno));
    ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && overwrite(fd, st.st_size);
    ok = close(fd) == 0 && ok;
    ok = ok && unlink(path) == 0;
    return ok ? KGR_OK : kgr_diag_set(diag, KGR_ERR_IO, "%s: cannot be erased", path);
}

static enum kgr_error sync_folder(const char *dir, struct kgr_diag *diag)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void)close(fd); /* only read */
    return ok ? KGR_OK : kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", dir, strerror(errno));
}

enum kgr_error kgr_wipe_files(const char *dir, const char *name, struct kgr_diag *diag)
{
    static const char *const suffixes[] = {"-wal", ".new", ".new-wal", "-shm", "-journal", SPENT};
    char from[PATH_CAP], path[PATH_CAP];
    enum kgr_error err = KGR_OK;

    if (!path_of(from, dir, name, "") || !path_of(path, dir, name, SPENT))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "the path of the state folder is too long");
    /* From here on a crash leaves nothing that looks like a state. */
    if (rename(from, path) != 0 && errno != ENOENT)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", from, strerror(errno));
    err = sync_folder(dir, diag);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && err == KGR_OK; i++) {
        (void)path_of(path, dir, name, suffixes[i]); /* no longer than the one above */
        err = erase(path, diag);
    }
    return err == KGR_OK ? sync_folder(dir, diag) : err;
}
