/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/sealed.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/create.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"

static enum kgr_error seal_as(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                              const struct kgr_tpm_object *parent, const TPM2B_PUBLIC *pub,
                              const struct kgr_tpm_auth *auth, struct kgr_slice data,
                              struct kgr_diag *diag)
{
    struct kgr_tpm_create create = {.template = pub, .auth = auth, .data = data};
    struct kgr_tpm_blob blob;
    enum kgr_error err;

    if (data.len == 0 || data.len > KGR_TPM_SEAL_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "1 to %d bytes can be sealed", KGR_TPM_SEAL_MAX);
    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_create(tpm, &blob, parent, &create, diag);
    if (err == KGR_OK)
        *out = blob;
    return err;
}

enum kgr_error kgr_tpm_seal(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                            const struct kgr_tpm_object *parent, const struct kgr_tpm_auth *auth,
                            struct kgr_slice data, struct kgr_diag *diag)
{
    TPM2B_PUBLIC pub;

    kgr_tpm_template_data(&pub);
    return seal_as(tpm, out, parent, &pub, auth, data, diag);
}

enum kgr_error kgr_tpm_seal_guarded(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                    const struct kgr_tpm_object *parent,
                                    const struct kgr_tpm_auth *auth, struct kgr_slice data,
                                    struct kgr_diag *diag)
{
    TPM2B_PUBLIC pub;

    kgr_tpm_template_guarded(&pub);
    return seal_as(tpm, out, parent, &pub, auth, data, diag);
}

static enum kgr_error unseal_loaded(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                    const struct kgr_tpm_object *object, unsigned int flags,
                                    struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_Unseal",
                                  .code = TPM2_CC_Unseal,
                                  .handles = {object},
                                  .num_handles = 1,
                                  .num_auths = 1,
                                  .flags = KGR_TPM_SECRET_OUT | flags};
    struct kgr_diag own = {{0}};
    TPM2B_SENSITIVE_DATA *data = kgr_secret_alloc(sizeof(*data));
    TSS2_RC rc;
    enum kgr_error err;

    if (data == NULL)
        return KGR_ERR_NO_MEMORY;
    do {
        rc = Tss2_Sys_Unseal_Prepare(tpm->sys, object->handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, &own));
    err = cmd.err;
    if (err != KGR_OK && (flags & KGR_TPM_ONCE) != 0 &&
        (cmd.rc == TPM2_RC_AUTH_FAIL || cmd.rc == TPM2_RC_BAD_AUTH))
        err = KGR_ERR_NOT_AUTHORIZED;
    if (err != KGR_OK)
        (void)kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    if (err == KGR_OK) {
        err = kgr_tpm_completed(&cmd, Tss2_Sys_Unseal_Complete(tpm->sys, data), diag);
        kgr_tpm_scrub(tpm);
    }
    if (err == KGR_OK && data->size != out_len)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the sealed data has another length");
    if (err == KGR_OK)
        memcpy(out, data->buffer, out_len);
    kgr_secret_free(data);
    return err;
}

static enum kgr_error unseal_as(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                const struct kgr_tpm_object *parent,
                                const struct kgr_tpm_auth *auth, const struct kgr_tpm_blob *blob,
                                unsigned int flags, struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = 0};
    enum kgr_error err;

    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_load(tpm, &object, parent, blob, auth, diag);
    if (err == KGR_OK)
        err = unseal_loaded(tpm, out, out_len, &object, flags, diag);
    kgr_tpm_release(tpm, &object);
    return err;
}

enum kgr_error kgr_tpm_unseal(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                              const struct kgr_tpm_object *parent, const struct kgr_tpm_auth *auth,
                              const struct kgr_tpm_blob *blob, struct kgr_diag *diag)
{
    return unseal_as(tpm, out, out_len, parent, auth, blob, 0, diag);
}

enum kgr_error kgr_tpm_unseal_once(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                   const struct kgr_tpm_object *parent,
                                   const struct kgr_tpm_auth *auth, const struct kgr_tpm_blob *blob,
                                   struct kgr_diag *diag)
{
    if (kgr_tpm_check_guarded(&blob->pub) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "not an object that a PIN opens");
    return unseal_as(tpm, out, out_len, parent, auth, blob, KGR_TPM_ONCE, diag);
}
