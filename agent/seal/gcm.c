/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/gcm.h"

#include "agent/seal/library.h"

#include <limits.h>

#include <openssl/evp.h>

enum kgr_error kgr_gcm_encrypt(uint8_t *out, uint8_t tag[KGR_GCM_TAG_LEN],
                               const uint8_t key[KGR_GCM_KEY_LEN], const uint8_t iv[KGR_GCM_IV_LEN],
                               struct kgr_slice text)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(kgr_crypto_library(), "AES-256-GCM", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    enum kgr_error err = KGR_ERR_FAILED;
    int n = 0, rest = 0;

    if (cipher != NULL && ctx != NULL && text.len <= INT_MAX &&
        EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
        EVP_EncryptUpdate(ctx, out, &n, text.p, (int)text.len) == 1 && (size_t)n == text.len &&
        EVP_EncryptFinal_ex(ctx, out + n, &rest) == 1 && rest == 0 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, KGR_GCM_TAG_LEN, tag) == 1)
        err = KGR_OK;
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return err;
}
