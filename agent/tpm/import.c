/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/import.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/inner.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"
#include "agent/tpm/reauth.h"

/* A damaged or foreign duplicate shows itself in many ways; to the caller it is one. */
static bool is_about_the_duplicate(TPM2_RC rc)
{
    switch (rc) {
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_BINDING:
    case TPM2_RC_ECC_POINT:
    case TPM2_RC_SIZE:
    case TPM2_RC_VALUE:
    case TPM2_RC_INSUFFICIENT:
    case TPM2_RC_KEY_SIZE:
    case TPM2_RC_TYPE:
        return true;
    default:
        return false;
    }
}

static enum kgr_error import_duplicate(struct kgr_tpm *tpm, struct kgr_tpm_private *out,
                                       const struct kgr_tpm_import *import, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_Import",
                                  .code = TPM2_CC_Import,
                                  .handles = {import->parent},
                                  .num_handles = 1,
                                  .num_auths = 1,
                                  .flags = import->inner.len == 0 ? 0 : KGR_TPM_SECRET_IN};
    const struct kgr_tpm_duplicate *dup = import->duplicate;
    TPM2B_PUBLIC *pub = &tpm->scratch.object.in;
    TPM2B_PRIVATE *priv = &tpm->scratch.object.priv;
    TPM2B_ENCRYPTED_SECRET *seed = &tpm->scratch.object.seed;
    TPM2B_DATA *inner = kgr_secret_alloc(sizeof(*inner));
    struct kgr_diag own = {.text = ""};
    TPMT_SYM_DEF_OBJECT sym;
    TSS2_RC rc;
    enum kgr_error err;

    if (inner == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_tpm_inner_wrapper(inner, &sym, import->inner);
    do {
        err = kgr_tpm_public_parse(pub, import->pub);
        if (err != KGR_OK)
            goto out;
        pub->size = 0;
        priv->size = dup->len;
        memcpy(priv->buffer, dup->bytes, dup->len);
        seed->size = dup->seed_len;
        memcpy(seed->secret, dup->seed, dup->seed_len);
        rc =
            Tss2_Sys_Import_Prepare(tpm->sys, import->parent->handle, inner, pub, priv, seed, &sym);
    } while (kgr_tpm_again(tpm, &cmd, rc, &own));
    err = cmd.err;
    if (err != KGR_OK) {
        err = is_about_the_duplicate(cmd.rc) ? KGR_ERR_CORRUPT : err;
        err = kgr_diag_set(diag, err, "%s", own.text);
        goto out;
    }
    priv->size = 0;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_Import_Complete(tpm->sys, priv), diag);
    if (err == KGR_OK && priv->size > sizeof(out->bytes))
        err = kgr_diag_set(diag, KGR_ERR_TPM, "the TPM returned a private area of %u bytes",
                           priv->size);
    if (err == KGR_OK) {
        out->len = priv->size;
        memcpy(out->bytes, priv->buffer, priv->size);
    }
out:
    kgr_secret_free(inner);
    return err;
}

enum kgr_error kgr_tpm_import(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                              const struct kgr_tpm_import *import, struct kgr_diag *diag)
{
    struct kgr_tpm_object key = {.handle = 0};
    struct kgr_tpm_private last;
    struct kgr_tpm_blob *blob;
    enum kgr_error err = kgr_tpm_check_form(import->pub, import->suite, import->kind, import->form);

    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the key offered is not of the kind agreed on");
    if (import->duplicate->len > sizeof(import->duplicate->bytes) ||
        import->duplicate->seed_len > sizeof(import->duplicate->seed))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the duplicate is too long");
    blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return KGR_ERR_NO_MEMORY;
    blob->pub = *import->pub;
    kgr_tpm_slots_limit(tpm, 0);
    err = import_duplicate(tpm, &blob->priv, import, diag);
    if (err == KGR_OK)
        err = kgr_tpm_load(tpm, &key, import->parent, blob, NULL, diag);
    if (err == KGR_OK)
        err = kgr_tpm_change_auth(tpm, &last, &key, import->parent, import->auth, diag);
    kgr_tpm_release(tpm, &key);
    if (err == KGR_OK) {
        out->pub = blob->pub;
        out->priv = last;
    }
    kgr_cleanse(blob, sizeof(*blob)); /* good with the empty authorisation value: never kept */
    free(blob);
    return err;
}
