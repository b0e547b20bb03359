/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/token_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 20u

static void nap(void)
{
    struct timespec step = {.tv_nsec = STEP_MS * 1000000l};

    (void)nanosleep(&step, NULL);
}

/* The file may have been removed by its holder before we got its lock: then it locks nothing. */
static bool is_there(int fd, const char *path)
{
    struct stat ours, now;

    return fstat(fd, &ours) == 0 && lstat(path, &now) == 0 && ours.st_dev == now.st_dev &&
           ours.st_ino == now.st_ino;
}

static enum kgr_error refuse(const struct kgr_token_lock *lock, struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_IO,
                        "%s: %s; user %u, who runs the agent, must be able to write the folder",
                        lock->path, strerror(errno), (unsigned)geteuid());
}

enum kgr_error kgr_token_lock_take(struct kgr_token_lock *lock, const char *path,
                                   unsigned int wait_ms, struct kgr_diag *diag)
{
    int n = snprintf(lock->path, sizeof(lock->path), "%s.lock", path);

    if (n < 0 || (size_t)n >= sizeof(lock->path))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the name of the store is too long");
    for (unsigned int waited = 0;; waited += STEP_MS) {
        int fd = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0660);

        if (fd < 0)
            return refuse(lock, diag);
        /* That library opens it for writing before it waits for the lock. Nothing to do for one that is another user's. */
        (void)fchmod(fd, 0660);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_there(fd, lock->path)) {
            lock->fd = fd;
            return KGR_OK;
        }
        (void)close(fd);
        if (waited >= wait_ms)
            return kgr_diag_set(diag, KGR_ERR_BUSY, "%s: another program holds it", lock->path);
        nap();
    }
}

void kgr_token_lock_release(struct kgr_token_lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)unlink(lock->path);
    (void)close(lock->fd);
    lock->fd = -1;
}
