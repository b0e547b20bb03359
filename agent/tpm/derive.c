/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/derive.h"

#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/create.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"
#include "agent/tpm/slots.h"

static void template(TPM2B_PUBLIC *out)
{
    TPMT_KEYEDHASH_SCHEME *scheme = &out->publicArea.parameters.keyedHashDetail.scheme;

    memset(out, 0, sizeof(*out));
    out->publicArea.type = TPM2_ALG_KEYEDHASH;
    out->publicArea.nameAlg = TPM2_ALG_SHA256;
    out->publicArea.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                       TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
    scheme->scheme = TPM2_ALG_HMAC;
    scheme->details.hmac.hashAlg = TPM2_ALG_SHA256;
}

/* The blob that TPM2_Load takes: template and unique make the public area. */
static enum kgr_error blob_of(struct kgr_tpm_blob *out, const struct kgr_tpm_derive_key *key)
{
    TPM2B_PUBLIC pub;

    template(&pub);
    pub.publicArea.unique.keyedHash.size = KGR_TPM_HASH_LEN;
    memcpy(pub.publicArea.unique.keyedHash.buffer, key->unique, KGR_TPM_HASH_LEN);
    out->priv = key->priv;
    return kgr_tpm_public_marshal(&out->pub, &pub);
}

enum kgr_error kgr_tpm_derive_key_create(struct kgr_tpm *tpm, struct kgr_tpm_derive_key *out,
                                         const struct kgr_tpm_object *parent, struct kgr_diag *diag)
{
    TPM2B_PUBLIC pub;
    struct kgr_tpm_create create = {.template = &pub};
    struct kgr_tpm_blob blob;
    enum kgr_error err;

    template(&pub);
    kgr_tpm_slots_limit(tpm, 0);
    err = kgr_tpm_create(tpm, &blob, parent, &create, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_parse(&pub, &blob.pub);
    if (err != KGR_OK)
        return err;
    if (pub.publicArea.unique.keyedHash.size != KGR_TPM_HASH_LEN)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the TPM made another key than was asked for");
    memcpy(out->unique, pub.publicArea.unique.keyedHash.buffer, KGR_TPM_HASH_LEN);
    out->priv = blob.priv;
    return KGR_OK;
}

static enum kgr_error hmac(struct kgr_tpm *tpm, uint8_t out[KGR_TPM_HASH_LEN],
                           const struct kgr_tpm_object *key, struct kgr_slice label,
                           struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_HMAC",
                                  .code = TPM2_CC_HMAC,
                                  .handles = {key},
                                  .num_handles = 1,
                                  .num_auths = 1,
                                  .flags = KGR_TPM_SECRET_OUT};
    TPM2B_MAX_BUFFER *in = &tpm->scratch.buffer.in;
    TPM2B_DIGEST *digest = kgr_secret_alloc(sizeof(*digest));
    TSS2_RC rc;
    enum kgr_error err;

    if (digest == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded arena is full");
    do {
        in->size = (UINT16)label.len;
        kgr_copy(in->buffer, label.p, label.len);
        rc = Tss2_Sys_HMAC_Prepare(tpm->sys, key->handle, in, TPM2_ALG_NULL);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    err = cmd.err;
    if (err == KGR_OK) {
        err = kgr_tpm_completed(&cmd, Tss2_Sys_HMAC_Complete(tpm->sys, digest), diag);
        kgr_tpm_scrub(tpm);
    }
    if (err == KGR_OK && digest->size != KGR_TPM_HASH_LEN)
        err = kgr_diag_set(diag, KGR_ERR_TPM, "the TPM's HMAC has a wrong length");
    if (err == KGR_OK)
        memcpy(out, digest->buffer, KGR_TPM_HASH_LEN);
    kgr_secret_free(digest);
    return err;
}

enum kgr_error kgr_tpm_derive(struct kgr_tpm *tpm, uint8_t out[KGR_TPM_HASH_LEN],
                              const struct kgr_tpm_object *parent,
                              const struct kgr_tpm_derive_key *key, struct kgr_slice label,
                              struct kgr_diag *diag)
{
    struct kgr_tpm_object object = {.handle = 0};
    struct kgr_tpm_blob blob;
    enum kgr_error err;

    if (label.len > tpm->capability.max_buffer)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "the label is too long");
    if (key->priv.len > sizeof(key->priv.bytes))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the private part of a key is damaged");
    err = blob_of(&blob, key);
    kgr_tpm_slots_limit(tpm, 0);
    if (err == KGR_OK)
        err = kgr_tpm_load(tpm, &object, parent, &blob, NULL, diag);
    if (err == KGR_OK)
        err = hmac(tpm, out, &object, label, diag);
    kgr_tpm_release(tpm, &object);
    return err;
}
