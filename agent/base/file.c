/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN 1100 /* more than any path that the configuration lets in */

static bool write_all(int fd, struct kgr_slice data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.p, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data = kgr_slice(data.p + n, data.len - (size_t)n);
    }
    return true;
}

/* What a run that was killed left in the file's place: nothing in it that anybody could miss. */
static int take_over(const char *path)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != 0 ||
                    st.st_uid != geteuid())) {
        close(fd);
        fd = -1;
    }
    return fd;
}

enum kgr_error kgr_new_file_begin(struct kgr_new_file *file, const char *path,
                                  struct kgr_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) {
        fd = take_over(path);
        if (fd < 0)
            return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s exists; remove it or name another file",
                                path);
    }
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    file->fd = fd;
    file->path = path;
    return KGR_OK;
}

enum kgr_error kgr_new_file_finish(struct kgr_new_file *file, mode_t mode, struct kgr_slice data,
                                   struct kgr_diag *diag)
{
    enum kgr_error err = kgr_file_replace(file->path, mode, data, diag);
    if (err != KGR_OK) {
        kgr_new_file_abandon(file);
        return err;
    }
    close(file->fd); /* of the empty file that kept the place */
    file->fd = -1;
    return KGR_OK;
}

void kgr_new_file_abandon(struct kgr_new_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    unlink(file->path);
}

enum kgr_error kgr_file_sync_folder(const char *path, struct kgr_diag *diag)
{
    char folder[PATH_LEN];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : (int)(slash - path) + 1;
    int n = snprintf(folder, sizeof folder, "%.*s", len, slash == NULL ? "." : path);
    int fd =
        n < 0 || (size_t)n >= sizeof folder ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    return ok ? KGR_OK
              : kgr_diag_set(diag, KGR_ERR_IO, "cannot sync %s: %s", folder, strerror(saved));
}

static enum kgr_error write_new(const char *path, mode_t mode, struct kgr_slice data,
                                struct kgr_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, data) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd); /* synced: what close could still report is known */
    if (ok)
        return KGR_OK;
    if (fd >= 0)
        unlink(path);
    return kgr_diag_set(diag, KGR_ERR_IO, "cannot write %s: %s", path, strerror(saved));
}

enum kgr_error kgr_file_replace(const char *path, mode_t mode, struct kgr_slice data,
                                struct kgr_diag *diag)
{
    char next[PATH_LEN];
    int n = snprintf(next, sizeof next, "%s.new", path);
    enum kgr_error err = n < 0 || (size_t)n >= sizeof next
                             ? kgr_diag_set(diag, KGR_ERR_IO, "%s: the path is too long", path)
                             : KGR_OK;
    if (err == KGR_OK && unlink(next) != 0 && errno != ENOENT) /* of a run that crashed */
        err = kgr_diag_set(diag, KGR_ERR_IO, "cannot remove %s: %s", next, strerror(errno));
    if (err == KGR_OK)
        err = write_new(next, mode, data, diag);
    if (err == KGR_OK && rename(next, path) != 0) {
        err = kgr_diag_set(diag, KGR_ERR_IO, "cannot replace %s: %s", path, strerror(errno));
        (void)unlink(next);
    }
    return err == KGR_OK ? kgr_file_sync_folder(path, diag) : err;
}

enum kgr_error kgr_file_read(uint8_t *out, size_t *out_len, size_t cap, const char *path,
                             struct kgr_diag *diag)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    while (len < cap) {
        n = read(fd, out + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    uint8_t more;
    bool longer = n > 0 && read(fd, &more, 1) == 1;
    int saved = errno;
    close(fd);
    if (n < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot read %s: %s", path, strerror(saved));
    if (longer)
        return kgr_diag_set(diag, KGR_ERR_TOO_LARGE, "%s has more than %zu bytes", path, cap);
    *out_len = len;
    return KGR_OK;
}
