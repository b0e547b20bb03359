/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* kgr_tpm_sign signs a SHA-256 digest with an ECDSA P-256 key: r[32] || s[32]. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_sign(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                           uint8_t out[KGR_TPM_SIGNATURE_LEN],
                                           const uint8_t digest[KGR_TPM_HASH_LEN],
                                           struct kgr_diag *diag);
/*
 * kgr_tpm_verify verifies in software under a public area that kgr_tpm_check_signing accepts:
 * KGR_ERR_CORRUPT when the signature does not fit or the key is none. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_verify(const struct kgr_tpm_public *pub,
                                             const uint8_t digest[KGR_TPM_HASH_LEN],
                                             const uint8_t signature[KGR_TPM_SIGNATURE_LEN]);
/*
 * An ECDSA key that stands nowhere: kgr_tpm_signing_make makes it below the SRK with auth, for the caller to keep its blob;
 * kgr_tpm_signing_use loads it, signs as kgr_tpm_sign, and flushes it. For what is signed seldom.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_signing_make(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                                   const struct kgr_tpm_auth *auth,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_tpm_signing_use(struct kgr_tpm *tpm, const struct kgr_tpm_blob *blob,
                    const struct kgr_tpm_auth *auth, uint8_t out[KGR_TPM_SIGNATURE_LEN],
                    const uint8_t digest[KGR_TPM_HASH_LEN], struct kgr_diag *diag);
