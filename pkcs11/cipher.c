/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/cipher.h"

#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "pkcs11/translate.h"

#include <stdlib.h>
#include <string.h>

void kgr_p11_cipher_init(struct kgr_p11_cipher *cipher, struct kgr_client *client,
                         const struct kgr_key *key, enum kgr_mode mode, bool pad, bool encrypt,
                         const uint8_t *iv)
{
    memset(cipher, 0, sizeof(*cipher));
    cipher->client = client;
    cipher->key = *key;
    cipher->mode = mode;
    cipher->pad = pad;
    cipher->encrypt = encrypt;
    if (iv != NULL) {
        memcpy(cipher->iv, iv, sizeof(cipher->iv));
    }
}

void kgr_p11_cipher_deinit(struct kgr_p11_cipher *cipher)
{
    kgr_cleanse(cipher, sizeof(*cipher));
}

static bool in_blocks(const struct kgr_p11_cipher *cipher)
{
    return cipher->mode == KGR_MODE_ECB || cipher->mode == KGR_MODE_CBC;
}

/* One request. iv moves on. */
static CK_RV transform(struct kgr_p11_cipher *cipher, uint8_t *iv, const uint8_t *in, size_t len,
                       uint8_t *out)
{
    enum kgr_error err;

    if (cipher->encrypt) {
        err = kgr_encrypt(cipher->client, &cipher->key, cipher->mode, iv, in, len, out);
    } else {
        err = kgr_decrypt(cipher->client, &cipher->key, cipher->mode, iv, in, len, out);
    }
    return kgr_p11_rv(err);
}

/*
 * Runs head and then body through the cipher, in as few requests as can be. Their length together
 * is a multiple of the block, or else this is the last call of a stream mode. out may be body.p if
 * head is empty, and must not overlap otherwise.
 */
static CK_RV run(struct kgr_p11_cipher *cipher, struct kgr_slice head, struct kgr_slice body,
                 uint8_t *out)
{
    CK_RV rv = CKR_OK;

    if (head.len > 0) {
        size_t total = head.len + body.len;
        size_t n = total < KGR_DATA_MAX ? total : KGR_DATA_MAX;
        uint8_t *joined = malloc(n);

        if (joined == NULL) {
            return CKR_HOST_MEMORY;
        }
        memcpy(joined, head.p, head.len);
        kgr_copy(joined + head.len, body.p, n - head.len);
        rv = transform(cipher, cipher->iv, joined, n, out);
        kgr_cleanse(joined, n);
        free(joined);
        out += n;
        body.p += n - head.len;
        body.len -= n - head.len;
    }
    while (rv == CKR_OK && body.len > 0) {
        size_t n = body.len < KGR_DATA_MAX ? body.len : KGR_DATA_MAX;

        rv = transform(cipher, cipher->iv, body.p, n, out);
        out += n;
        body.p += n;
        body.len -= n;
    }
    return rv;
}

size_t kgr_p11_cipher_update_len(const struct kgr_p11_cipher *cipher, size_t in_len)
{
    size_t total = cipher->part_len + in_len;

    if (!in_blocks(cipher)) {
        return in_len;
    }
    if (cipher->pad && !cipher->encrypt && total > 0) {
        /* What may be the padding waits until it is known that nothing follows. */
        return (total - 1) / KGR_BLOCK_LEN * KGR_BLOCK_LEN;
    }
    return total / KGR_BLOCK_LEN * KGR_BLOCK_LEN;
}

static CK_RV update_blocks(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                           uint8_t *out)
{
    size_t n = kgr_p11_cipher_update_len(cipher, in_len);
    size_t taken;
    CK_RV rv;

    if (n == 0) {
        kgr_copy(cipher->part + cipher->part_len, in, in_len);
        cipher->part_len += in_len;
        return CKR_OK;
    }
    taken = n - cipher->part_len; /* n is a block or more, and no more than that is held */
    rv = run(cipher, kgr_slice(cipher->part, cipher->part_len), kgr_slice(in, taken), out);
    if (rv == CKR_OK) {
        kgr_copy(cipher->part, in + taken, in_len - taken);
        cipher->part_len = in_len - taken;
    }
    return rv;
}

/*
 * Spends key stream on up to a block; in and out may be the same place. In CFB the ciphertext made
 * here becomes the next IV.
 */
static size_t spend(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len, uint8_t *out)
{
    size_t i = 0;

    for (; i < in_len && cipher->part_len < KGR_BLOCK_LEN; i++) {
        uint8_t from = in[i];
        uint8_t to = (uint8_t)(from ^ cipher->part[cipher->part_len]);

        if (cipher->mode == KGR_MODE_CFB) {
            cipher->iv[cipher->part_len] = cipher->encrypt ? to : from;
        }
        out[i] = to;
        cipher->part_len++;
    }
    if (cipher->part_len == KGR_BLOCK_LEN) {
        cipher->part_len = 0;
    }
    return i;
}

static CK_RV update_stream(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                           uint8_t *out)
{
    static const uint8_t zero[KGR_BLOCK_LEN];
    size_t done = cipher->part_len > 0 ? spend(cipher, in, in_len, out) : 0;
    size_t blocks = (in_len - done) / KGR_BLOCK_LEN * KGR_BLOCK_LEN;
    CK_RV rv;

    rv = run(cipher, kgr_slice(NULL, 0), kgr_slice(in + done, blocks), out + done);
    done += blocks;
    if (rv == CKR_OK && done < in_len) {
        /* A block of zeros comes out as the key stream, whatever the direction. */
        rv = transform(cipher, cipher->iv, zero, sizeof(zero), cipher->part);
        if (rv == CKR_OK) {
            (void)spend(cipher, in + done, in_len - done, out + done);
        }
    }
    return rv;
}

static bool overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    uintptr_t x = (uintptr_t)a;
    uintptr_t y = (uintptr_t)b;

    return a_len > 0 && b_len > 0 && x < y + b_len && y < x + a_len;
}

CK_RV kgr_p11_cipher_update(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                            uint8_t *out)
{
    uint8_t *copy = NULL;
    CK_RV rv;

    if (in_len == 0) {
        return CKR_OK;
    }
    /* Held input puts the output ahead of the input: in one place it would overtake it. */
    if (overlap(in, in_len, out, kgr_p11_cipher_update_len(cipher, in_len)) &&
        (in != out || cipher->part_len > 0)) {
        copy = malloc(in_len);
        if (copy == NULL) {
            return CKR_HOST_MEMORY;
        }
        memcpy(copy, in, in_len);
        in = copy;
    }
    rv = in_blocks(cipher) ? update_blocks(cipher, in, in_len, out)
                           : update_stream(cipher, in, in_len, out);
    if (copy != NULL) {
        kgr_cleanse(copy, in_len);
        free(copy);
    }
    return rv;
}

/*
 * Decrypts the last block under iv and tells how much of it is data. Neither iv nor cipher changes,
 * so that a caller without enough room can come back.
 */
static CK_RV open_last(struct kgr_p11_cipher *cipher, const uint8_t *iv, const uint8_t *block,
                       uint8_t plain[KGR_BLOCK_LEN], size_t *out_len)
{
    uint8_t iv_copy[KGR_BLOCK_LEN];
    uint8_t last;
    uint8_t wrong;
    CK_RV rv;

    memcpy(iv_copy, iv, sizeof(iv_copy));
    rv = transform(cipher, iv_copy, block, KGR_BLOCK_LEN, plain);
    if (rv != CKR_OK) {
        return rv;
    }
    last = plain[KGR_BLOCK_LEN - 1];
    wrong = last == 0 || last > KGR_BLOCK_LEN;
    for (size_t i = 0; i < KGR_BLOCK_LEN; i++) {
        uint8_t is_padding = (uint8_t)(i + last >= KGR_BLOCK_LEN);

        wrong = (uint8_t)(wrong | (is_padding & (uint8_t)(plain[i] != last)));
    }
    if (wrong != 0) {
        kgr_cleanse(plain, KGR_BLOCK_LEN);
        return CKR_ENCRYPTED_DATA_INVALID;
    }
    *out_len = KGR_BLOCK_LEN - (size_t)last;
    return CKR_OK;
}

static CK_RV len_range(const struct kgr_p11_cipher *cipher)
{
    return cipher->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
}

size_t kgr_p11_cipher_final_max(const struct kgr_p11_cipher *cipher)
{
    return cipher->pad ? KGR_BLOCK_LEN : 0;
}

static CK_RV final_decrypt_pad(struct kgr_p11_cipher *cipher, uint8_t *out, size_t *out_len)
{
    uint8_t plain[KGR_BLOCK_LEN];
    size_t n = 0;
    CK_RV rv;

    if (cipher->part_len != KGR_BLOCK_LEN) {
        return CKR_ENCRYPTED_DATA_LEN_RANGE;
    }
    rv = open_last(cipher, cipher->iv, cipher->part, plain, &n);
    if (rv == CKR_OK && *out_len < n) {
        rv = CKR_BUFFER_TOO_SMALL;
    }
    if (rv == CKR_OK) {
        kgr_copy(out, plain, n);
    }
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL) {
        *out_len = n;
    }
    kgr_cleanse(plain, sizeof(plain));
    return rv;
}

CK_RV kgr_p11_cipher_final(struct kgr_p11_cipher *cipher, uint8_t *out, size_t *out_len)
{
    CK_RV rv = CKR_OK;

    if (!in_blocks(cipher) || (!cipher->pad && cipher->part_len == 0)) {
        *out_len = 0;
        return CKR_OK;
    }
    if (!cipher->pad) {
        return len_range(cipher);
    }
    if (!cipher->encrypt) {
        return final_decrypt_pad(cipher, out, out_len);
    }
    if (*out_len < KGR_BLOCK_LEN) {
        rv = CKR_BUFFER_TOO_SMALL;
    } else {
        size_t fill = KGR_BLOCK_LEN - cipher->part_len;

        memset(cipher->part + cipher->part_len, (int)fill, fill);
        rv = transform(cipher, cipher->iv, cipher->part, KGR_BLOCK_LEN, out);
    }
    *out_len = KGR_BLOCK_LEN;
    return rv;
}

size_t kgr_p11_cipher_whole_max(const struct kgr_p11_cipher *cipher, size_t in_len)
{
    if (cipher->pad && cipher->encrypt) {
        return in_len / KGR_BLOCK_LEN * KGR_BLOCK_LEN + KGR_BLOCK_LEN;
    }
    return in_len;
}

/* The end first: it tells the length, and until that fits nothing may be written. */
static CK_RV whole_decrypt_pad(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                               uint8_t *out, size_t *out_len)
{
    uint8_t plain[KGR_BLOCK_LEN];
    size_t before = in_len - KGR_BLOCK_LEN;
    size_t n = 0;
    CK_RV rv;

    rv = open_last(cipher, before > 0 ? in + before - KGR_BLOCK_LEN : cipher->iv, in + before,
                   plain, &n);
    if (rv == CKR_OK && *out_len < before + n) {
        *out_len = before + n;
        rv = CKR_BUFFER_TOO_SMALL;
    }
    if (rv == CKR_OK) {
        rv = run(cipher, kgr_slice(NULL, 0), kgr_slice(in, before), out);
    }
    if (rv == CKR_OK) {
        kgr_copy(out + before, plain, n);
        *out_len = before + n;
    }
    kgr_cleanse(plain, sizeof(plain));
    return rv;
}

static CK_RV whole_encrypt_pad(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                               uint8_t *out)
{
    size_t before = in_len / KGR_BLOCK_LEN * KGR_BLOCK_LEN;
    size_t rest = in_len - before;
    uint8_t last[KGR_BLOCK_LEN];
    CK_RV rv;

    memset(last, (int)(KGR_BLOCK_LEN - rest), sizeof(last));
    kgr_copy(last, in + before, rest);
    if (in_len < KGR_DATA_MAX - KGR_BLOCK_LEN) {
        /* One request instead of two, which is what a TPM's speed is measured in. */
        uint8_t *joined = malloc(before + KGR_BLOCK_LEN);

        if (joined == NULL) {
            return CKR_HOST_MEMORY;
        }
        kgr_copy(joined, in, before);
        memcpy(joined + before, last, sizeof(last));
        rv = transform(cipher, cipher->iv, joined, before + KGR_BLOCK_LEN, out);
        kgr_cleanse(joined, before + KGR_BLOCK_LEN);
        free(joined);
    } else {
        rv = run(cipher, kgr_slice(NULL, 0), kgr_slice(in, before), out);
        if (rv == CKR_OK) {
            rv = transform(cipher, cipher->iv, last, sizeof(last), out + before);
        }
    }
    kgr_cleanse(last, sizeof(last));
    return rv;
}

static CK_RV whole(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len, uint8_t *out,
                   size_t *out_len)
{
    size_t need = kgr_p11_cipher_whole_max(cipher, in_len);
    CK_RV rv;

    if (in_blocks(cipher) && in_len % KGR_BLOCK_LEN != 0 && !(cipher->pad && cipher->encrypt)) {
        return len_range(cipher);
    }
    if (cipher->pad && !cipher->encrypt) {
        return in_len == 0 ? len_range(cipher)
                           : whole_decrypt_pad(cipher, in, in_len, out, out_len);
    }
    if (*out_len < need) {
        *out_len = need;
        return CKR_BUFFER_TOO_SMALL;
    }
    if (cipher->pad) {
        rv = whole_encrypt_pad(cipher, in, in_len, out);
    } else {
        rv = run(cipher, kgr_slice(NULL, 0), kgr_slice(in, in_len), out);
    }
    if (rv == CKR_OK) {
        *out_len = need;
    }
    return rv;
}

CK_RV kgr_p11_cipher_whole(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                           uint8_t *out, size_t *out_len)
{
    uint8_t *copy = NULL;
    CK_RV rv;

    if (in != out && overlap(in, in_len, out, *out_len)) {
        copy = malloc(in_len);
        if (copy == NULL) {
            return CKR_HOST_MEMORY;
        }
        memcpy(copy, in, in_len);
        in = copy;
    }
    rv = whole(cipher, in, in_len, out, out_len);
    if (copy != NULL) {
        kgr_cleanse(copy, in_len);
        free(copy);
    }
    return rv;
}
