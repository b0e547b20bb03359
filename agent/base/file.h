/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

/*
 * A new file for what can be made only once: it is created, empty and 0600, before the work begins, so that
 * the result has a place. Begin with KGR_NEW_FILE_INIT; kgr_new_file_abandon on every path.
 */
struct kgr_new_file {
    int fd;           /* -1: none, or finished */
    const char *path; /* borrowed */
};
#define KGR_NEW_FILE_INIT                                                                          \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* kgr_new_file_begin: KGR_ERR_EXISTS when path is there, unless it is the empty file of a run that was killed. */
KGR_MUST_CHECK enum kgr_error kgr_new_file_begin(struct kgr_new_file *file, const char *path,
                                                 struct kgr_diag *diag);
/* kgr_new_file_finish writes and syncs data, with exactly mode, all of it or none. Nothing stays after a failure. */
KGR_MUST_CHECK enum kgr_error kgr_new_file_finish(struct kgr_new_file *file, mode_t mode,
                                                  struct kgr_slice data, struct kgr_diag *diag);
/* kgr_new_file_abandon removes a file that was begun and not finished. */
void kgr_new_file_abandon(struct kgr_new_file *file);
/*
 * kgr_file_replace writes data to path with exactly mode, all of it or, after a failure or a crash, what was there before.
 * It is on the disk when this returns.
 */
KGR_MUST_CHECK enum kgr_error kgr_file_replace(const char *path, mode_t mode, struct kgr_slice data,
                                               struct kgr_diag *diag);
/* kgr_file_sync_folder puts the names in the folder of path on the disk. */
KGR_MUST_CHECK enum kgr_error kgr_file_sync_folder(const char *path, struct kgr_diag *diag);
/* kgr_file_read reads a whole file of at most cap bytes; longer is KGR_ERR_TOO_LARGE. */
KGR_MUST_CHECK enum kgr_error kgr_file_read(uint8_t *out, size_t *out_len, size_t cap,
                                            const char *path, struct kgr_diag *diag);
