/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/capability.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/handles.h"
#include "agent/tpm/symmetric.h"

/* One page of a capability into tpm->scratch. */
static enum kgr_error get(struct kgr_tpm *tpm, bool *out_more, TPM2_CAP capability, UINT32 first,
                          UINT32 count, struct kgr_diag *diag)
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
    *out_more = more == TPM2_YES;
    return kgr_tpm_completed(&cmd, rc, diag);
}

/* What was found on the way through the lists. */
struct found {
    bool symcipher, aes, cbc, ctr, cfb, ofb, ecb;
    bool keyedhash, hmac, sha256, sha384, p384, aes_256;
    bool cmd_unseal, cmd_duplicate, cmd_select, cmd_test;
    bool cmd_cipher, cmd_hmac, cmd_start, cmd_update, cmd_complete, cmd_import;
};

static void note_algorithm(struct found *found, TPM2_ALG_ID alg)
{
    switch (alg) {
    case TPM2_ALG_SYMCIPHER:
        found->symcipher = true;
        break;
    case TPM2_ALG_AES:
        found->aes = true;
        break;
    case TPM2_ALG_CBC:
        found->cbc = true;
        break;
    case TPM2_ALG_CTR:
        found->ctr = true;
        break;
    case TPM2_ALG_CFB:
        found->cfb = true;
        break;
    case TPM2_ALG_OFB:
        found->ofb = true;
        break;
    case TPM2_ALG_ECB:
        found->ecb = true;
        break;
    case TPM2_ALG_KEYEDHASH:
        found->keyedhash = true;
        break;
    case TPM2_ALG_HMAC:
        found->hmac = true;
        break;
    case TPM2_ALG_SHA256:
        found->sha256 = true;
        break;
    case TPM2_ALG_SHA384:
        found->sha384 = true;
        break;
    default:
        break;
    }
}

static void note_command(struct found *found, TPM2_CC code)
{
    switch (code) {
    case TPM2_CC_EncryptDecrypt2:
        found->cmd_cipher = true;
        break;
    case TPM2_CC_HMAC:
        found->cmd_hmac = true;
        break;
    case TPM2_CC_HMAC_Start:
        found->cmd_start = true;
        break;
    case TPM2_CC_SequenceUpdate:
        found->cmd_update = true;
        break;
    case TPM2_CC_SequenceComplete:
        found->cmd_complete = true;
        break;
    case TPM2_CC_Import:
        found->cmd_import = true;
        break;
    case TPM2_CC_Unseal:
        found->cmd_unseal = true;
        break;
    case TPM2_CC_Duplicate:
        found->cmd_duplicate = true;
        break;
    case TPM2_CC_PolicyDuplicationSelect:
        found->cmd_select = true;
        break;
    case TPM2_CC_TestParms:
        found->cmd_test = true;
        break;
    default:
        break;
    }
}

/* A list that does not go up would never end. */
static bool go_on(UINT32 *next, UINT32 after)
{
    bool up = after > *next;

    *next = after;
    return up;
}

static enum kgr_error read_algorithms(struct kgr_tpm *tpm, struct found *found,
                                      struct kgr_diag *diag)
{
    const TPML_ALG_PROPERTY *list = &tpm->scratch.capability.data.algorithms;
    UINT32 next = TPM2_ALG_FIRST;
    bool more = true;

    while (more) {
        enum kgr_error err = get(tpm, &more, TPM2_CAP_ALGS, next, TPM2_MAX_CAP_ALGS, diag);

        if (err != KGR_OK)
            return err;
        if (list->count == 0 || list->count > KGR_ARRAY_LEN(list->algProperties))
            break;
        for (UINT32 i = 0; i < list->count; i++)
            note_algorithm(found, list->algProperties[i].alg);
        more = more && go_on(&next, (UINT32)list->algProperties[list->count - 1].alg + 1);
    }
    return KGR_OK;
}

static enum kgr_error read_commands(struct kgr_tpm *tpm, struct found *found, struct kgr_diag *diag)
{
    const TPML_CCA *list = &tpm->scratch.capability.data.command;
    UINT32 next = TPM2_CC_FIRST;
    bool more = true;

    while (more) {
        enum kgr_error err = get(tpm, &more, TPM2_CAP_COMMANDS, next, TPM2_MAX_CAP_CC, diag);

        if (err != KGR_OK)
            return err;
        if (list->count == 0 || list->count > KGR_ARRAY_LEN(list->commandAttributes))
            break;
        for (UINT32 i = 0; i < list->count; i++)
            note_command(found, list->commandAttributes[i] & TPMA_CC_COMMANDINDEX_MASK);
        more = more &&
               go_on(&next,
                     (list->commandAttributes[list->count - 1] & TPMA_CC_COMMANDINDEX_MASK) + 1);
    }
    return KGR_OK;
}

/*
 * Four characters of a vendor property, most significant first; what is not printable is
 * dropped.
 */
static void put_text(char *out, size_t cap, UINT32 value)
{
    size_t at = strlen(out);

    for (int shift = 24; shift >= 0; shift -= 8) {
        char c = (char)((value >> shift) & 0x7f);

        if (c > ' ' && c <= '~' && at + 1 < cap)
            out[at++] = c;
    }
    out[at] = '\0';
}

static void note_property(struct kgr_tpm_capability *c, TPM2_PT property, UINT32 value)
{
    switch (property) {
    case TPM2_PT_MANUFACTURER:
        put_text(c->manufacturer, sizeof(c->manufacturer), value);
        break;
    case TPM2_PT_VENDOR_STRING_1:
    case TPM2_PT_VENDOR_STRING_2:
    case TPM2_PT_VENDOR_STRING_3:
    case TPM2_PT_VENDOR_STRING_4:
        put_text(c->vendor, sizeof(c->vendor), value);
        break;
    case TPM2_PT_FIRMWARE_VERSION_1:
        c->firmware[0] = value;
        break;
    case TPM2_PT_FIRMWARE_VERSION_2:
        c->firmware[1] = value;
        break;
    case TPM2_PT_INPUT_BUFFER:
        c->max_buffer = (uint16_t)(value < TPM2_MAX_DIGEST_BUFFER ? value : TPM2_MAX_DIGEST_BUFFER);
        break;
    case TPM2_PT_HR_TRANSIENT_MIN:
        c->slots = (uint8_t)(value < UINT8_MAX ? value : UINT8_MAX);
        break;
    case TPM2_PT_PERMANENT:
        c->in_lockout = (value & TPMA_PERMANENT_INLOCKOUT) != 0;
        break;
    case TPM2_PT_HR_PERSISTENT_AVAIL:
        c->persistent_free = value;
        break;
    default:
        break;
    }
}

static enum kgr_error read_curves(struct kgr_tpm *tpm, struct found *found, struct kgr_diag *diag)
{
    const TPML_ECC_CURVE *list = &tpm->scratch.capability.data.eccCurves;
    UINT32 next = 1;
    bool more = true;

    while (more) {
        enum kgr_error err = get(tpm, &more, TPM2_CAP_ECC_CURVES, next, TPM2_MAX_ECC_CURVES, diag);

        if (err != KGR_OK)
            return err;
        if (list->count == 0 || list->count > KGR_ARRAY_LEN(list->eccCurves))
            break;
        for (UINT32 i = 0; i < list->count; i++)
            found->p384 = found->p384 || list->eccCurves[i] == TPM2_ECC_NIST_P384;
        more = more && go_on(&next, (UINT32)list->eccCurves[list->count - 1] + 1);
    }
    return KGR_OK;
}

/* The lists name algorithms without their key sizes; TPM2_TestParms is the way to ask for these. */
static void ask_aes_256(struct kgr_tpm *tpm, struct found *found)
{
    static const TPMT_PUBLIC_PARMS parms = {
        .type = TPM2_ALG_SYMCIPHER,
        .parameters.symDetail.sym = {.algorithm = TPM2_ALG_AES,
                                     .keyBits.aes = 256,
                                     .mode.aes = TPM2_ALG_CFB},
    };
    struct kgr_tpm_command cmd = {.name = "TPM2_TestParms", .code = TPM2_CC_TestParms};
    TSS2_RC rc;

    if (!found->cmd_test || !found->symcipher || !found->aes)
        return;
    do {
        rc = Tss2_Sys_TestParms_Prepare(tpm->sys, &parms);
    } while (kgr_tpm_again(tpm, &cmd, rc, NULL));
    found->aes_256 = cmd.err == KGR_OK;
}

static enum kgr_error read_properties(struct kgr_tpm *tpm, UINT32 first, UINT32 end,
                                      struct kgr_diag *diag)
{
    const TPML_TAGGED_TPM_PROPERTY *list = &tpm->scratch.capability.data.tpmProperties;
    UINT32 next = first;
    bool more = true;

    while (more && next < end) {
        enum kgr_error err =
            get(tpm, &more, TPM2_CAP_TPM_PROPERTIES, next, TPM2_MAX_TPM_PROPERTIES, diag);

        if (err != KGR_OK)
            return err;
        if (list->count == 0 || list->count > KGR_ARRAY_LEN(list->tpmProperty))
            break;
        for (UINT32 i = 0; i < list->count; i++)
            note_property(&tpm->capability, list->tpmProperty[i].property,
                          list->tpmProperty[i].value);
        more = more && go_on(&next, list->tpmProperty[list->count - 1].property + 1);
    }
    return KGR_OK;
}

static void note_lack(struct kgr_tpm_capability *c, bool has, const char *what)
{
    size_t len = strlen(c->lacks);

    if (!has) /* cut to fit */
        (void)snprintf(c->lacks + len, sizeof(c->lacks) - len, "%s%s", len == 0 ? "" : ", ", what);
}

static void note_lacks(struct kgr_tpm_capability *c, const struct found *found)
{
    note_lack(c, found->cmd_cipher, "EncryptDecrypt2");
    note_lack(c, found->symcipher && found->aes, "AES keys");
    note_lack(c, found->cbc, "CBC");
    note_lack(c, found->keyedhash && found->hmac && found->sha256, "HMAC-SHA-256 keys");
    note_lack(c, found->cmd_hmac, "HMAC");
    note_lack(c, c->can_hmac_sequence, "HMAC sequences");
    note_lack(c, found->cmd_import, "Import");
    note_lack(c, found->cmd_unseal, "Unseal");
    note_lack(c, found->cmd_duplicate && found->cmd_select, "Duplicate");
    note_lack(c, found->p384, "P-384");
    note_lack(c, found->sha384, "SHA-384");
    note_lack(c, found->aes_256, "AES-256");
}

static void judge(struct kgr_tpm_capability *c, const struct found *found)
{
    bool cipher = found->cmd_cipher && found->symcipher && found->aes;

    c->can_hmac_sequence = found->cmd_start && found->cmd_update && found->cmd_complete;
    if (cipher) {
        c->modes = (uint8_t)((unsigned int)found->ecb << (KGR_TPM_ECB - 1) |
                             (unsigned int)found->cbc << (KGR_TPM_CBC - 1) |
                             (unsigned int)found->ctr << (KGR_TPM_CTR - 1) |
                             (unsigned int)found->cfb << (KGR_TPM_CFB - 1) |
                             (unsigned int)found->ofb << (KGR_TPM_OFB - 1));
    }
    c->can_resident = cipher && found->cbc && found->keyedhash && found->hmac && found->sha256 &&
                      found->cmd_hmac && c->can_hmac_sequence && found->cmd_import;
    c->can_seal = found->keyedhash && found->sha256 && found->cmd_import && found->cmd_unseal;
    c->can_bear = found->symcipher && found->aes && found->keyedhash && found->hmac &&
                  found->sha256 && found->cmd_duplicate && found->cmd_select;
    c->suites = 1u << (KGR_SUITE_AES128_SHA256 - 1);
    if (found->p384 && found->sha384 && found->aes_256)
        c->suites |= 1u << (KGR_SUITE_AES256_SHA384 - 1);
    note_lacks(c, found);
}

enum kgr_error kgr_tpm_probe(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct found found = {.aes = false};
    enum kgr_error err;

    memset(&tpm->capability, 0, sizeof(tpm->capability));
    err = read_properties(tpm, TPM2_PT_FIXED, TPM2_PT_VAR, diag);
    if (err == KGR_OK)
        err = read_properties(tpm, TPM2_PT_VAR, TPM2_PT_VAR + TPM2_PT_GROUP, diag);
    if (err == KGR_OK)
        err = read_algorithms(tpm, &found, diag);
    if (err == KGR_OK)
        err = read_commands(tpm, &found, diag);
    if (err == KGR_OK)
        err = read_curves(tpm, &found, diag);
    if (err != KGR_OK)
        return err;
    ask_aes_256(tpm, &found);
    if (tpm->capability.slots < 3 || tpm->capability.max_buffer < 64)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "the TPM has %u transient slots and a buffer of %u bytes: too small",
                            tpm->capability.slots, tpm->capability.max_buffer);
    judge(&tpm->capability, &found);
    return KGR_OK;
}

enum kgr_error kgr_tpm_free_handle(struct kgr_tpm *tpm, TPM2_HANDLE *out, TPM2_HANDLE first,
                                   struct kgr_diag *diag)
{
    const TPML_HANDLE *list = &tpm->scratch.capability.data.handles;
    TPM2_HANDLE candidate = first;
    TPM2_HANDLE end = (first & TPM2_HR_RANGE_MASK) | 0x00ffffffu;
    bool more = true;

    /* The list is in ascending order: the first gap in it is free. */
    while (more) {
        enum kgr_error err =
            get(tpm, &more, TPM2_CAP_HANDLES, candidate, TPM2_MAX_CAP_HANDLES, diag);

        if (err != KGR_OK)
            return err;
        if (list->count > KGR_ARRAY_LEN(list->handle))
            return kgr_diag_set(diag, KGR_ERR_TPM, "the TPM lists impossibly many handles");
        if (list->count == 0)
            break;
        for (UINT32 i = 0; i < list->count && list->handle[i] == candidate; i++)
            candidate++;
        if (list->handle[list->count - 1] != candidate - 1)
            break;
    }
    if (candidate > end)
        return kgr_diag_set(diag, KGR_ERR_TPM, "no free handle in the TPM from 0x%x on", first);
    *out = candidate;
    return KGR_OK;
}

enum kgr_error kgr_tpm_ping(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    const TPML_TAGGED_TPM_PROPERTY *list = &tpm->scratch.capability.data.tpmProperties;
    bool more;
    enum kgr_error err = get(tpm, &more, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 1, diag);

    if (err == KGR_OK && list->count == 1 && list->tpmProperty[0].property == TPM2_PT_PERMANENT)
        atomic_store(&tpm->in_lockout,
                     (list->tpmProperty[0].value & TPMA_PERMANENT_INLOCKOUT) != 0);
    return err;
}

const struct kgr_tpm_capability *kgr_tpm_capability(const struct kgr_tpm *tpm)
{
    return &tpm->capability;
}

char *kgr_tpm_summary(const struct kgr_tpm *tpm, char out[KGR_TPM_SUMMARY_MAX])
{
    const struct kgr_tpm_capability *c = &tpm->capability;
    const unsigned int strong = 1u << (KGR_SUITE_AES256_SHA384 - 1);

    (void)snprintf(out, KGR_TPM_SUMMARY_MAX, "%s %s, firmware %x.%x, %s, %s, %u slots%s%s%s",
                   c->manufacturer, c->vendor, c->firmware[0], c->firmware[1],
                   c->can_resident ? "resident keys" : "no resident keys",
                   (c->suites & strong) != 0 ? "AES-256" : "no AES-256 with SHA-384", c->slots,
                   c->in_lockout ? ", in lockout" : "", c->lacks[0] != '\0' ? "; lacks " : "",
                   c->lacks);
    return out;
}
