/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/source.h"

#include "agent/tpm/random.h"

enum kgr_error kgr_source_birth(struct kgr_tpm *tpm, struct kgr_tpm_newborn *out_enc,
                                struct kgr_tpm_newborn *out_mac, const struct kgr_tpm_birth *birth,
                                struct kgr_diag *diag)
{
    return kgr_tpm_give_birth(tpm, out_enc, out_mac, birth, diag);
}

enum kgr_error kgr_source_secrets(struct kgr_tpm *tpm, enum kgr_suite suite, uint8_t *enc,
                                  uint8_t *mac, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_tpm_random(tpm, enc, kgr_suite_enc_key_len(suite), diag);

    return err == KGR_OK ? kgr_tpm_random(tpm, mac, kgr_suite_mac_key_len(suite), diag) : err;
}
