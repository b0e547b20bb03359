/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/*
 * Internal to agent/tpm: the policies of KGR, in software (digests) and in the TPM (assertions
 * on a policy session, TPM 2.0 Part 3, "Enhanced Authorization").
 */
struct kgr_tpm;

/*
 * Digest of PolicySecret(secret, policyRef empty) then PolicyDuplicationSelect(target,
 * includeObject NO).
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_policy_duplicate(uint8_t out[KGR_TPM_HASH_LEN],
                                                       const struct kgr_tpm_name *secret,
                                                       const struct kgr_tpm_name *target);
/* Digest of PolicyOR over num branches, 2 or more. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_policy_or(uint8_t out[KGR_TPM_HASH_LEN],
                                                const uint8_t (*branches)[KGR_TPM_HASH_LEN],
                                                size_t num);

/* The assertions of the same on a policy session. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_assert_secret(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                                    const struct kgr_tpm_object *secret,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_assert_duplication(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                                         const struct kgr_tpm_name *object,
                                                         const struct kgr_tpm_name *target,
                                                         struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_assert_or(struct kgr_tpm *tpm, TPM2_HANDLE session,
                                                const uint8_t (*branches)[KGR_TPM_HASH_LEN],
                                                size_t num, struct kgr_diag *diag);
