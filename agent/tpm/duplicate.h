/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * Birth of resident keys at the KS: random in its TPM, duplicated straight to the storage keys
 * of one or two nodes under a policy that lets nobody else do it and nothing else be a
 * destination (docs/protocol.md, section 6), flushed.
 */
#define KGR_TPM_TARGETS_MAX 2

struct kgr_tpm_birth {
    const struct kgr_tpm_object *parent; /* the KS's storage key */
    enum kgr_suite suite;
    size_t num_targets; /* 1 or 2 */
    /* Storage keys that kgr_tpm_check_storage accepts and whose place in a TPM was proven. */
    const struct kgr_tpm_public *targets[KGR_TPM_TARGETS_MAX];
    /* Keys of the inner wrappers in the arena, as long as the suite's AES key; empty: no such wrapper. */
    struct kgr_slice inner_enc;
    struct kgr_slice inner_mac;
    /* Not NULL: the KS keeps the keys itself, under these values (NKSK and NKSKsign). */
    const struct kgr_tpm_auth *keep_enc;
    const struct kgr_tpm_auth *keep_mac;
};

struct kgr_tpm_newborn {
    struct kgr_tpm_public pub;
    struct kgr_tpm_name name;
    struct kgr_tpm_duplicate duplicates[KGR_TPM_TARGETS_MAX]; /* in the order of targets */
    struct kgr_tpm_private kept;                              /* len 0 unless asked for */
};

/*
 * kgr_tpm_give_birth makes both keys of a pair (about 12 ms on a software TPM with two targets).
 * KGR_ERR_CORRUPT when a target is no storage key by template. Nothing stays loaded, on failure
 * neither.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_give_birth(struct kgr_tpm *tpm,
                                                 struct kgr_tpm_newborn *out_enc,
                                                 struct kgr_tpm_newborn *out_mac,
                                                 const struct kgr_tpm_birth *birth,
                                                 struct kgr_diag *diag);

/*
 * kgr_tpm_birth_policy computes the authPolicy that such keys carry, from Names alone. One
 * target: PolicySecret then PolicyDuplicationSelect; two: PolicyOR of the two. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_birth_policy(uint8_t out[KGR_TPM_HASH_LEN],
                                                   const struct kgr_tpm_name *ks,
                                                   const struct kgr_tpm_name *const *targets,
                                                   size_t num_targets);
