/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/source.h"

enum kgr_error kgr_source_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                struct kgr_tpm_newborn *out_mac, const struct kgr_tpm_birth *birth,
                                struct kgr_diag *diag)
{
    return kgr_tpm_give_birth(tpm, out_enc, out_mac, birth, diag);
}
