/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/* Internal to agent/tpm. */
struct kgr_tpm;

struct kgr_tpm_create {
    const TPM2B_PUBLIC *template;
    const struct kgr_tpm_auth *auth; /* NULL: empty */
    struct kgr_slice data;           /* to be sealed; empty: the TPM makes the secret */
};

/*
 * kgr_tpm_create is TPM2_Create below parent. What is secret in create crosses encrypted. At
 * most one object of ours may be loaded. On failure out may be partly written.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_create(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                             const struct kgr_tpm_object *parent,
                                             const struct kgr_tpm_create *create,
                                             struct kgr_diag *diag);
