/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

/*
 * Duplicates made in software (TPM 2.0 Part 1, "Protected Storage", "Duplication"): what TPM2_Duplicate would return for
 * a key whose bytes stand in the arena. Pure: no TPM. Thread-safe. KGR_ERR_CORRUPT when the target is no storage key by
 * template, KGR_ERR_INVALID for lengths that are not those of the suite.
 */
struct kgr_tpm_wrap {
    enum kgr_suite suite;
    enum kgr_tpm_kind kind;
    enum kgr_tpm_form form;  /* KEY or DATA */
    struct kgr_slice secret; /* the key, in the arena */
    /* In the arena: the same for every duplicate of one key, so that all have the same `unique`. */
    const uint8_t *seed; /* KGR_TPM_HASH_LEN bytes */
    const struct kgr_tpm_public *target;
    struct kgr_slice inner; /* key of the inner wrapper, in the arena; empty: none */
};
KGR_MUST_CHECK enum kgr_error kgr_tpm_wrap(struct kgr_tpm_public *out_pub,
                                           struct kgr_tpm_duplicate *out,
                                           const struct kgr_tpm_wrap *wrap);

/*
 * kgr_tpm_wrap_as does the same for a public area of the caller's making, which fits secret and seed. suite and form
 * do not count.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_wrap_as(const struct kgr_tpm_public *pub,
                                              struct kgr_tpm_duplicate *out,
                                              const struct kgr_tpm_wrap *wrap);
/* kgr_tpm_wrap_unique is what `unique` of such a public area must be: H(seed || secret). */
KGR_MUST_CHECK enum kgr_error kgr_tpm_wrap_unique(uint8_t out[KGR_TPM_HASH_LEN],
                                                  const struct kgr_tpm_wrap *wrap);
