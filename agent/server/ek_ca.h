/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/*
 * The makers of TPMs whose word the KS takes: certificates of their CAs in a folder. One thread; the checks need no TPM.
 *
 * A certificate of an EK says which chip a key was made in. That does not grow old: validity periods are not
 * looked at, so that neither the KS's clock nor a maker's expired CA decides who may register. Revocation lists
 * are not either: to end a node is the AC's work.
 */
struct kgr_ek_ca;

/*
 * kgr_ek_ca_load reads every file *.pem and *.crt of folder, each with one or more PEM certificates: roots, and the
 * intermediates below them. KGR_ERR_CONFIG when the folder or a file cannot be read, or holds none.
 */
KGR_MUST_CHECK enum kgr_error kgr_ek_ca_load(struct kgr_ek_ca **out, const char *folder,
                                             struct kgr_diag *diag);
/* kgr_ek_ca_free accepts NULL. */
void kgr_ek_ca_free(struct kgr_ek_ca *ca);
/*
 * kgr_ek_ca_check: KGR_OK when certificate (DER) is of exactly this EK, ends in one of the CAs, and says that it is one of an EK where
 * it says anything (TCG EK Credential Profile: not a CA's, extended key usage 2.23.133.8.1). Otherwise
 * KGR_ERR_NOT_AUTHORIZED, with the reason.
 */
KGR_MUST_CHECK enum kgr_error kgr_ek_ca_check(struct kgr_ek_ca *ca, struct kgr_slice certificate,
                                              const struct kgr_tpm_public *ek,
                                              struct kgr_diag *diag);
