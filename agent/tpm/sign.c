/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/sign.h"

#include <string.h>

#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/create.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"
#include "agent/tpm/template.h"

/* A coordinate at full length: a TPM may leave out zeroes in front. */
static enum kgr_error put_padded(struct kgr_wr *wr, const TPM2B_ECC_PARAMETER *value)
{
    if (value->size > KGR_P256_LEN)
        return KGR_ERR_TPM;
    kgr_wr_zero(wr, (size_t)KGR_P256_LEN - value->size);
    kgr_wr_bytes(wr, value->buffer, value->size);
    return KGR_OK;
}

enum kgr_error kgr_tpm_sign(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                            uint8_t out[KGR_TPM_SIGNATURE_LEN],
                            const uint8_t digest[KGR_TPM_HASH_LEN], struct kgr_diag *diag)
{
    /* No ticket: the key is not restricted. */
    static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK,
                                                .hierarchy = TPM2_RH_NULL};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    struct kgr_tpm_command cmd = {.name = "TPM2_Sign",
                                  .code = TPM2_CC_Sign,
                                  .handles = {key},
                                  .num_handles = 1,
                                  .num_auths = 1};
    TPM2B_DIGEST in = {.size = KGR_TPM_HASH_LEN};
    TPMT_SIGNATURE signature;
    uint8_t bytes[KGR_TPM_SIGNATURE_LEN];
    struct kgr_wr wr;
    TSS2_RC rc;
    enum kgr_error err;

    memcpy(in.buffer, digest, KGR_TPM_HASH_LEN);
    do {
        rc = Tss2_Sys_Sign_Prepare(tpm->sys, key->handle, &in, &scheme, &no_ticket);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    memset(&signature, 0, sizeof(signature));
    err = kgr_tpm_completed(&cmd, Tss2_Sys_Sign_Complete(tpm->sys, &signature), diag);
    if (err != KGR_OK)
        return err;
    if (signature.sigAlg != TPM2_ALG_ECDSA)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the signing key makes no ECDSA signatures");
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    err = put_padded(&wr, &signature.signature.ecdsa.signatureR);
    if (err == KGR_OK)
        err = put_padded(&wr, &signature.signature.ecdsa.signatureS);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the TPM returned a signature that is too long");
    memcpy(out, bytes, sizeof(bytes));
    return KGR_OK;
}

enum kgr_error kgr_tpm_signing_make(struct kgr_tpm *tpm, struct kgr_tpm_blob *out,
                                    const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {.handle = 0};
    struct kgr_tpm_public srk_public;
    TPM2B_PUBLIC pub;
    struct kgr_tpm_create create = {.template = &pub, .auth = auth};
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);

    kgr_tpm_template_signing(&pub);
    if (err == KGR_OK) {
        kgr_tpm_slots_limit(tpm, 0);
        err = kgr_tpm_create(tpm, out, &srk, &create, diag);
    }
    kgr_tpm_release(tpm, &srk);
    return err;
}

enum kgr_error kgr_tpm_signing_use(struct kgr_tpm *tpm, const struct kgr_tpm_blob *blob,
                                   const struct kgr_tpm_auth *auth,
                                   uint8_t out[KGR_TPM_SIGNATURE_LEN],
                                   const uint8_t digest[KGR_TPM_HASH_LEN], struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {.handle = 0}, key = {.handle = 0};
    struct kgr_tpm_public srk_public;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);

    if (err == KGR_OK) {
        kgr_tpm_slots_limit(tpm, 0);
        err = kgr_tpm_load(tpm, &key, &srk, blob, auth, diag);
    }
    if (err == KGR_OK)
        err = kgr_tpm_sign(tpm, &key, out, digest, diag);
    kgr_tpm_release(tpm, &key);
    kgr_tpm_release(tpm, &srk);
    return err;
}

enum kgr_error kgr_tpm_verify(const struct kgr_tpm_public *pub,
                              const uint8_t digest[KGR_TPM_HASH_LEN],
                              const uint8_t signature[KGR_TPM_SIGNATURE_LEN])
{
    struct kgr_tpm_point point;
    enum kgr_error err = kgr_tpm_check_signing(pub);

    if (err == KGR_OK)
        err = kgr_tpm_public_point(pub, &point);
    return err == KGR_OK ? kgr_tpm_verify_p256(&point, digest, signature) : err;
}
