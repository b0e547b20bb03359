/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/tpm.h"

#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/handles.h"

static void disconnect(struct kgr_tpm *tpm)
{
    if (tpm->sys != NULL)
        Tss2_Sys_Finalize(tpm->sys);
    kgr_secret_free(tpm->sys);
    tpm->sys = NULL;
    if (tpm->tcti != NULL)
        Tss2_TctiLdr_Finalize(&tpm->tcti);
    tpm->tcti = NULL;
    tpm->connected = false;
}

static enum kgr_error connect_tcti(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
    size_t len = Tss2_Sys_GetContextSize(0);
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tpm->tcti_conf, &tpm->tcti);

    if (rc != TSS2_RC_SUCCESS) {
        tpm->tcti = NULL;
        return kgr_diag_set(diag, KGR_ERR_TPM, "no TPM at '%s': %s (0x%x)", tpm->tcti_conf,
                            Tss2_RC_Decode(rc), rc);
    }
    /* The arena, because every parameter in clear passes through the command buffer in it. */
    tpm->sys = kgr_secret_alloc(len);
    if (tpm->sys == NULL) {
        disconnect(tpm);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the arena has no %zu bytes for the TPM", len);
    }
    rc = Tss2_Sys_Initialize(tpm->sys, len, tpm->tcti, &abi);
    if (rc != TSS2_RC_SUCCESS) {
        disconnect(tpm);
        return kgr_tpm_translate("Tss2_Sys_Initialize", rc, diag);
    }
    tpm->connected = true;
    return KGR_OK;
}

enum kgr_error kgr_tpm_startup(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {
        .name = "TPM2_Startup", .code = TPM2_CC_Startup, .flags = KGR_TPM_RAW};
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_Startup_Prepare(tpm->sys, TPM2_SU_CLEAR);
    } while (kgr_tpm_again(tpm, &cmd, rc, NULL));
    if (cmd.rc == TPM2_RC_INITIALIZE)
        return KGR_OK; /* it was started already, by firmware or the one before us */
    if (cmd.err != KGR_OK)
        return kgr_diag_set(diag, cmd.err, "TPM2_Startup failed (0x%x)%s", cmd.rc,
                            cmd.rc == TPM2_RC_FAILURE ? ": the TPM is in failure mode" : "");
    kgr_tpm_note_loss(tpm);
    tpm->session.handle = 0;
    return KGR_OK;
}

void kgr_tpm_note_loss(struct kgr_tpm *tpm)
{
    tpm->resets++;
    kgr_tpm_slots_lost(tpm);
    kgr_info("tpm_lost_state", "resets=%u", tpm->resets);
}

enum kgr_error kgr_tpm_reconnect(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    enum kgr_error err;

    disconnect(tpm);
    err = connect_tcti(tpm, diag);
    if (err == KGR_OK)
        err = kgr_tpm_startup(tpm, diag);
    if (err != KGR_OK)
        return err;
    /* A TPM that was not reset, and has no resource manager, still holds what we had. */
    err = kgr_tpm_sweep(tpm, diag);
    if (err != KGR_OK)
        return err;
    tpm->session.handle = 0;
    kgr_tpm_session_end(tpm);
    kgr_tpm_note_loss(tpm);
    return KGR_OK;
}

enum kgr_error kgr_tpm_open(struct kgr_tpm **out, const char *tcti, struct kgr_diag *diag)
{
    struct kgr_tpm *tpm;
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    if (tcti == NULL || tcti[0] == '\0')
        return kgr_diag_set(diag, KGR_ERR_INVALID, "no TPM is configured (tpm.tcti)");
    /* What tss2 would write to stderr stands in our diag. Who debugs it has set this already. */
    if (setenv("TSS2_LOG", "all+NONE", 0) != 0)
        return KGR_ERR_NO_MEMORY;
    tpm = kgr_secret_alloc(sizeof(*tpm));
    if (tpm == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the arena has no room for the TPM");
    tpm->tcti_conf = strdup(tcti);
    if (tpm->tcti_conf == NULL)
        goto out;
    err = kgr_tpm_crypto_new(&tpm->crypto);
    if (err == KGR_OK)
        err = kgr_tpm_slots_new(&tpm->slots);
    if (err == KGR_OK)
        err = connect_tcti(tpm, diag);
    if (err == KGR_OK)
        err = kgr_tpm_startup(tpm, diag);
    if (err == KGR_OK)
        err = kgr_tpm_probe(tpm, diag);
    if (err == KGR_OK)
        err = kgr_tpm_sweep(tpm, diag);
    if (err == KGR_OK) {
        tpm->resets = 0;
        *out = tpm;
        tpm = NULL;
    }
out:
    kgr_tpm_close(tpm);
    return err;
}

void kgr_tpm_close(struct kgr_tpm *tpm)
{
    if (tpm == NULL)
        return;
    if (tpm->connected) {
        kgr_tpm_slots_limit(tpm, 0);
        kgr_tpm_session_end(tpm);
    }
    disconnect(tpm);
    kgr_tpm_slots_free(tpm->slots);
    kgr_tpm_crypto_free(tpm->crypto);
    free(tpm->tcti_conf);
    kgr_secret_free(tpm);
}

void kgr_tpm_set_hierarchy_auth(struct kgr_tpm *tpm, enum kgr_tpm_hierarchy hierarchy,
                                const struct kgr_tpm_auth *auth)
{
    tpm->hierarchy_auth[hierarchy] = auth;
}

const struct kgr_tpm_stats *kgr_tpm_stats_of(const struct kgr_tpm *tpm)
{
    return &tpm->stats;
}

bool kgr_tpm_in_lockout(const struct kgr_tpm *tpm)
{
    return atomic_load(&tpm->in_lockout);
}

unsigned int kgr_tpm_resets(const struct kgr_tpm *tpm)
{
    return tpm->resets;
}

struct kgr_tpm_object kgr_tpm_handle_object(TPM2_HANDLE handle)
{
    struct kgr_tpm_object object = {.handle = handle};
    struct kgr_wr wr;

    kgr_wr_init(&wr, object.name.bytes, 4);
    kgr_wr_u32(&wr, handle);
    object.name.len = 4;
    return object;
}

struct kgr_tpm_object kgr_tpm_hierarchy(const struct kgr_tpm *tpm, enum kgr_tpm_hierarchy hierarchy)
{
    struct kgr_tpm_object object =
        kgr_tpm_handle_object(hierarchy == KGR_TPM_OWNER ? TPM2_RH_OWNER : TPM2_RH_ENDORSEMENT);

    object.auth = tpm->hierarchy_auth[hierarchy];
    return object;
}

void kgr_tpm_flush(struct kgr_tpm *tpm, TPM2_HANDLE handle)
{
    struct kgr_tpm_command cmd = {
        .name = "TPM2_FlushContext", .code = TPM2_CC_FlushContext, .flags = KGR_TPM_RAW};
    TSS2_RC rc;

    if (!tpm->connected)
        return;
    do {
        rc = Tss2_Sys_FlushContext_Prepare(tpm->sys, handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, NULL));
    if (cmd.err != KGR_OK)
        kgr_debug("tpm_flush_failed", "handle=0x%x rc=0x%x", handle, cmd.rc);
}

void kgr_tpm_set_others(struct kgr_tpm *tpm, const struct kgr_tpm_others *others)
{
    tpm->others = *others;
}

bool kgr_tpm_others_wait(const struct kgr_tpm *tpm)
{
    return tpm->others.wait != NULL && tpm->others.wait(tpm->others.ctx);
}

void kgr_tpm_let_others(struct kgr_tpm *tpm)
{
    if (kgr_tpm_others_wait(tpm))
        tpm->others.run(tpm->others.ctx);
}
