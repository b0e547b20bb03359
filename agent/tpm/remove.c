/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/remove.h"

#include <tss2/tss2_tpm2_types.h>

#include "agent/base/log.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"

enum kgr_error kgr_tpm_remove(struct kgr_tpm *tpm, const struct kgr_tpm_remains *remains,
                              struct kgr_diag *diag)
{
    bool nv = remains->handle >> TPM2_HR_SHIFT == TPM2_HT_NV_INDEX;
    struct kgr_tpm_object object = {0};
    struct kgr_diag own = {.text = ""};
    enum kgr_error err;

    if (remains->handle == 0)
        return KGR_OK;
    err = nv ? kgr_tpm_counter_open(tpm, &object, remains->handle, &remains->name, NULL, &own)
             : kgr_tpm_persistent(tpm, &object, remains->handle, &remains->name, NULL, &own);
    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err == KGR_ERR_CORRUPT) {
        kgr_warn("left_in_tpm", "handle=0x%08x reason=\"another one stands there\"",
                 remains->handle);
        return KGR_OK;
    }
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return nv ? kgr_tpm_counter_undefine(tpm, remains->handle, diag)
              : kgr_tpm_evict(tpm, remains->handle, diag);
}

enum kgr_error kgr_tpm_remove_all(struct kgr_tpm *tpm, const struct kgr_tpm_remains *remains,
                                  size_t num, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_pub;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_pub, diag);

    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &srk, diag);
    for (size_t i = 0; i < num && err == KGR_OK; i++)
        err = kgr_tpm_remove(tpm, &remains[i], diag);
    kgr_tpm_release(tpm, &srk);
    return err;
}
