/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * kgr_tpm_make_credential wraps secret (1 to 32 bytes) so that only the TPM with that EK,
 * holding an object with that Name, can activate it. KGR_ERR_CORRUPT when ek is not the EK
 * template.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_make_credential(struct kgr_tpm *tpm, struct kgr_tpm_credential *out,
                        const struct kgr_tpm_public *ek, const struct kgr_tpm_name *name,
                        struct kgr_slice secret, struct kgr_diag *diag);
/*
 * kgr_tpm_activate_credential returns that secret, out_len bytes exactly, into the arena:
 * KGR_ERR_CORRUPT when the credential is for another EK or Name or was changed, or has another
 * length.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_activate_credential(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                            const struct kgr_tpm_object *object,
                            const struct kgr_tpm_credential *credential, struct kgr_diag *diag);
