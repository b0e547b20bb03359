/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/custody.h"

enum { RESIDENT = 1, MIXED = 2, SEALED = 3 };

static uint8_t bit(unsigned int custody)
{
    return (uint8_t)(1u << (custody - 1));
}

enum kgr_error kgr_ks_custody_choose(struct kgr_ks_custody *out, enum kgr_ks_custody_wish wish,
                                     uint8_t suites, const struct kgr_tpm_capability *capability,
                                     const struct kgr_tpm_public *storage, struct kgr_diag *diag)
{
    struct kgr_ks_custody custody = {
        .bears = capability->can_bear,
        .sealed = wish == KGR_KS_CUSTODY_SEALED || !capability->can_resident,
        .suites = capability->suites & (suites == 0 ? UINT8_MAX : suites),
    };

    if (wish == KGR_KS_CUSTODY_RESIDENT && !capability->can_resident)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "custody is \"resident\", but this TPM cannot: it lacks %s; set "
                            "\"auto\" or \"sealed\"",
                            capability->lacks);
    if (custody.sealed && !capability->can_seal)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "this TPM can neither use keys nor import and unseal them");
    if (storage != NULL)
        custody.suites &= kgr_tpm_storage_suites(storage);
    if (custody.suites == 0)
        return kgr_diag_set(
            diag, KGR_ERR_CONFIG,
            "the TPM and the storage key of this KS can protect keys of none of the "
            "suites configured");
    *out = custody;
    return KGR_OK;
}

uint8_t kgr_ks_custody_pairs(const struct kgr_ks_custody *custody)
{
    return (uint8_t)((custody->bears ? bit(RESIDENT) : 0) | bit(MIXED) | bit(SEALED));
}

uint8_t kgr_ks_custody_own(const struct kgr_ks_custody *custody)
{
    return bit(custody->sealed ? SEALED : RESIDENT);
}

enum kgr_tpm_form kgr_ks_form(uint8_t custody, uint8_t custodies)
{
    if (custody == RESIDENT)
        return KGR_TPM_BORN;
    return (custodies & bit(RESIDENT)) != 0 ? KGR_TPM_KEY : KGR_TPM_DATA;
}
