/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/random.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"

/* What every TPM can return at once, and take at once. */
#define CHUNK_OUT 32
#define CHUNK_IN  128

enum kgr_error kgr_tpm_random(struct kgr_tpm *tpm, uint8_t *out, size_t len, struct kgr_diag *diag)
{
    TPM2B_DIGEST *bytes = kgr_secret_alloc(sizeof(*bytes));
    size_t done = 0;
    enum kgr_error err = KGR_OK;

    if (bytes == NULL)
        return KGR_ERR_NO_MEMORY;
    while (err == KGR_OK && done < len) {
        struct kgr_tpm_command cmd = {
            .name = "TPM2_GetRandom",
            .code = TPM2_CC_GetRandom,
            .flags = tpm->salt_key.pinned ? KGR_TPM_SECRET_OUT : 0,
        };
        size_t want = len - done < CHUNK_OUT ? len - done : CHUNK_OUT;
        TSS2_RC rc;

        if (done > 0 && done % (KGR_TPM_STEP * CHUNK_OUT) == 0)
            kgr_tpm_let_others(tpm);

        do {
            rc = Tss2_Sys_GetRandom_Prepare(tpm->sys, (UINT16)want);
        } while (kgr_tpm_again(tpm, &cmd, rc, diag));
        err = cmd.err;
        bytes->size = 0;
        if (err == KGR_OK) {
            err = kgr_tpm_completed(&cmd, Tss2_Sys_GetRandom_Complete(tpm->sys, bytes), diag);
            kgr_tpm_scrub(tpm);
        }
        if (err == KGR_OK && (bytes->size == 0 || bytes->size > want))
            err = kgr_diag_set(diag, KGR_ERR_TPM, "TPM2_GetRandom: %zu bytes asked, %u answered",
                               want, bytes->size);
        if (err == KGR_OK) {
            memcpy(out + done, bytes->buffer, bytes->size);
            done += bytes->size;
        }
    }
    kgr_secret_free(bytes);
    if (err != KGR_OK)
        kgr_cleanse(out, done);
    return err;
}

enum kgr_error kgr_tpm_stir(struct kgr_tpm *tpm, struct kgr_slice data, struct kgr_diag *diag)
{
    TPM2B_SENSITIVE_DATA *in = kgr_secret_alloc(sizeof(*in));
    enum kgr_error err = KGR_OK;

    if (in == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t done = 0; err == KGR_OK && done < data.len; done += in->size) {
        struct kgr_tpm_command cmd = {
            .name = "TPM2_StirRandom",
            .code = TPM2_CC_StirRandom,
            .flags = tpm->salt_key.pinned ? KGR_TPM_SECRET_IN : 0,
        };
        TSS2_RC rc;

        in->size = (UINT16)(data.len - done < CHUNK_IN ? data.len - done : CHUNK_IN);
        memcpy(in->buffer, data.p + done, in->size);
        do {
            rc = Tss2_Sys_StirRandom_Prepare(tpm->sys, in);
        } while (kgr_tpm_again(tpm, &cmd, rc, diag));
        err = cmd.err;
    }
    kgr_secret_free(in);
    return err;
}
