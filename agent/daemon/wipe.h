/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * The wipe commands, for all that they share: the question, and the files. The order is always TPM, then files, so that what
 * a crash leaves is found again by the next wipe.
 */

/*
 * kgr_wipe_confirm asks on the terminal unless yes; KGR_ERR_INVALID when there is no terminal to ask, and when the
 * answer is not "yes". what is said to be destroyed.
 */
KGR_MUST_CHECK enum kgr_error kgr_wipe_confirm(bool yes, const char *what, struct kgr_diag *diag);
/*
 * kgr_wipe_files overwrites and removes the database DIR/NAME with its log, and whatever an earlier wipe left. KGR_OK
 * when nothing is there. On media that write elsewhere (flash) overwritten bytes may stay; what they
 * wrapped is gone with the TPM's keys.
 */
KGR_MUST_CHECK enum kgr_error kgr_wipe_files(const char *dir, const char *name,
                                             struct kgr_diag *diag);
