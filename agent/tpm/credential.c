/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/credential.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/policy.h"
#include "agent/tpm/template.h"

static enum kgr_error make_for(struct kgr_tpm *tpm, struct kgr_tpm_credential *out,
                               const struct kgr_tpm_object *ek, const struct kgr_tpm_name *name,
                               struct kgr_slice secret, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_MakeCredential",
                                  .code = TPM2_CC_MakeCredential,
                                  .handles = {ek},
                                  .num_handles = 1,
                                  .flags = KGR_TPM_SECRET_IN};
    TPM2B_ID_OBJECT *id = &tpm->scratch.credential.id;
    TPM2B_ENCRYPTED_SECRET *encrypted = &tpm->scratch.credential.secret;
    TPM2B_DIGEST *credential = kgr_secret_alloc(sizeof(*credential));
    TPM2B_NAME object = {.size = name->len};
    TSS2_RC rc;
    enum kgr_error err;

    if (credential == NULL)
        return KGR_ERR_NO_MEMORY;
    credential->size = (UINT16)secret.len;
    memcpy(credential->buffer, secret.p, secret.len);
    memcpy(object.name, name->bytes, name->len);
    do {
        rc = Tss2_Sys_MakeCredential_Prepare(tpm->sys, ek->handle, credential, &object);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    kgr_secret_free(credential);
    if (cmd.err != KGR_OK)
        return cmd.err;
    id->size = 0;
    encrypted->size = 0;
    rc = Tss2_Sys_MakeCredential_Complete(tpm->sys, id, encrypted);
    err = kgr_tpm_completed(&cmd, rc, diag);
    if (err != KGR_OK)
        return err;
    if (id->size > sizeof(out->bytes) || encrypted->size > sizeof(out->secret))
        return kgr_diag_set(diag, KGR_ERR_TPM, "the TPM returned a credential of %u bytes",
                            id->size);
    out->len = id->size;
    out->secret_len = encrypted->size;
    memcpy(out->bytes, id->credential, id->size);
    memcpy(out->secret, encrypted->secret, encrypted->size);
    return KGR_OK;
}

enum kgr_error kgr_tpm_make_credential(struct kgr_tpm *tpm, struct kgr_tpm_credential *out,
                                       const struct kgr_tpm_public *ek,
                                       const struct kgr_tpm_name *name, struct kgr_slice secret,
                                       struct kgr_diag *diag)
{
    struct kgr_tpm_object key = {.handle = 0};
    enum kgr_error err = kgr_tpm_check_ek(ek);

    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "that is no endorsement key of the template");
    if (secret.len == 0 || secret.len > KGR_TPM_HASH_LEN || name->len > sizeof(name->bytes))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a credential holds 1 to 32 bytes");
    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_load_external(tpm, &key, ek, diag);
    if (err == KGR_OK)
        err = make_for(tpm, out, &key, name, secret, diag);
    kgr_tpm_release(tpm, &key);
    return err;
}

static bool is_about_the_credential(TPM2_RC rc)
{
    switch (rc) {
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_ECC_POINT:
    case TPM2_RC_SIZE:
    case TPM2_RC_VALUE:
    case TPM2_RC_INSUFFICIENT:
        return true;
    default:
        return false;
    }
}

static enum kgr_error activate(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                               const struct kgr_tpm_object *object, const struct kgr_tpm_object *ek,
                               TPM2_HANDLE session, const struct kgr_tpm_credential *credential,
                               struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_ActivateCredential",
                                  .code = TPM2_CC_ActivateCredential,
                                  .handles = {object, ek},
                                  .num_handles = 2,
                                  .num_auths = 2,
                                  .policy = session,
                                  .flags = KGR_TPM_SECRET_OUT};
    TPM2B_ID_OBJECT *id = &tpm->scratch.credential.id;
    TPM2B_ENCRYPTED_SECRET *encrypted = &tpm->scratch.credential.secret;
    TPM2B_DIGEST *secret = kgr_secret_alloc(sizeof(*secret));
    struct kgr_diag own = {.text = ""};
    TSS2_RC rc;
    enum kgr_error err;

    if (secret == NULL)
        return KGR_ERR_NO_MEMORY;
    do {
        id->size = credential->len;
        memcpy(id->credential, credential->bytes, credential->len);
        encrypted->size = credential->secret_len;
        memcpy(encrypted->secret, credential->secret, credential->secret_len);
        rc = Tss2_Sys_ActivateCredential_Prepare(tpm->sys, object->handle, ek->handle, id,
                                                 encrypted);
    } while (kgr_tpm_again(tpm, &cmd, rc, &own));
    err = cmd.err;
    if (err != KGR_OK) {
        err = is_about_the_credential(cmd.rc) ? KGR_ERR_CORRUPT : err;
        err = kgr_diag_set(diag, err, "%s", own.text);
    } else {
        err = kgr_tpm_completed(&cmd, Tss2_Sys_ActivateCredential_Complete(tpm->sys, secret), diag);
        kgr_tpm_scrub(tpm);
    }
    if (err == KGR_OK && secret->size != out_len)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the credential holds %u bytes, not %zu",
                           secret->size, out_len);
    if (err == KGR_OK)
        memcpy(out, secret->buffer, out_len);
    kgr_secret_free(secret);
    return err;
}

enum kgr_error kgr_tpm_activate_credential(struct kgr_tpm *tpm, uint8_t *out, size_t out_len,
                                           const struct kgr_tpm_object *object,
                                           const struct kgr_tpm_credential *credential,
                                           struct kgr_diag *diag)
{
    struct kgr_tpm_object endorsement = kgr_tpm_hierarchy(tpm, KGR_TPM_ENDORSEMENT);
    struct kgr_tpm_object ek = {.handle = 0};
    struct kgr_tpm_public ek_pub;
    TPM2_HANDLE session = 0;
    enum kgr_error err;

    if (credential->len > sizeof(credential->bytes) ||
        credential->secret_len > sizeof(credential->secret))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the credential is too long");
    err = kgr_tpm_ek(tpm, &ek, &ek_pub, diag);
    if (err == KGR_OK)
        err = kgr_tpm_policy_begin(tpm, &session, diag);
    if (err == KGR_OK)
        err = kgr_tpm_assert_secret(tpm, session, &endorsement, diag);
    if (err == KGR_OK)
        err = activate(tpm, out, out_len, object, &ek, session, credential, diag);
    if (session != 0)
        kgr_tpm_flush(tpm, session);
    kgr_tpm_release(tpm, &ek);
    return err;
}
