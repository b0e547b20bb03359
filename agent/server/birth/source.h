/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/tpm/duplicate.h"

/*
 * kgr_source_secrets fills enc and mac, in the arena, with as many random bytes as the keys of the suite have: for
 * ends in sealed and mixed custody. On the TPM worker, from the same library.
 */
KGR_MUST_CHECK enum kgr_error kgr_source_secrets(struct kgr_tpm *tpm, enum kgr_suite suite,
                                                 uint8_t *enc, uint8_t *mac, struct kgr_diag *diag);
/*
 * kgr_source_birth makes the keys of a pair of nodes: where NNSK and NNSKsign come from. It runs on the
 * TPM worker. Its own library (kgr_source), so that a test build of kgr-ks can link another source.
 * Errors as of kgr_tpm_give_birth.
 */
KGR_MUST_CHECK enum kgr_error kgr_source_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                               struct kgr_tpm_newborn *out_mac,
                                               const struct kgr_tpm_birth *birth,
                                               struct kgr_diag *diag);
