/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/* Internal to agent/tpm: the ways into a transient slot and out of it. */
struct kgr_tpm;

/*
 * kgr_tpm_load loads a blob below a parent; *out borrows auth. Flush it with kgr_tpm_release.
 * KGR_ERR_CORRUPT when the TPM answers with another Name than that of the public area.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_load(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                           const struct kgr_tpm_object *parent,
                                           const struct kgr_tpm_blob *blob,
                                           const struct kgr_tpm_auth *auth, struct kgr_diag *diag);
/* kgr_tpm_load_external loads a public area alone. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_load_external(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                                    const struct kgr_tpm_public *pub,
                                                    struct kgr_diag *diag);

/* A saved context: encrypted by the TPM, good until its next reset. */
struct kgr_tpm_context {
    uint8_t *bytes; /* owned; NULL: none */
    size_t len;
};
KGR_MUST_CHECK enum kgr_error kgr_tpm_context_save(struct kgr_tpm *tpm, struct kgr_tpm_context *out,
                                                   TPM2_HANDLE handle, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_context_load(struct kgr_tpm *tpm, TPM2_HANDLE *out,
                                                   const struct kgr_tpm_context *context,
                                                   struct kgr_diag *diag);
void kgr_tpm_context_clear(struct kgr_tpm_context *context);
