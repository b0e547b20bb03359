/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * A key of the TPM from which secrets of this process are derived: HMAC-SHA-256 with a key that the TPM made and that
 * never leaves it (fixedTPM, fixedParent). What is kept of it on disk is of use to nobody else; and because its public
 * area is known but for one field, nothing read from a disk is unmarshalled before the TPM itself has judged it.
 */
struct kgr_tpm_derive_key {
    uint8_t unique[KGR_TPM_HASH_LEN]; /* of its public area */
    struct kgr_tpm_private priv;
};

KGR_MUST_CHECK enum kgr_error kgr_tpm_derive_key_create(struct kgr_tpm *tpm,
                                                        struct kgr_tpm_derive_key *out,
                                                        const struct kgr_tpm_object *parent,
                                                        struct kgr_diag *diag);
/*
 * kgr_tpm_derive computes HMAC(key, label) into out, 32 bytes in the arena; label has at most 1,024 bytes. It crosses
 * encrypted: KGR_ERR_STATE without a salted session. KGR_ERR_CORRUPT when key is not of this parent or was changed.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_derive(struct kgr_tpm *tpm, uint8_t out[KGR_TPM_HASH_LEN],
                                             const struct kgr_tpm_object *parent,
                                             const struct kgr_tpm_derive_key *key,
                                             struct kgr_slice label, struct kgr_diag *diag);
