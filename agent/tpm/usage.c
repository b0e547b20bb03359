/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/usage.h"

#include "agent/base/attr.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/slots.h"

/* tss2's own TPM2_TRANSIENT_FIRST shifts into the sign of an int. */
#define TRANSIENT_FIRST ((TPM2_HANDLE)TPM2_HT_TRANSIENT << TPM2_HR_SHIFT)

static enum kgr_error get(struct kgr_tpm *tpm, TPM2_CAP capability, UINT32 first, UINT32 count,
                          struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_GetCapability", .code = TPM2_CC_GetCapability};
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_GetCapability_Prepare(tpm->sys, capability, first, count);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    rc = Tss2_Sys_GetCapability_Complete(tpm->sys, &more, &tpm->scratch.capability);
    return kgr_tpm_completed(&cmd, rc, diag);
}

static void note(struct kgr_tpm_usage *out, TPM2_PT property, UINT32 value)
{
    switch (property) {
    case TPM2_PT_PERMANENT:
        out->in_lockout = (value & TPMA_PERMANENT_INLOCKOUT) != 0;
        break;
    case TPM2_PT_LOCKOUT_COUNTER:
        out->lockout_counter = value;
        break;
    case TPM2_PT_MAX_AUTH_FAIL:
        out->lockout_max = value;
        break;
    case TPM2_PT_HR_LOADED:
        out->sessions = value;
        break;
    case TPM2_PT_HR_ACTIVE_AVAIL:
        out->sessions_free = value;
        break;
    case TPM2_PT_HR_PERSISTENT_AVAIL:
        out->persistent_free = value;
        break;
    default:
        break;
    }
}

enum kgr_error kgr_tpm_look_at_usage(struct kgr_tpm *tpm, struct kgr_tpm_usage *out,
                                     struct kgr_diag *diag)
{
    const TPML_TAGGED_TPM_PROPERTY *properties = &tpm->scratch.capability.data.tpmProperties;
    const TPML_HANDLE *handles = &tpm->scratch.capability.data.handles;
    struct kgr_tpm_usage usage = {.in_lockout = false};
    /* All that is asked for stands in the first page of the variable properties. */
    enum kgr_error err =
        get(tpm, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, TPM2_MAX_TPM_PROPERTIES, diag);

    if (err != KGR_OK)
        return err;
    for (UINT32 i = 0; i < properties->count && i < KGR_ARRAY_LEN(properties->tpmProperty); i++)
        note(&usage, properties->tpmProperty[i].property, properties->tpmProperty[i].value);
    err = get(tpm, TPM2_CAP_HANDLES, TRANSIENT_FIRST, TPM2_MAX_CAP_HANDLES, diag);
    if (err != KGR_OK)
        return err;
    usage.objects = handles->count;
    usage.own_objects = (uint32_t)kgr_tpm_num_loaded(tpm);
    usage.own_sessions = tpm->session.handle != 0 ? 1 : 0;
    *out = usage;
    return KGR_OK;
}
