/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/custody.h"

#include "agent/wire/common.h"

#define SUITE_1 (1u << (KGR_SUITE_AES128_SHA256 - 1))

enum kgr_error kgr_custody_choose(struct kgr_custody_choice *out, enum kgr_custody_wish wish,
                                  uint8_t suites, const struct kgr_tpm_capability *capability,
                                  const struct kgr_tpm_public *storage, struct kgr_diag *diag)
{
    struct kgr_custody_choice choice = {.sealed = wish == KGR_CUSTODY_WANT_SEALED ||
                                                  !capability->can_resident};
    uint8_t wanted = suites == 0 ? SUITE_1 : suites;

    if (wish == KGR_CUSTODY_WANT_RESIDENT && !capability->can_resident)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "custody is \"resident\", but this TPM cannot: it lacks %s; set "
                            "\"auto\" or \"sealed\"",
                            capability->lacks);
    if (choice.sealed && !capability->can_seal)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "this TPM can neither use keys nor import and unseal them");
    choice.wanted = wanted & capability->suites;
    if (choice.wanted == 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "this TPM can protect keys of none of the suites configured");
    choice.suites = storage == NULL ? choice.wanted : kgr_custody_below(&choice, storage);
    if (choice.suites == 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "the storage key of this node was made for another suite: configure "
                            "that too, or initialise and enrol the node again");
    *out = choice;
    return KGR_OK;
}

uint8_t kgr_custody_below(const struct kgr_custody_choice *choice,
                          const struct kgr_tpm_public *storage)
{
    return choice->wanted & kgr_tpm_storage_suites(storage);
}

enum kgr_suite kgr_custody_best(uint8_t suites)
{
    return (suites & ~SUITE_1) != 0 ? KGR_SUITE_AES256_SHA384 : KGR_SUITE_AES128_SHA256;
}

uint8_t kgr_custody_mask(const struct kgr_custody_choice *choice)
{
    return (uint8_t)KGR_MASK(choice->sealed ? KGR_WIRE_SEALED : KGR_WIRE_RESIDENT);
}

bool kgr_custody_form(const struct kgr_custody_choice *choice, uint8_t custody,
                      enum kgr_tpm_form *out)
{
    switch (custody) {
    case KGR_WIRE_RESIDENT:
        *out = KGR_TPM_BORN;
        return !choice->sealed;
    case KGR_WIRE_MIXED:
        *out = choice->sealed ? KGR_TPM_DATA : KGR_TPM_KEY;
        return true;
    case KGR_WIRE_SEALED:
        *out = KGR_TPM_DATA;
        return choice->sealed;
    default:
        return false;
    }
}
