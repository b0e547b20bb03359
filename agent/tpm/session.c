/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/session.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/object.h"
#include "agent/tpm/public.h"
#include "agent/tpm/template.h"

static const TPMT_SYM_DEF aes_128_cfb = {
    .algorithm = TPM2_ALG_AES,
    .keyBits = {.aes = 128},
    .mode = {.aes = TPM2_ALG_CFB},
};
static const TPMT_SYM_DEF no_symmetric = {.algorithm = TPM2_ALG_NULL};

/* Sends TPM2_StartAuthSession; nothing in it depends on a session, so it may be sent again. */
static enum kgr_error start(struct kgr_tpm *tpm, TPM2_HANDLE *out, TPM2B_NONCE *out_nonce,
                            TPM2_HANDLE salt_key, const TPM2B_ENCRYPTED_SECRET *salt,
                            const TPM2B_NONCE *nonce, TPM2_SE type, struct kgr_diag *diag)
{
    struct kgr_tpm_command cmd = {.name = "TPM2_StartAuthSession",
                                  .code = TPM2_CC_StartAuthSession};
    TSS2_RC rc;

    do {
        rc = Tss2_Sys_StartAuthSession_Prepare(tpm->sys, salt_key, TPM2_RH_NULL, nonce, salt, type,
                                               type == TPM2_SE_HMAC ? &aes_128_cfb : &no_symmetric,
                                               TPM2_ALG_SHA256);
    } while (kgr_tpm_again(tpm, &cmd, rc, diag));
    if (cmd.err != KGR_OK)
        return cmd.err;
    return kgr_tpm_completed(&cmd, Tss2_Sys_StartAuthSession_Complete(tpm->sys, out, out_nonce),
                             diag);
}

/* out has room for KGR_TPM_ECC_MAX bytes in the arena; *out_len follows from the salt key. */
static enum kgr_error make_salt(struct kgr_tpm *tpm, uint8_t *out, size_t *out_len,
                                TPM2B_ENCRYPTED_SECRET *out_secret)
{
    struct kgr_tpm_point ephemeral;
    struct kgr_wr wr;
    enum kgr_error err = kgr_tpm_share(out, &ephemeral, &tpm->salt_key.point, "SECRET");

    if (err != KGR_OK)
        return err;
    *out_len = kgr_tpm_curve_len(ephemeral.curve);
    kgr_wr_init(&wr, out_secret->secret, sizeof(out_secret->secret));
    kgr_wr_vec16(&wr, kgr_slice(ephemeral.x, *out_len));
    kgr_wr_vec16(&wr, kgr_slice(ephemeral.y, *out_len));
    out_secret->size = (UINT16)wr.len;
    return kgr_wr_ok(&wr) ? KGR_OK : KGR_ERR_FAILED;
}

enum kgr_error kgr_tpm_session_begin(struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_session *s = &tpm->session;
    TPM2B_ENCRYPTED_SECRET secret = {.size = 0};
    TPM2B_NONCE nonce = {.size = KGR_TPM_NONCE_LEN};
    TPM2B_NONCE nonce_tpm = {.size = 0};
    TPM2_HANDLE handle = 0;
    uint8_t *salt = kgr_secret_alloc(KGR_TPM_ECC_MAX);
    size_t salt_len = 0;
    enum kgr_error err = KGR_OK;

    if (salt == NULL)
        return KGR_ERR_NO_MEMORY;
    memset(s, 0, sizeof(*s));
    kgr_random(nonce.buffer, nonce.size);
    if (tpm->salt_key.pinned)
        err = make_salt(tpm, salt, &salt_len, &secret);
    if (err == KGR_OK)
        err = start(tpm, &handle, &nonce_tpm,
                    tpm->salt_key.pinned ? tpm->salt_key.handle : TPM2_RH_NULL, &secret, &nonce,
                    TPM2_SE_HMAC, diag);
    if (err == KGR_OK && tpm->salt_key.pinned) {
        err = kgr_tpm_kdfa256(tpm->crypto, s->key, kgr_slice(salt, salt_len), "ATH",
                              kgr_slice(nonce_tpm.buffer, nonce_tpm.size),
                              kgr_slice(nonce.buffer, nonce.size));
        s->keyed = true;
    }
    if (err == KGR_OK) {
        s->handle = handle;
        s->nonce_tpm = nonce_tpm;
    } else if (handle != 0) {
        kgr_tpm_flush(tpm, handle);
    }
    kgr_secret_free(salt);
    return err;
}

void kgr_tpm_session_end(struct kgr_tpm *tpm)
{
    if (tpm->session.handle != 0)
        kgr_tpm_flush(tpm, tpm->session.handle);
    kgr_cleanse(&tpm->session, sizeof(tpm->session));
}

enum kgr_error kgr_tpm_policy_begin(struct kgr_tpm *tpm, TPM2_HANDLE *out, struct kgr_diag *diag)
{
    static const TPM2B_ENCRYPTED_SECRET no_salt = {.size = 0};
    TPM2B_NONCE nonce = {.size = KGR_TPM_NONCE_LEN};
    TPM2B_NONCE nonce_tpm = {.size = 0};

    kgr_random(nonce.buffer, nonce.size);
    return start(tpm, out, &nonce_tpm, TPM2_RH_NULL, &no_salt, &nonce, TPM2_SE_POLICY, diag);
}

enum kgr_error kgr_tpm_session_start(struct kgr_tpm *tpm, const struct kgr_tpm_object *salt_key,
                                     struct kgr_diag *diag)
{
    struct kgr_tpm_salt_key key = {.pinned = true, .handle = salt_key->handle};
    struct kgr_tpm_public pub;
    struct kgr_tpm_name name;
    enum kgr_error err = kgr_tpm_read_public(tpm, &pub, salt_key->handle, diag);

    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &pub);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the key at 0x%x is no salt key", salt_key->handle);
    if (!kgr_tpm_name_equal(&name, &salt_key->name))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the key at 0x%x is not the pinned one: another TPM, or somebody "
                            "between us and it",
                            salt_key->handle);
    err = kgr_tpm_public_point(&pub, &key.point);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the key at 0x%x is no ECC key", salt_key->handle);
    kgr_tpm_session_end(tpm);
    tpm->salt_key = key;
    return kgr_tpm_session_begin(tpm, diag);
}

bool kgr_tpm_session_salted(const struct kgr_tpm *tpm)
{
    return tpm->salt_key.pinned;
}
