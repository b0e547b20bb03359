/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <kgr/client.h>

/*
 * kgr_ctl_read_all reads name (NULL: the standard input) to its end into out. Errors: KGR_ERR_IO, KGR_ERR_TOO_LARGE for
 * more than cap bytes. It prints what is wrong.
 */
enum kgr_error kgr_ctl_read_all(const char *name, uint8_t *out, size_t cap, size_t *out_len);

/*
 * Output to name (NULL: the standard output). A regular file is written beside its place, with mode 0600, and put there
 * when all of it is on disk: nobody meets half of it. All functions print what is wrong.
 */
struct kgr_ctl_output {
    const char *name; /* borrowed; NULL: the standard output */
    char *temporary;  /* owned; NULL: written in place */
    int fd;
};

enum kgr_error kgr_ctl_output_open(struct kgr_ctl_output *out, const char *name);
/* kgr_ctl_output_commit writes bytes as the whole content. */
enum kgr_error kgr_ctl_output_commit(struct kgr_ctl_output *output, const uint8_t *bytes,
                                     size_t len);
/* kgr_ctl_output_close is due after open, and removes what was not committed. */
void kgr_ctl_output_close(struct kgr_ctl_output *output);
