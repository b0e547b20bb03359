/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/grant.h"

#include <string.h>

#include "agent/authority/ac.h"
#include "agent/base/secret.h"
#include "agent/keys/auth.h"
#include "agent/keys/inner.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/import.h"
#include "agent/tpm/template.h"
#include "agent/tpm/public.h"

enum kgr_error kgr_ac_nksk_auths(const struct kgr_ac *ac, const uint8_t key_id[16],
                                 struct kgr_tpm_auth **out_enc, struct kgr_tpm_auth **out_mac,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    enum kgr_error err = kgr_auth_derive(ac->root, &enc, "nksk enc", kgr_slice(key_id, 16));
    if (err == KGR_OK)
        err = kgr_auth_derive(ac->root, &mac, "nksk mac", kgr_slice(key_id, 16));
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        return kgr_diag_set(diag, err, "cannot derive authorisation values");
    }
    *out_enc = enc;
    *out_mac = mac;
    return KGR_OK;
}

/* What the inner-wrapper keys follow from, which only the TPM of the AC's EK releases, and only for its storage key. */
static enum kgr_error release(struct kgr_ac *ac, uint8_t *secret, const struct kgr_ac_grant *grant,
                              struct kgr_diag *diag)
{
    struct kgr_tpm_credential credential;
    credential.len = (uint16_t)grant->credential.len;
    kgr_copy(credential.bytes, grant->credential.p, grant->credential.len);
    credential.secret_len = (uint16_t)grant->secret.len;
    kgr_copy(credential.secret, grant->secret.p, grant->secret.len);
    return kgr_tpm_activate_credential(ac->tpm, secret, KGR_INNER_SECRET_LEN, &ac->storage,
                                       &credential, diag);
}

static enum kgr_error import(struct kgr_ac *ac, struct kgr_tpm_blob *out, enum kgr_tpm_kind kind,
                             const struct kgr_wire_object *object, struct kgr_slice inner,
                             const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    struct kgr_tpm_import in = {
        .parent = &ac->storage,
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .form = KGR_TPM_BORN,
        .pub = &pub,
        .duplicate = &duplicate,
        .inner = inner,
        .auth = auth,
    };
    enum kgr_error err = kgr_tpm_public_set(&pub, object->pub);
    if (err != KGR_OK)
        return err;
    /* The KS's signature stands for the rest: a KS whose TPM cannot encrypt makes it in software. */
    if (kgr_tpm_check_resident(&pub, in.suite, kind) != KGR_OK)
        in.form = KGR_TPM_KEY;
    duplicate.len = (uint16_t)object->duplicate.len;
    kgr_copy(duplicate.bytes, object->duplicate.p, object->duplicate.len);
    duplicate.seed_len = (uint16_t)object->seed.len;
    kgr_copy(duplicate.seed, object->seed.p, object->seed.len);
    return kgr_tpm_import(ac->tpm, out, &in, diag);
}

enum kgr_error kgr_ac_import_grant(struct kgr_ac *ac, struct kgr_ac_nksk *out,
                                   const struct kgr_ac_grant *grant, struct kgr_diag *diag)
{
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    struct kgr_diag own = {{0}};
    const size_t len = kgr_suite_enc_key_len(KGR_SUITE_AES128_SHA256);
    uint8_t *secret = kgr_secret_alloc(KGR_INNER_SECRET_LEN);
    uint8_t *inner = kgr_secret_alloc(2 * len);
    if (secret == NULL || inner == NULL) {
        kgr_secret_free(secret);
        kgr_secret_free(inner);
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    }
    memset(out, 0, sizeof *out);
    memcpy(out->key_id, grant->key_id, sizeof out->key_id);
    memcpy(out->topic1, grant->topic1, sizeof out->topic1);
    memcpy(out->topic2, grant->topic2, sizeof out->topic2);
    enum kgr_error err = kgr_ac_nksk_auths(ac, grant->key_id, &enc, &mac, &own);
    if (err == KGR_OK)
        err = release(ac, secret, grant, &own);
    if (err == KGR_OK)
        err = kgr_inner_keys(inner, KGR_SUITE_AES128_SHA256, secret, grant->key_id);
    if (err == KGR_OK)
        err = import(ac, &out->blobs.enc, KGR_TPM_ENC, &grant->nksk, kgr_slice(inner, len), enc,
                     &own);
    if (err == KGR_OK)
        err = import(ac, &out->blobs.mac, KGR_TPM_MAC, &grant->nksksign,
                     kgr_slice(inner + len, len), mac, &own);
    kgr_secret_free(enc);
    kgr_secret_free(mac);
    kgr_secret_free(secret);
    kgr_secret_free(inner);
    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err,
                            "what the key server grants is for another AC, or was damaged");
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
}
