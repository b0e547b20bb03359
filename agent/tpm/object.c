/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/object.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/create.h"
#include "agent/tpm/handles.h"
#include "agent/tpm/load.h"
#include "agent/tpm/public.h"
#include "agent/tpm/template.h"

/* TCG TPM v2.0 Provisioning Guidance, 7.8: where the SRK is expected. */
#define SRK_HANDLE UINT32_C(0x81000001)

typedef void template_fn(TPM2B_PUBLIC *out);

static bool is_transient(TPM2_HANDLE handle)
{
    return handle >> TPM2_HR_SHIFT == TPM2_HT_TRANSIENT;
}

void kgr_tpm_release(struct kgr_tpm *tpm, struct kgr_tpm_object *object)
{
    if (is_transient(object->handle))
        kgr_tpm_flush(tpm, object->handle);
    memset(object, 0, sizeof(*object));
}

enum kgr_error kgr_tpm_read_public(struct kgr_tpm *tpm, struct kgr_tpm_public *out, uint32_t handle,
                                   struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_ReadPublic", .code = TPM2_CC_ReadPublic};
    TPM2B_PUBLIC *pub = &tpm->scratch.object.out;
    struct kgr_diag own = {.text = ""};
    TSS2_RC rc;
    enum kgr_error err;

    do {
        rc = Tss2_Sys_ReadPublic_Prepare(tpm->sys, handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, &own));
    if (cmd.rc == TPM2_RC_HANDLE || cmd.rc == TPM2_RC_REFERENCE_H0)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "there is no key at 0x%x in the TPM", handle);
    if (cmd.err != KGR_OK)
        return kgr_diag_set(diag, cmd.err, "%s", own.text);
    memset(pub, 0, sizeof(*pub));
    err = kgr_tpm_completed(&cmd, Tss2_Sys_ReadPublic_Complete(tpm->sys, pub, NULL, NULL), diag);
    return err == KGR_OK ? kgr_tpm_public_marshal(out, pub) : err;
}

enum kgr_error kgr_tpm_persistent(struct kgr_tpm *tpm, struct kgr_tpm_object *out, uint32_t handle,
                                  const struct kgr_tpm_name *pinned,
                                  const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = handle, .auth = auth};
    struct kgr_tpm_public pub;
    enum kgr_error err = kgr_tpm_read_public(tpm, &pub, handle, diag);

    if (err == KGR_OK)
        err = kgr_tpm_public_name(&object.name, &pub);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the key at 0x%x is not ours", handle);
    if (!kgr_tpm_name_equal(&object.name, pinned))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key at 0x%x is not the one that was pinned",
                            handle);
    *out = object;
    return KGR_OK;
}

/* A primary key of a template, transient. */
static enum kgr_error create_primary(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                     struct kgr_tpm_public *out_pub,
                                     enum kgr_tpm_hierarchy hierarchy, template_fn *template,
                                     struct kgr_diag *diag)
{
    static const TPML_PCR_SELECTION no_pcrs = {.count = 0};
    static const TPM2B_DATA no_data = {.size = 0};
    struct kgr_tpm_object owner = kgr_tpm_hierarchy(tpm, hierarchy);
    struct kgr_tpm_object object = {.handle = 0};
    struct kgr_tpm_command cmd = {.name = "TPM2_CreatePrimary",
                                  .code = TPM2_CC_CreatePrimary,
                                  .handles = {&owner},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_PUBLIC *in = &tpm->scratch.object.in;
    TPM2B_PUBLIC *pub = &tpm->scratch.object.out;
    TPM2B_SENSITIVE_CREATE *sensitive = &tpm->scratch.object.sensitive;
    TSS2_RC rc;
    enum kgr_error err;

    do {
        memset(sensitive, 0, sizeof(*sensitive));
        template(in);
        rc = Tss2_Sys_CreatePrimary_Prepare(tpm->sys, owner.handle, sensitive, in, &no_data,
                                            &no_pcrs);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    memset(pub, 0, sizeof(*pub));
    rc = Tss2_Sys_CreatePrimary_Complete(tpm->sys, &object.handle, pub, NULL, NULL, NULL, NULL);
    err = kgr_tpm_completed(&cmd, rc, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_marshal(out_pub, pub);
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&object.name, out_pub);
    if (err != KGR_OK) {
        kgr_tpm_release(tpm, &object);
        return kgr_diag_set(diag, err, "the TPM returned no usable primary key");
    }
    *out = object;
    return KGR_OK;
}

static enum kgr_error evict_control(struct kgr_tpm *tpm, const struct kgr_tpm_object *object,
                                    TPM2_HANDLE handle, struct kgr_diag *diag)
{
    struct kgr_tpm_object owner = kgr_tpm_hierarchy(tpm, KGR_TPM_OWNER);
    struct kgr_tpm_command cmd = {.name = "TPM2_EvictControl",
                                  .code = TPM2_CC_EvictControl,
                                  .handles = {&owner, object},
                                  .num_handles = 2,
                                  .num_auths = 1};
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_EvictControl_Prepare(tpm->sys, owner.handle, object->handle, handle);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    return cmd.err;
}

enum kgr_error kgr_tpm_srk(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                           struct kgr_tpm_public *out_pub, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {.handle = SRK_HANDLE};
    struct kgr_tpm_public pub;
    enum kgr_error err = kgr_tpm_read_public(tpm, &pub, SRK_HANDLE, NULL);
    bool is_free = err == KGR_ERR_NO_KEY;

    if (err == KGR_OK && kgr_tpm_check_storage(&pub) == KGR_OK) {
        err = kgr_tpm_public_name(&srk.name, &pub);
        if (err != KGR_OK)
            return err;
    } else {
        if (err != KGR_OK && !is_free)
            return kgr_diag_set(diag, err, "cannot look for the storage root key at 0x%x",
                                SRK_HANDLE);
        kgr_tpm_slots_limit(tpm, 0);
        err = create_primary(tpm, &srk, &pub, KGR_TPM_OWNER, kgr_tpm_template_storage, diag);
        if (err != KGR_OK)
            return err;
        if (is_free && evict_control(tpm, &srk, SRK_HANDLE, NULL) == KGR_OK) {
            kgr_tpm_flush(tpm, srk.handle);
            srk.handle = SRK_HANDLE;
        }
    }
    *out = srk;
    *out_pub = pub;
    return KGR_OK;
}

enum kgr_error kgr_tpm_ek(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                          struct kgr_tpm_public *out_pub, struct kgr_diag *diag)
{
    kgr_tpm_slots_limit(tpm, 0);
    return create_primary(tpm, out, out_pub, KGR_TPM_ENDORSEMENT, kgr_tpm_template_ek, diag);
}

enum kgr_error kgr_tpm_create(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                              const struct kgr_tpm_object *parent,
                              const struct kgr_tpm_create *create, struct kgr_diag *diag)
{
    static const TPML_PCR_SELECTION no_pcrs = {.count = 0};
    static const TPM2B_DATA no_data = {.size = 0};
    bool secret = create->auth != NULL || create->data.len != 0;
    struct kgr_tpm_command cmd = {.name = "TPM2_Create",
                                  .code = TPM2_CC_Create,
                                  .handles = {parent},
                                  .num_handles = 1,
                                  .num_auths = 1,
                                  .flags = secret ? KGR_TPM_SECRET_IN : 0};
    TPM2B_PUBLIC *pub = &tpm->scratch.object.out;
    TPM2B_PRIVATE *priv = &tpm->scratch.object.priv;
    TPM2B_SENSITIVE_CREATE *sensitive = &tpm->scratch.object.sensitive;
    TSS2_RC rc;
    enum kgr_error err;

    if (create->data.len > sizeof(sensitive->sensitive.data.buffer))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "too much to seal");
    do {
        memset(sensitive, 0, sizeof(*sensitive));
        if (create->auth != NULL) {
            sensitive->sensitive.userAuth.size = create->auth->len;
            memcpy(sensitive->sensitive.userAuth.buffer, create->auth->bytes, create->auth->len);
        }
        sensitive->sensitive.data.size = (UINT16)create->data.len;
        kgr_copy(sensitive->sensitive.data.buffer, create->data.p, create->data.len);
        tpm->scratch.object.in = *create->template;
        rc = Tss2_Sys_Create_Prepare(tpm->sys, parent->handle, sensitive, &tpm->scratch.object.in,
                                     &no_data, &no_pcrs);
        kgr_cleanse(sensitive, sizeof(*sensitive));
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    memset(pub, 0, sizeof(*pub));
    memset(priv, 0, sizeof(*priv));
    rc = Tss2_Sys_Create_Complete(tpm->sys, priv, pub, NULL, NULL, NULL);
    err = kgr_tpm_completed(&cmd, rc, diag);
    if (err != KGR_OK)
        return err;
    if (priv->size > sizeof(out->priv.bytes))
        return kgr_diag_set(diag, KGR_ERR_TPM, "the TPM returned a private area of %u bytes",
                            priv->size);
    err = kgr_tpm_public_marshal(&out->pub, pub);
    if (err != KGR_OK)
        return err;
    out->priv.len = priv->size;
    memcpy(out->priv.bytes, priv->buffer, priv->size);
    return KGR_OK;
}

static enum kgr_error make(struct kgr_tpm *tpm, struct kgr_tpm_blob *out, uint32_t *out_handle,
                           const struct kgr_tpm_object *parent, uint32_t first_handle,
                           const struct kgr_tpm_auth *auth, template_fn *template,
                           struct kgr_diag *diag)
{
    TPM2B_PUBLIC pub;
    struct kgr_tpm_create create = {.template = &pub, .auth = auth};
    enum kgr_error err;

    template(&pub);
    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_create(tpm, out, parent, &create, diag);
    if (tpm->first_handle != 0)
        first_handle = tpm->first_handle;
    if (err == KGR_OK)
        err = kgr_tpm_free_handle(tpm, out_handle, first_handle, diag);
    if (err == KGR_OK && tpm->last_handle != 0 && *out_handle > tpm->last_handle)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "no handle is free from 0x%x to 0x%x: extend tpm.handles or evict keys",
                            tpm->first_handle, tpm->last_handle);
    return err;
}

static enum kgr_error place(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                            const struct kgr_tpm_blob *blob, const struct kgr_tpm_object *parent,
                            uint32_t handle, const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object loaded = {.handle = 0};
    TPM2_HANDLE free_handle = 0;
    enum kgr_error err;

    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_free_handle(tpm, &free_handle, handle, diag);
    if (err == KGR_OK && free_handle != handle)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "another key stands at 0x%x by now", handle);
    if (err == KGR_OK)
        err = kgr_tpm_load(tpm, &loaded, parent, blob, auth, diag);
    if (err == KGR_OK)
        err = evict_control(tpm, &loaded, handle, diag);
    if (err == KGR_OK) {
        *out = loaded;
        out->handle = handle;
    }
    kgr_tpm_release(tpm, &loaded);
    return err;
}

/* A random child of parent, made persistent; its private blob dies in this frame's heap. */
static enum kgr_error create_persistent(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                        struct kgr_tpm_public *out_pub,
                                        const struct kgr_tpm_object *parent, uint32_t first_handle,
                                        const struct kgr_tpm_auth *auth, template_fn *template,
                                        struct kgr_diag *diag)
{
    struct kgr_tpm_blob blob;
    uint32_t handle = 0;
    enum kgr_error err = make(tpm, &blob, &handle, parent, first_handle, auth, template, diag);

    if (err == KGR_OK)
        err = place(tpm, out, &blob, parent, handle, auth, diag);
    if (err == KGR_OK)
        *out_pub = blob.pub;
    kgr_cleanse(&blob, sizeof(blob));
    return err;
}

/*
 * A storage key that is fixed has the algorithms of its parent: below the SRK it would be as narrow as that. Made from a
 * template, so that it is the same every time; takes a slot.
 */
static enum kgr_error wide_parent(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;

    kgr_tpm_slots_limit(tpm, 0);
    return create_primary(tpm, out, &pub, KGR_TPM_OWNER, kgr_tpm_template_wide_storage, diag);
}

enum kgr_error kgr_tpm_create_storage(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                      struct kgr_tpm_public *out_pub,
                                      const struct kgr_tpm_object *parent, uint32_t first_handle,
                                      enum kgr_suite best, const struct kgr_tpm_auth *auth,
                                      struct kgr_diag *diag)
{
    struct kgr_tpm_object wide = {.handle = 0};
    enum kgr_error err;

    if (best != KGR_SUITE_AES256_SHA384)
        return create_persistent(tpm, out, out_pub, parent, first_handle, auth,
                                 kgr_tpm_template_storage, diag);
    err = wide_parent(tpm, &wide, diag);
    if (err == KGR_OK)
        err = create_persistent(tpm, out, out_pub, &wide, first_handle, auth,
                                kgr_tpm_template_wide_storage, diag);
    kgr_tpm_release(tpm, &wide);
    return err;
}

enum kgr_error kgr_tpm_make_storage(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                    uint32_t *out_handle, const struct kgr_tpm_object *parent,
                                    uint32_t first_handle, enum kgr_suite best,
                                    const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object wide = {.handle = 0};
    enum kgr_error err;

    if (best != KGR_SUITE_AES256_SHA384)
        return make(tpm, out, out_handle, parent, first_handle, auth, kgr_tpm_template_storage,
                    diag);
    err = wide_parent(tpm, &wide, diag);
    if (err == KGR_OK)
        err = make(tpm, out, out_handle, &wide, first_handle, auth, kgr_tpm_template_wide_storage,
                   diag);
    kgr_tpm_release(tpm, &wide);
    return err;
}

enum kgr_error kgr_tpm_place(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                             const struct kgr_tpm_blob *blob, const struct kgr_tpm_object *parent,
                             uint32_t handle, const struct kgr_tpm_auth *auth,
                             struct kgr_diag *diag)
{
    const uint8_t both = 3;
    struct kgr_tpm_object wide = {.handle = 0};
    enum kgr_error err;

    if (kgr_tpm_storage_suites(&blob->pub) != both)
        return place(tpm, out, blob, parent, handle, auth, diag);
    err = wide_parent(tpm, &wide, diag);
    if (err == KGR_OK)
        err = place(tpm, out, blob, &wide, handle, auth, diag);
    kgr_tpm_release(tpm, &wide);
    return err;
}

enum kgr_error kgr_tpm_create_signing(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                      struct kgr_tpm_public *out_pub,
                                      const struct kgr_tpm_object *parent, uint32_t first_handle,
                                      const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    return create_persistent(tpm, out, out_pub, parent, first_handle, auth,
                             kgr_tpm_template_signing, diag);
}

enum kgr_error kgr_tpm_evict(struct kgr_tpm *tpm, uint32_t handle, struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = handle};
    struct kgr_tpm_public pub;
    enum kgr_error err = kgr_tpm_read_public(tpm, &pub, handle, NULL);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&object.name, &pub);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "cannot read the key at 0x%x", handle);
    return evict_control(tpm, &object, handle, diag);
}

enum kgr_error kgr_tpm_evict_named(struct kgr_tpm *tpm, uint32_t handle,
                                   const struct kgr_tpm_name *name, struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = handle};
    struct kgr_tpm_public pub;
    enum kgr_error err = kgr_tpm_read_public(tpm, &pub, handle, NULL);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "cannot read the key at 0x%x", handle);
    if (kgr_tpm_public_name(&object.name, &pub) != KGR_OK ||
        !kgr_tpm_name_equal(&object.name, name))
        return KGR_OK;
    return evict_control(tpm, &object, handle, diag);
}
