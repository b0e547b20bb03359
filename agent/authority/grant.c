/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/grant.h"

#include <string.h>

#include "agent/authority/ac.h"
#include "agent/base/secret.h"
#include "agent/keys/auth.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/import.h"
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

/* The inner-wrapper keys, which only the TPM of the AC's EK releases, and only for its storage key. */
static enum kgr_error release(struct kgr_ac *ac, uint8_t *inner, const struct kgr_ac_grant *grant,
                              struct kgr_diag *diag)
{
    struct kgr_tpm_credential credential;
    credential.len = (uint16_t)grant->credential.len;
    kgr_copy(credential.bytes, grant->credential.p, grant->credential.len);
    credential.secret_len = (uint16_t)grant->secret.len;
    kgr_copy(credential.secret, grant->secret.p, grant->secret.len);
    return kgr_tpm_activate_credential(ac->tpm, inner, 2 * KGR_TPM_INNER_LEN, &ac->storage,
                                       &credential, diag);
}

static enum kgr_error import(struct kgr_ac *ac, struct kgr_tpm_blob *out, enum kgr_tpm_kind kind,
                             const struct kgr_wire_object *object, const uint8_t *inner,
                             const struct kgr_tpm_auth *auth, struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    const struct kgr_tpm_import in = {
        .parent = &ac->storage,
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .pub = &pub,
        .duplicate = &duplicate,
        .inner = inner,
        .auth = auth,
    };
    enum kgr_error err = kgr_tpm_public_set(&pub, object->pub);
    if (err != KGR_OK)
        return err;
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
    uint8_t *inner = kgr_secret_alloc(2 * KGR_TPM_INNER_LEN);
    if (inner == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    memset(out, 0, sizeof *out);
    memcpy(out->key_id, grant->key_id, sizeof out->key_id);
    memcpy(out->topic1, grant->topic1, sizeof out->topic1);
    memcpy(out->topic2, grant->topic2, sizeof out->topic2);
    enum kgr_error err = kgr_ac_nksk_auths(ac, grant->key_id, &enc, &mac, &own);
    if (err == KGR_OK)
        err = release(ac, inner, grant, &own);
    if (err == KGR_OK)
        err = import(ac, &out->blobs.enc, KGR_TPM_ENC, &grant->nksk, inner, enc, &own);
    if (err == KGR_OK)
        err = import(ac, &out->blobs.mac, KGR_TPM_MAC, &grant->nksksign, inner + KGR_TPM_INNER_LEN,
                     mac, &own);
    kgr_secret_free(enc);
    kgr_secret_free(mac);
    kgr_secret_free(inner);
    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err,
                            "what the key server grants is for another AC, or was damaged");
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
}
