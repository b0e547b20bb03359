/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/reauth.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"

enum kgr_error kgr_tpm_change_auth(struct kgr_tpm *tpm, struct kgr_tpm_private *out,
                                   const struct kgr_tpm_object *object,
                                   const struct kgr_tpm_object *parent,
                                   const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_ObjectChangeAuth",
                                  .code = TPM2_CC_ObjectChangeAuth,
                                  .handles = {object, parent},
                                  .num_handles = 2,
                                  .num_auths = 1,
                                  .flags = KGR_TPM_SECRET_IN};
    TPM2B_PRIVATE *priv = &tpm->scratch.object.priv;
    TPM2B_AUTH *value = kgr_secret_alloc(sizeof(*value));
    TSS2_RC rc;
    enum kgr_error err;

    if (value == NULL)
        return KGR_ERR_NO_MEMORY;
    value->size = auth->len;
    memcpy(value->buffer, auth->bytes, auth->len);
    do {
        rc = Tss2_Sys_ObjectChangeAuth_Prepare(tpm->sys, object->handle, parent->handle, value);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    kgr_secret_free(value);
    if (cmd.err != KGR_OK)
        return cmd.err;
    priv->size = 0;
    err = kgr_tpm_completed(&cmd, Tss2_Sys_ObjectChangeAuth_Complete(tpm->sys, priv), diag);
    if (err != KGR_OK)
        return err;
    if (priv->size > sizeof(out->bytes))
        return kgr_diag_set(diag, KGR_ERR_TPM, "the TPM returned a private area of %u bytes",
                            priv->size);
    out->len = priv->size;
    memcpy(out->bytes, priv->buffer, priv->size);
    return KGR_OK;
}
