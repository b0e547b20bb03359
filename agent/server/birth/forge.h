/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * Two keys for ends of which at least one cannot take a key born in a TPM: their bytes come from the TPM's generator
 * into the arena, are wrapped at once to the storage key of each end, and wiped.
 */
#define KGR_KS_ENDS_MAX 2

struct kgr_ks_end {
    struct kgr_tpm_public storage;
    enum kgr_tpm_form form;     /* KEY or DATA */
    struct kgr_slice inner_enc; /* as of kgr_tpm_wrap */
    struct kgr_slice inner_mac;
};

/* What one end gets. */
struct kgr_ks_parcel {
    struct kgr_tpm_public enc_pub;
    struct kgr_tpm_public mac_pub;
    struct kgr_tpm_duplicate enc;
    struct kgr_tpm_duplicate mac;
};

/* kgr_ks_forge runs on the TPM worker. out and ends have num elements, at most KGR_KS_ENDS_MAX. */
KGR_MUST_CHECK enum kgr_error kgr_ks_forge(struct kgr_ks_parcel *out, const struct kgr_ks_end *ends,
                                           size_t num, enum kgr_suite suite, struct kgr_tpm *tpm,
                                           struct kgr_diag *diag);
