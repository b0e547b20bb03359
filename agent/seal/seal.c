/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/seal.h"

#include <string.h>

#include "agent/base/secret.h"

/* The tag of RFC 7518 section 5.2.2.1, steps 4 to 7: the first half of HMAC(A || IV || E || AL). */
static enum kgr_error compute_tag(const struct kgr_seal_key *key, uint8_t *out, const uint8_t *iv,
                                  struct kgr_slice aad, struct kgr_slice ciphertext)
{
    uint8_t hash[KGR_HASH_MAX];
    uint8_t al[8];
    struct kgr_wr wr;
    enum kgr_error err;

    if (aad.len > UINT64_MAX / 8)
        return KGR_ERR_TOO_LARGE;
    kgr_wr_init(&wr, al, sizeof(al));
    kgr_wr_u64(&wr, (uint64_t)aad.len * 8);
    const struct kgr_slice parts[] = {
        aad,
        kgr_slice(iv, KGR_IV_LEN),
        ciphertext,
        kgr_slice(al, sizeof(al)),
    };
    err = key->vt->hmac(key->ctx, parts, KGR_ARRAY_LEN(parts), hash);
    if (err == KGR_OK)
        kgr_copy(out, hash, kgr_suite_tag_len(key->suite));
    /* The half that is not sent must not be left for a forger to find. */
    kgr_cleanse(hash, sizeof(hash));
    return err;
}

enum kgr_error kgr_seal_encrypt(const struct kgr_seal_key *key, uint8_t *out_ciphertext,
                                uint8_t *out_tag, const uint8_t iv[KGR_IV_LEN],
                                struct kgr_slice aad, struct kgr_slice plaintext)
{
    size_t len;
    uint8_t pad;
    enum kgr_error err;

    if (plaintext.len > SIZE_MAX - KGR_BLOCK_LEN)
        return KGR_ERR_TOO_LARGE;
    if (key->vt->seal != NULL)
        return key->vt->seal(key->ctx, out_ciphertext, out_tag, iv, aad, plaintext);
    len = kgr_suite_ciphertext_len(plaintext.len);
    pad = (uint8_t)(len - plaintext.len);
    if (plaintext.len != 0)
        memmove(out_ciphertext, plaintext.p, plaintext.len);
    memset(out_ciphertext + plaintext.len, pad, pad);
    err = key->vt->cbc_encrypt(key->ctx, iv, out_ciphertext, len, out_ciphertext);
    if (err == KGR_OK)
        err = compute_tag(key, out_tag, iv, aad, kgr_slice(out_ciphertext, len));
    if (err != KGR_OK)
        kgr_cleanse(out_ciphertext, len);
    return err;
}

enum kgr_error kgr_seal_verify(const struct kgr_seal_key *key, const uint8_t iv[KGR_IV_LEN],
                               struct kgr_slice aad, struct kgr_slice ciphertext,
                               struct kgr_slice tag)
{
    uint8_t expected[KGR_TAG_MAX];
    enum kgr_error err;

    if (ciphertext.len == 0 || ciphertext.len % KGR_BLOCK_LEN != 0 ||
        tag.len != kgr_suite_tag_len(key->suite))
        return KGR_ERR_CORRUPT;
    err = compute_tag(key, expected, iv, aad, ciphertext);
    if (err == KGR_OK && !kgr_equal_ct(expected, tag.p, tag.len))
        err = KGR_ERR_CORRUPT;
    kgr_cleanse(expected, sizeof(expected));
    return err;
}

/*
 * Finds the length without PKCS#7 padding (RFC 5652 section 6.3). The tag has been
 * verified, so nobody can use the time that this takes as an oracle.
 */
enum kgr_error kgr_seal_unpad(size_t *out_len, const uint8_t *p, size_t len)
{
    uint8_t pad = p[len - 1];

    if (pad == 0 || pad > KGR_BLOCK_LEN)
        return KGR_ERR_CORRUPT;
    for (size_t i = len - pad; i < len; i++)
        if (p[i] != pad)
            return KGR_ERR_CORRUPT;
    *out_len = len - pad;
    return KGR_OK;
}

enum kgr_error kgr_seal_decrypt_verified(const struct kgr_seal_key *key, uint8_t *out_plaintext,
                                         size_t *out_len, const uint8_t iv[KGR_IV_LEN],
                                         struct kgr_slice ciphertext)
{
    enum kgr_error err;

    if (ciphertext.len == 0 || ciphertext.len % KGR_BLOCK_LEN != 0)
        return KGR_ERR_CORRUPT;
    err = key->vt->cbc_decrypt(key->ctx, iv, ciphertext.p, ciphertext.len, out_plaintext);
    if (err == KGR_OK)
        err = kgr_seal_unpad(out_len, out_plaintext, ciphertext.len);
    if (err != KGR_OK)
        kgr_cleanse(out_plaintext, ciphertext.len);
    return err;
}

enum kgr_error kgr_seal_decrypt(const struct kgr_seal_key *key, uint8_t *out_plaintext,
                                size_t *out_len, const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                                struct kgr_slice ciphertext, struct kgr_slice tag)
{
    enum kgr_error err = kgr_seal_verify(key, iv, aad, ciphertext, tag);

    if (err != KGR_OK)
        return err;
    return kgr_seal_decrypt_verified(key, out_plaintext, out_len, iv, ciphertext);
}
