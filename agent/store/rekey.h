/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/base/page.h"

/*
 * Sealed databases as files, while nobody has them open.
 */

/*
 * kgr_db_opens_with tells whether the database at path is sealed with cipher's key: its first page or, after a crash, the
 * first of its log opens. KGR_ERR_IO when the file cannot be read, KGR_ERR_CORRUPT when the header
 * of its log is damaged, which SQLite would pass over; an empty or missing file opens with every key.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_opens_with(bool *out, const char *path,
                                                const struct kgr_page_cipher *cipher,
                                                struct kgr_diag *diag);
/*
 * kgr_db_rekey seals every page anew and puts the result in the place of the file at once: after a crash one or the
 * other stands there, whole. KGR_ERR_STATE when a log stands beside the file (open and close the database first),
 * KGR_ERR_CORRUPT when a page does not open with from.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_rekey(const char *path, const struct kgr_page_cipher *from,
                                           const struct kgr_page_cipher *to, struct kgr_diag *diag);
