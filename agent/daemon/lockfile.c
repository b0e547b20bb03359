/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kgr_error check_dir(int dir_fd, const char *dir, struct kgr_diag *diag)
{
    struct stat st;

    if (fstat(dir_fd, &st) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", dir, strerror(errno));
    if (st.st_uid != geteuid())
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: belongs to uid %u, but this process runs as uid %u", dir,
                            (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: others may enter (mode %04o), chmod it to 0700", dir,
                            (unsigned)(st.st_mode & 07777));
    return KGR_OK;
}

static enum kgr_error lock(int fd, const char *dir, struct kgr_diag *diag)
{
    char pid[16];
    ssize_t n;

    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return KGR_OK;
    if (errno != EWOULDBLOCK)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s/lock: %s", dir, strerror(errno));
    n = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? (size_t)n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return kgr_diag_set(diag, KGR_ERR_BUSY, "%s: in use by process %s, stop it first", dir,
                        pid[0] != '\0' ? pid : "?");
}

enum kgr_error kgr_lockfile_take(struct kgr_lockfile *out, const char *dir, bool create,
                                 struct kgr_diag *diag)
{
    int dir_fd = -1, fd = -1, len;
    enum kgr_error err;
    char pid[16];

    if (create && mkdir(dir, S_IRWXU) != 0 && errno != EEXIST)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: cannot be made: %s", dir, strerror(errno));
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return kgr_diag_set(diag, errno == ENOENT ? KGR_ERR_STATE : KGR_ERR_CONFIG, "%s: %s", dir,
                            errno == ENOENT ? "does not exist, run the command init first"
                                            : strerror(errno));
    err = check_dir(dir_fd, dir, diag);
    if (err != KGR_OK)
        goto out;
    fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        err = kgr_diag_set(diag, KGR_ERR_IO, "%s/lock: %s", dir, strerror(errno));
        goto out;
    }
    err = lock(fd, dir, diag);
    if (err != KGR_OK)
        goto out;
    /* The pid only helps people; the lock is what counts, so a full disk is no reason to refuse. */
    len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && len > 0)
        len = (int)pwrite(fd, pid, (size_t)len, 0);
    out->fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        (void)close(fd);
    (void)close(dir_fd);
    return err;
}

void kgr_lockfile_release(struct kgr_lockfile *lock)
{
    if (lock->fd < 0)
        return;
    (void)close(lock->fd);
    lock->fd = -1;
}
