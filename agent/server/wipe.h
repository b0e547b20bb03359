/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/tpm/access.h"

/*
 * kgr_ks_wipe undoes init and all that followed: the KS's keys and counter in the TPM, then its database in dir. What an
 * interrupted wipe left is finished. KGR_OK when nothing is there.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_wipe(const char *dir, const struct kgr_tpm_access *access,
                                          struct kgr_diag *diag);
