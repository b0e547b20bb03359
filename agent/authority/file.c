/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

enum kgr_error kgr_new_file_begin(struct kgr_new_file *file, const char *path,
                                  struct kgr_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s exists; remove it or name another file",
                            path);
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    file->fd = fd;
    file->path = path;
    return KGR_OK;
}

enum kgr_error kgr_new_file_finish(struct kgr_new_file *file, mode_t mode, struct kgr_slice data,
                                   struct kgr_diag *diag)
{
    bool ok = write_all(file->fd, data) && fchmod(file->fd, mode) == 0 && fsync(file->fd) == 0;
    int saved = errno;
    if (!ok) {
        kgr_new_file_abandon(file);
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot write %s: %s", file->path, strerror(saved));
    }
    close(file->fd); /* synced: what close could still report is known */
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
