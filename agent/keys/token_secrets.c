/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/token_secrets.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/seal/digest.h"

enum kgr_error kgr_token_wrapping_key(const struct kgr_auth_root *root, struct kgr_tpm_auth **out,
                                      const char *folder, const char *token)
{
    size_t folder_len = strlen(folder) + 1;
    size_t len = folder_len + strlen(token);
    char *id = malloc(len + 1);
    enum kgr_error err;

    if (id == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(id, folder, folder_len);
    memcpy(id + folder_len, token, len - folder_len + 1);
    err = kgr_auth_bytes(root, out, "mirror", kgr_slice(id, len));
    free(id);
    return err;
}

enum kgr_error kgr_token_wrapping_text(uint8_t **out, const struct kgr_tpm_auth *key)
{
    char *text = kgr_secret_alloc(KGR_TOKEN_WRAPPING_TEXT_LEN + 1);

    if (text == NULL)
        return KGR_ERR_NO_MEMORY;
    *out = (uint8_t *)kgr_hex(text, key->bytes, KGR_TOKEN_WRAPPING_LEN);
    return KGR_OK;
}

enum kgr_error kgr_token_pin_auth(struct kgr_tpm_auth **out, struct kgr_slice pin,
                                  struct kgr_slice salt)
{
    const struct kgr_slice parts[] = {pin, salt};
    uint8_t *hash = kgr_secret_alloc(KGR_SHA256_LEN);
    char *text = kgr_secret_alloc(KGR_TPM_AUTH_MAX + 1);
    struct kgr_tpm_auth *auth = kgr_secret_alloc(sizeof(*auth));
    enum kgr_error err = hash == NULL || text == NULL || auth == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_sha256(hash, parts, KGR_ARRAY_LEN(parts));
    if (err == KGR_OK) {
        (void)kgr_hex(text, hash, KGR_TPM_AUTH_MAX / 2);
        memcpy(auth->bytes, text, KGR_TPM_AUTH_MAX);
        auth->len = KGR_TPM_AUTH_MAX;
        *out = auth;
    } else {
        kgr_secret_free(auth);
    }
    kgr_secret_free(text);
    kgr_secret_free(hash);
    return err;
}

enum kgr_error kgr_token_wrap(char out[KGR_TOKEN_WRAPPED_MAX], const struct kgr_tpm_auth *key,
                              const uint8_t iv[KGR_GCM_IV_LEN], const struct kgr_tpm_auth *auth)
{
    uint8_t tag[KGR_GCM_TAG_LEN];
    uint8_t ciphertext[KGR_TPM_AUTH_MAX];
    char *p = out;
    enum kgr_error err =
        kgr_gcm_encrypt(ciphertext, tag, key->bytes, iv, kgr_slice(auth->bytes, auth->len));

    if (err != KGR_OK)
        return err;
    p = kgr_hex(p, iv, KGR_GCM_IV_LEN) + 2 * KGR_GCM_IV_LEN;
    *p++ = ':';
    p = kgr_hex(p, tag, KGR_GCM_TAG_LEN) + 2 * KGR_GCM_TAG_LEN;
    *p++ = ':';
    (void)kgr_hex(p, ciphertext, auth->len);
    return KGR_OK;
}
