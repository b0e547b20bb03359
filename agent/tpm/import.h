/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

struct kgr_tpm_import {
    const struct kgr_tpm_object *parent; /* this node's storage key */
    enum kgr_suite suite;
    enum kgr_tpm_kind kind;
    enum kgr_tpm_form form; /* that was agreed on */
    const struct kgr_tpm_public *pub;
    const struct kgr_tpm_duplicate *duplicate;
    struct kgr_slice inner;          /* key of the inner wrapper in the arena; empty: none */
    const struct kgr_tpm_auth *auth; /* the key's value from now on */
};

/*
 * kgr_tpm_import imports a duplicate, loads it, changes its authorisation value and flushes it,
 * and returns only the last blob: the one before would stay usable with the old, empty value.
 * KGR_ERR_CORRUPT when the public area is not that of a key of the suite in the form, or the
 * duplicate is damaged or for another TPM.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_import(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                             const struct kgr_tpm_import *import,
                                             struct kgr_diag *diag);
