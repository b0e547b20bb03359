/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * kgr_tpm_seal makes a data object below parent: 1 to 128 bytes that TPM2_Unseal returns for
 * auth, and nothing else does. Both ways the data is encrypted on the bus.
 */
#define KGR_TPM_SEAL_MAX 128
KGR_MUST_CHECK enum kgr_error kgr_tpm_seal(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                           const struct kgr_tpm_object *parent,
                                           const struct kgr_tpm_auth *auth, struct kgr_slice data,
                                           struct kgr_diag *diag);
/*
 * kgr_tpm_unseal: out stands in the arena and takes exactly out_len bytes; another length is
 * KGR_ERR_CORRUPT.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_unseal(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                             const struct kgr_tpm_object *parent,
                                             const struct kgr_tpm_auth *auth,
                                             const struct kgr_tpm_blob *blob,
                                             struct kgr_diag *diag);

/*
 * The same behind an authorisation value that could be guessed, because it is made of a PIN: the TPM counts wrong ones and locks
 * itself (no noDA). kgr_tpm_seal_guarded makes what tpm2-pkcs11 calls a seal object. kgr_tpm_unseal_once tries auth exactly
 * once: KGR_ERR_NOT_AUTHORIZED when it is wrong, KGR_ERR_CORRUPT when blob is no such object or not of this parent.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_seal_guarded(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                                   const struct kgr_tpm_object *parent,
                                                   const struct kgr_tpm_auth *auth,
                                                   struct kgr_slice data, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_unseal_once(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                                  const struct kgr_tpm_object *parent,
                                                  const struct kgr_tpm_auth *auth,
                                                  const struct kgr_tpm_blob *blob,
                                                  struct kgr_diag *diag);
