/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/diag.h"

/* Internal to agent/tpm. */
struct kgr_tpm;

/* kgr_tpm_free_handle finds the first free persistent handle or NV index from first on. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_free_handle(struct kgr_tpm *tpm, TPM2_HANDLE *out,
                                                  TPM2_HANDLE first, struct kgr_diag *diag);
/*
 * kgr_tpm_sweep flushes every transient object and loaded session that this connection can see. Behind a
 * resource manager that is nothing; without one it is what a process that was killed left behind, which
 * would fill the few slots for ever. Whoever uses a TPM without a resource manager uses it alone.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_sweep(struct kgr_tpm *tpm, struct kgr_diag *diag);
