/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/handles.h"

#include <string.h>

#include "agent/base/log.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"

#define MAX_HANDLES 64
/* tss2's own TPM2_TRANSIENT_FIRST shifts into the sign of an int. */
#define TRANSIENT_FIRST ((TPM2_HANDLE)TPM2_HT_TRANSIENT << TPM2_HR_SHIFT)

static enum kgr_error sweep_kind(struct kgr_tpm *tpm, TPM2_HANDLE first, struct kgr_diag *diag)
{
    /* Raw: a connection that breaks is mended by what calls this. */
    struct kgr_tpm_command cmd = {
        .name = "TPM2_GetCapability", .code = TPM2_CC_GetCapability, .flags = KGR_TPM_RAW};
    const TPML_HANDLE *list = &tpm->scratch.capability.data.handles;
    TPM2_HANDLE handles[MAX_HANDLES];
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_GetCapability_Prepare(tpm->sys, TPM2_CAP_HANDLES, first, MAX_HANDLES);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    rc = Tss2_Sys_GetCapability_Complete(tpm->sys, &more, &tpm->scratch.capability);
    cmd.err = kgr_tpm_completed(&cmd, rc, diag);
    if (cmd.err != KGR_OK)
        return cmd.err;
    size_t num = list->count < MAX_HANDLES ? list->count : MAX_HANDLES;
    memcpy(handles, list->handle, num * sizeof(handles[0]));
    for (size_t i = 0; i < num; i++)
        kgr_tpm_flush(tpm, handles[i]);
    if (num > 0)
        kgr_info("tpm_swept", "kind=0x%02x num=%zu", (unsigned int)(first >> TPM2_HR_SHIFT), num);
    return KGR_OK;
}

enum kgr_error kgr_tpm_sweep(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    enum kgr_error err = sweep_kind(tpm, TRANSIENT_FIRST, diag);

    return err == KGR_OK ? sweep_kind(tpm, TPM2_LOADED_SESSION_FIRST, diag) : err;
}
