/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/tpm/ecc.h"
#include "agent/tpm/template.h"

/* Internal to agent/tpm: public areas as tss2 has them. Pure; thread-safe. */

/*
 * kgr_tpm_public_parse: KGR_ERR_CORRUPT unless the bytes unmarshal and marshal again to the
 * same; out is then undefined.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_parse(TPM2B_PUBLIC *out,
                                                   const struct kgr_tpm_public *pub);
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_marshal(struct kgr_tpm_public *out,
                                                     const TPM2B_PUBLIC *pub);
/* kgr_tpm_public_point takes the point out of an ECC key, at full length. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_point(const struct kgr_tpm_public *pub,
                                                   struct kgr_tpm_point *out);

/* Templates for TPM2_Create and TPM2_CreatePrimary. */
void kgr_tpm_template_storage(TPM2B_PUBLIC *out);      /* P-256 */
void kgr_tpm_template_wide_storage(TPM2B_PUBLIC *out); /* P-384 */
void kgr_tpm_template_ek(TPM2B_PUBLIC *out);
void kgr_tpm_template_signing(TPM2B_PUBLIC *out);
void kgr_tpm_template_data(TPM2B_PUBLIC *out);
/* A data object without noDA; kgr_tpm_check_guarded wants exactly that, with any `unique`. */
void kgr_tpm_template_guarded(TPM2B_PUBLIC *out);
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_guarded(const struct kgr_tpm_public *pub);
void kgr_tpm_template_resident(TPM2B_PUBLIC *out, enum kgr_suite suite, enum kgr_tpm_kind kind,
                               const uint8_t policy[KGR_TPM_HASH_LEN]);
/* unique is the digest of seed and secret. */
void kgr_tpm_template_wrapped(TPM2B_PUBLIC *out, enum kgr_suite suite, enum kgr_tpm_kind kind,
                              enum kgr_tpm_form form, const uint8_t unique[KGR_TPM_HASH_LEN]);
