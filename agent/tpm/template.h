/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/tpm/types.h"

/*
 * The public areas that KGR uses, and the checks of those that come from elsewhere. Pure: no
 * TPM. A check unmarshals, compares every field with the template, and marshals again to the
 * same bytes; all else is KGR_ERR_CORRUPT. Thread-safe.
 */

/*
 * An ECC restricted decryption key, fixed to its TPM, random, noDA, empty policy: P-256 with AES-128-CFB and SHA-256, or
 * P-384 with AES-256-CFB and SHA-384.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_storage(const struct kgr_tpm_public *pub);
/*
 * kgr_tpm_storage_suites is the mask (bit suite - 1) of the suites whose keys a storage key that kgr_tpm_check_storage
 * accepts protects as well as they protect: 1 below P-256, 1 and 2 below P-384. 0 for any other.
 */
uint8_t kgr_tpm_storage_suites(const struct kgr_tpm_public *pub);
/* The same with the TCG's template for an ECC P-256 EK, L-2 (EK Credential Profile 2.5, B.3.4). */
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_ek(const struct kgr_tpm_public *pub);
/* An ECDSA P-256 SHA-256 signing key; fixed to its TPM, random, noDA. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_signing(const struct kgr_tpm_public *pub);

enum kgr_tpm_kind { KGR_TPM_ENC = 1, KGR_TPM_MAC = 2 };
/*
 * A resident key as the KS's TPM bears it: SYMCIPHER of mode NULL or KEYEDHASH with HMAC,
 * lengths of the suite, under a policy of one SHA-256 digest, neither fixedTPM nor fixedParent.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_resident(const struct kgr_tpm_public *pub,
                                                     enum kgr_suite suite, enum kgr_tpm_kind kind);

/*
 * What a key of KGR can be as an object of a TPM. All are userWithAuth and noDA, none is fixedTPM or fixedParent,
 * nameAlg is SHA-256.
 */
enum kgr_tpm_form {
    KGR_TPM_BORN = 1, /* a resident key, born in the TPM of the KS */
    KGR_TPM_KEY = 2,  /* a resident key, wrapped in software: not sensitiveDataOrigin, no policy */
    KGR_TPM_DATA = 3, /* a data object that holds the key's bytes; no policy */
};
/* kgr_tpm_check_form checks for one form; BORN is kgr_tpm_check_resident. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_check_form(const struct kgr_tpm_public *pub,
                                                 enum kgr_suite suite, enum kgr_tpm_kind kind,
                                                 enum kgr_tpm_form form);
/*
 * kgr_tpm_public_unique is the field `unique` of a key in any form: the digest of seed and secret, which the TPM
 * checks when it loads the key. out has KGR_TPM_HASH_LEN bytes.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_unique(const struct kgr_tpm_public *pub,
                                                    uint8_t out[KGR_TPM_HASH_LEN]);

/*
 * kgr_tpm_public_set copies a marshalled TPMT_PUBLIC; KGR_ERR_CORRUPT if empty or too long. No
 * other check.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_set(struct kgr_tpm_public *out,
                                                 struct kgr_slice bytes);
/*
 * kgr_tpm_public_name computes the Name: nameAlg || H(pub). For nameAlg SHA-256 and SHA-384, else
 * KGR_ERR_CORRUPT.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_name(struct kgr_tpm_name *out,
                                                  const struct kgr_tpm_public *pub);
/*
 * kgr_tpm_public_hash is SHA-256 over the marshalled bytes: what `identity` prints and --ek
 * takes.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_public_hash(uint8_t out[KGR_TPM_HASH_LEN],
                                                  const struct kgr_tpm_public *pub);
/* kgr_tpm_ek_point takes the point out of an EK (P-256); KGR_ERR_CORRUPT for another key. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_ek_point(const struct kgr_tpm_public *ek, uint8_t x[32],
                                               uint8_t y[32]);
bool kgr_tpm_public_equal(const struct kgr_tpm_public *a, const struct kgr_tpm_public *b);
bool kgr_tpm_name_equal(const struct kgr_tpm_name *a, const struct kgr_tpm_name *b);
