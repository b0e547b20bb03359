/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/server/ks.h"
#include "agent/tpm/access.h"

/*
 * kgr_ks_service_run serves until a signal stops it, with the TPM of access and the database of the locked folder dir. Errors
 * of the start have a diag; KGR_ERR_IO or another error after it when the database failed.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_service_run(const char *dir,
                                                 const struct kgr_tpm_access *access,
                                                 const struct kgr_ks_settings *settings,
                                                 struct kgr_diag *diag);
