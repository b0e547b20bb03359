/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/load.h"

#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_mu.h>

#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"

/* The Name is ours to compute; the TPM's word for it must agree. */
static enum kgr_error loaded(struct kgr_tpm *tpm, struct kgr_tpm_object *out, TPM2_HANDLE handle,
                             const TPM2B_NAME *said, const struct kgr_tpm_public *pub,
                             const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = handle, .auth = auth};
    enum kgr_error err = kgr_tpm_public_name(&object.name, pub);

    if (err == KGR_OK && !kgr_slice_equal(kgr_slice(said->name, said->size),
                                          kgr_slice(object.name.bytes, object.name.len)))
        err = KGR_ERR_CORRUPT;
    if (err != KGR_OK) {
        kgr_tpm_flush(tpm, handle);
        return kgr_diag_set(diag, err, "the TPM loaded another object than was asked for");
    }
    *out = object;
    return KGR_OK;
}

enum kgr_error kgr_tpm_load(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                            const struct kgr_tpm_object *parent, const struct kgr_tpm_blob *blob,
                            const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_Load",
                                  .code = TPM2_CC_Load,
                                  .handles = {parent},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_PUBLIC *pub = &tpm->scratch.object.in;
    TPM2B_PRIVATE *priv = &tpm->scratch.object.priv;
    TPM2B_NAME name = {.size = 0};
    TPM2_HANDLE handle = 0;
    TSS2_RC rc;
    enum kgr_error err;

    if (blob->priv.len > sizeof(blob->priv.bytes))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the private part of a key is damaged");
    do {
        /* In the loop, because what mends a failure may use the scratch space. */
        err = kgr_tpm_public_parse(pub, &blob->pub);
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "the public part of a key is damaged");
        pub->size = 0;
        priv->size = blob->priv.len;
        memcpy(priv->buffer, blob->priv.bytes, blob->priv.len);
        rc = Tss2_Sys_Load_Prepare(tpm->sys, parent->handle, priv, pub);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_Load_Complete(tpm->sys, &handle, &name), diag);
    if (err != KGR_OK)
        return err;
    return loaded(tpm, out, handle, &name, &blob->pub, auth, diag);
}

enum kgr_error kgr_tpm_load_external(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                     const struct kgr_tpm_public *pub, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_LoadExternal", .code = TPM2_CC_LoadExternal};
    TPM2B_PUBLIC *in = &tpm->scratch.object.in;
    TPM2B_NAME name = {.size = 0};
    TPM2_HANDLE handle = 0;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        err = kgr_tpm_public_parse(in, pub);
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "a public area is damaged");
        in->size = 0;
        rc = Tss2_Sys_LoadExternal_Prepare(tpm->sys, NULL, in, TPM2_RH_NULL);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_LoadExternal_Complete(tpm->sys, &handle, &name), diag);
    if (err != KGR_OK)
        return err;
    return loaded(tpm, out, handle, &name, pub, NULL, diag);
}

enum kgr_error kgr_tpm_context_save(struct kgr_tpm *tpm, struct kgr_tpm_context *out,
                                    TPM2_HANDLE handle, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {
        .name = "TPM2_ContextSave", .code = TPM2_CC_ContextSave, .flags = KGR_TPM_RAW};
    TPMS_CONTEXT *context = &tpm->scratch.context;
    uint8_t *bytes;
    size_t len = 0;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        rc = Tss2_Sys_ContextSave_Prepare(tpm->sys, handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    memset(context, 0, sizeof(*context));
    err = kgr_tpm_completed(&cmd, Tss2_Sys_ContextSave_Complete(tpm->sys, context), diag);
    if (err != KGR_OK)
        return err;
    bytes = malloc(sizeof(*context));
    if (bytes == NULL)
        return KGR_ERR_NO_MEMORY;
    if (Tss2_MU_TPMS_CONTEXT_Marshal(context, bytes, sizeof(*context), &len) != TSS2_RC_SUCCESS) {
        free(bytes);
        return KGR_ERR_FAILED;
    }
    out->bytes = bytes;
    out->len = len;
    bytes = realloc(out->bytes, len);
    if (bytes != NULL)
        out->bytes = bytes;
    return KGR_OK;
}

enum kgr_error kgr_tpm_context_load(struct kgr_tpm *tpm, TPM2_HANDLE *out,
                                    const struct kgr_tpm_context *context, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_ContextLoad", .code = TPM2_CC_ContextLoad};
    TPMS_CONTEXT *parsed = &tpm->scratch.context;
    TPM2_HANDLE handle = 0;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        size_t offset = 0;

        memset(parsed, 0, sizeof(*parsed));
        if (Tss2_MU_TPMS_CONTEXT_Unmarshal(context->bytes, context->len, &offset, parsed) !=
            TSS2_RC_SUCCESS)
            return KGR_ERR_FAILED;
        rc = Tss2_Sys_ContextLoad_Prepare(tpm->sys, parsed);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_ContextLoad_Complete(tpm->sys, &handle), diag);
    if (err == KGR_OK)
        *out = handle;
    return err;
}

void kgr_tpm_context_clear(struct kgr_tpm_context *context)
{
    free(context->bytes);
    context->bytes = NULL;
    context->len = 0;
}
