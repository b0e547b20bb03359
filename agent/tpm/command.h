/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include <tss2/tss2_sys.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/*
 * Internal to agent/tpm: one command between Tss2_Sys_*_Prepare and Tss2_Sys_*_Complete. The
 * caller prepares as often as kgr_tpm_again says so, because what mends a broken connection, a
 * lost session or a full TPM overwrites the prepared command:
 *
 *     do {
 *         rc = Tss2_Sys_Unseal_Prepare(tpm->sys, key->handle);
 *     } while (kgr_tpm_again(tpm, &cmd, rc, diag));
 *     if (cmd.err != KGR_OK)
 *         return cmd.err;
 *     return kgr_tpm_completed(&cmd, Tss2_Sys_Unseal_Complete(tpm->sys, &data), diag);
 */

enum kgr_tpm_command_flags {
    KGR_TPM_SECRET_IN = 1,  /* the first parameter is encrypted on its way in */
    KGR_TPM_SECRET_OUT = 2, /* the first parameter of the answer is encrypted */
    KGR_TPM_RAW = 4,        /* nothing is mended: for the commands that mend */
    KGR_TPM_ONCE = 8, /* a wrong authorisation value is not tried again: the TPM counts them */
};

#define KGR_TPM_HANDLES_MAX 2

struct kgr_tpm_command {
    const char *name;
    TPM2_CC code;
    const struct kgr_tpm_object *handles[KGR_TPM_HANDLES_MAX]; /* in the order of the handle area */
    unsigned int num_handles;
    unsigned int num_auths; /* the first so many handles are authorised */
    TPM2_HANDLE policy;     /* not 0: the last of them by this policy session */
    unsigned int flags;
    /* Results. */
    enum kgr_error err;
    TPM2_RC rc; /* what the TPM said, without the layer; 0 when nothing was answered */
    /* Of kgr_tpm_again. */
    unsigned int tries;
    unsigned int tried; /* remedies that were used already */
};

struct kgr_tpm;

/*
 * kgr_tpm_again executes the prepared command; true: prepare it again, false: cmd->err tells how
 * it ended.
 */
KGR_MUST_CHECK bool kgr_tpm_again(struct kgr_tpm *tpm, struct kgr_tpm_command *cmd,
                                  TSS2_RC prepared, struct kgr_diag *diag);
/* kgr_tpm_completed judges Tss2_Sys_*_Complete. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_completed(const struct kgr_tpm_command *cmd, TSS2_RC rc,
                                                struct kgr_diag *diag);
/*
 * kgr_tpm_scrub overwrites the first parameter of the answer: of a command with KGR_TPM_SECRET_OUT, after it was
 * completed, or the secret stays in the context until the next command.
 */
void kgr_tpm_scrub(struct kgr_tpm *tpm);
/* kgr_tpm_translate turns a TSS2_RC into our error, and says so in diag. */
enum kgr_error kgr_tpm_translate(const char *command, TSS2_RC rc, struct kgr_diag *diag);
/*
 * kgr_tpm_rc strips what makes one answer look like many: layer, and number of handle, session
 * or parameter.
 */
TPM2_RC kgr_tpm_rc(TSS2_RC rc);
