/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

/* kgr_file_create writes a new file, synced, with exactly mode; KGR_ERR_EXISTS when path is there. Nothing stays after a failure. */
KGR_MUST_CHECK enum kgr_error kgr_file_create(const char *path, mode_t mode, struct kgr_slice data,
                                              struct kgr_diag *diag);
/* kgr_file_read reads a whole file of at most cap bytes; longer is KGR_ERR_TOO_LARGE. */
KGR_MUST_CHECK enum kgr_error kgr_file_read(uint8_t *out, size_t *out_len, size_t cap,
                                            const char *path, struct kgr_diag *diag);
