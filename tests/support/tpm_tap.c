/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/tpm_tap.h"

#include <string.h>

#include <tss2/tss2_sys.h>

struct tpm_tap tpm_tap;

TSS2_RC __real_Tss2_Sys_Execute(TSS2_SYS_CONTEXT *sys);
TSS2_RC __wrap_Tss2_Sys_Execute(TSS2_SYS_CONTEXT *sys);

void tpm_tap_reset(void)
{
    memset(&tpm_tap, 0, sizeof(tpm_tap));
}

static void look(const uint8_t *p, size_t len)
{
    if (tpm_tap.pattern != NULL && memmem(p, len, tpm_tap.pattern, tpm_tap.pattern_len) != NULL)
        tpm_tap.num_seen++;
}

/*
 * The answer's parameters are followed by its authorisation area, whose last byte is of our
 * HMAC.
 */
static void spoil(TSS2_SYS_CONTEXT *sys, const uint8_t *params, size_t len)
{
    TSS2L_SYS_AUTH_RESPONSE auths = {.count = 0};
    uint8_t *answer = (uint8_t *)(uintptr_t)params;

    if (tpm_tap.spoil && len > 0)
        answer[len - 1] ^= 1;
    if (tpm_tap.spoil_hmac && Tss2_Sys_GetRspAuths(sys, &auths) == TSS2_RC_SUCCESS) {
        const TPMS_AUTH_RESPONSE *auth = &auths.auths[0];
        size_t area = 2u + auth->nonce.size + 1u + 2u + auth->hmac.size;

        answer[len + area - 1] ^= 1;
    }
    tpm_tap.spoil = false;
    tpm_tap.spoil_hmac = false;
}

static uint32_t code_of(TSS2_SYS_CONTEXT *sys)
{
    uint8_t code[4] = {0}; /* as it travels */

    (void)Tss2_Sys_GetCommandCode(sys, code); /* 0 when it fails */
    return (uint32_t)code[0] << 24 | (uint32_t)code[1] << 16 | (uint32_t)code[2] << 8 | code[3];
}

TSS2_RC __wrap_Tss2_Sys_Execute(TSS2_SYS_CONTEXT *sys)
{
    const uint8_t *p = NULL;
    size_t len = 0;
    TSS2_RC rc;

    if (tpm_tap.num_commands < TPM_TAP_CODES)
        tpm_tap.codes[tpm_tap.num_commands] = code_of(sys);
    tpm_tap.num_commands++;
    if (tpm_tap.answer_times > 0) {
        tpm_tap.answer_times--;
        return tpm_tap.answer;
    }
    if (Tss2_Sys_GetCpBuffer(sys, &len, &p) == TSS2_RC_SUCCESS)
        look(p, len);
    rc = __real_Tss2_Sys_Execute(sys);
    if (rc == TSS2_RC_SUCCESS && Tss2_Sys_GetRpBuffer(sys, &len, &p) == TSS2_RC_SUCCESS) {
        look(p, len);
        spoil(sys, p, len);
    }
    return rc;
}
