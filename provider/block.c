/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/cipher.h"

#include "agent/base/secret.h"
#include "provider/error.h"
#include "provider/provider.h"

#include <string.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum kgr_error kgr_prov_block_raw(struct kgr_prov_cipher *c, uint8_t *out, const uint8_t *in,
                                  size_t in_len)
{
    if (in_len % KGR_BLOCK_LEN != 0) {
        return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_FINAL_LENGTH,
                               "%zu bytes for a cipher of blocks of %d", in_len, KGR_BLOCK_LEN);
    }
    while (in_len > 0) {
        size_t n = min_size(in_len, KGR_DATA_MAX);
        enum kgr_error err = kgr_prov_cipher_run(c, in, n, out);

        if (err != KGR_OK) {
            return err;
        }
        in += n;
        in_len -= n;
        out += n;
    }
    return KGR_OK;
}

/*
 * Runs `whole` bytes that begin with what is pending. In place, the output runs ahead of the input by
 * as much as was pending, hence the next bytes of input are fetched before each output is written.
 */
static enum kgr_error run_joined(struct kgr_prov_cipher *c, uint8_t *out, size_t whole,
                                 const uint8_t **in, size_t *in_len)
{
    enum kgr_error err = kgr_prov_cipher_reserve(c, min_size(whole, KGR_DATA_MAX));

    while (err == KGR_OK && whole > 0) {
        size_t n = min_size(whole, KGR_DATA_MAX);
        size_t fresh = n - c->num_pending;

        memcpy(c->scratch, c->pending, c->num_pending);
        memcpy(c->scratch + c->num_pending, *in, fresh);
        *in += fresh;
        *in_len -= fresh;
        c->num_pending = min_size(*in_len, KGR_BLOCK_LEN);
        if (c->num_pending > 0) {
            memcpy(c->pending, *in, c->num_pending);
            *in += c->num_pending;
            *in_len -= c->num_pending;
        }
        err = kgr_prov_cipher_run(c, c->scratch, n, c->scratch);
        if (err == KGR_OK) {
            memcpy(out, c->scratch, n);
            out += n;
            whole -= n;
        }
    }
    return err;
}

enum kgr_error kgr_prov_block_update(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                                     size_t out_cap, const uint8_t *in, size_t in_len)
{
    size_t total = c->num_pending + in_len;
    size_t whole = total - total % KGR_BLOCK_LEN;
    enum kgr_error err = KGR_OK;

    if (in_len == 0) {
        *out_len = 0;
        return KGR_OK;
    }
    /* Only the end of the data tells which block is the padded one. */
    if (!c->encrypt && c->padding && whole == total) {
        whole -= KGR_BLOCK_LEN;
    }
    if (whole > out_cap) {
        return kgr_prov_refuse(c->prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                               "%zu bytes of output, room for %zu", whole, out_cap);
    }
    if (c->num_pending > 0 && whole > 0) {
        err = run_joined(c, out, whole, &in, &in_len);
    } else if (whole > 0) {
        err = kgr_prov_block_raw(c, out, in, whole);
        in += whole;
        in_len -= whole;
    }
    if (err != KGR_OK) {
        return err;
    }
    if (in_len > 0) {
        memcpy(c->pending + c->num_pending, in, in_len);
        c->num_pending += in_len;
    }
    *out_len = whole;
    return KGR_OK;
}

/* The length of the PKCS#7 padding at the end of block, 0 if it is wrong; in constant time. */
static size_t padding_len(const uint8_t block[KGR_BLOCK_LEN])
{
    uint32_t pad = block[KGR_BLOCK_LEN - 1];
    uint32_t bad = (pad - 1) >> 4; /* other than 0 unless pad is 1 to 16 */

    for (uint32_t i = 0; i < KGR_BLOCK_LEN; i++) {
        uint32_t inside = 0u - ((i - pad) >> 31); /* all ones while i < pad */

        bad |= inside & (block[KGR_BLOCK_LEN - 1 - i] ^ pad);
    }
    return bad == 0 ? pad : 0;
}

static enum kgr_error final_encrypt(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len)
{
    uint8_t pad = (uint8_t)(KGR_BLOCK_LEN - c->num_pending);
    enum kgr_error err;

    memset(c->pending + c->num_pending, pad, pad);
    err = kgr_prov_cipher_run(c, c->pending, KGR_BLOCK_LEN, out);
    if (err == KGR_OK) {
        *out_len = KGR_BLOCK_LEN;
    }
    return err;
}

static enum kgr_error final_decrypt(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                                    size_t out_cap)
{
    uint8_t block[KGR_BLOCK_LEN];
    size_t pad;
    enum kgr_error err = kgr_prov_cipher_run(c, c->pending, KGR_BLOCK_LEN, block);

    if (err != KGR_OK) {
        return err;
    }
    pad = padding_len(block);
    if (pad == 0) {
        c->broken = true;
        err = kgr_prov_refuse(c->prov, KGR_ERR_CORRUPT, KGR_PROV_R_BAD_DECRYPT, "%s",
                              c->key.pinned.peer);
    } else if (KGR_BLOCK_LEN - pad > out_cap) {
        c->broken = true;
        err = kgr_prov_refuse(c->prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                              "%zu bytes of output, room for %zu", KGR_BLOCK_LEN - pad, out_cap);
    } else {
        memcpy(out, block, KGR_BLOCK_LEN - pad);
        *out_len = KGR_BLOCK_LEN - pad;
    }
    kgr_cleanse(block, sizeof(block));
    return err;
}

enum kgr_error kgr_prov_block_final(struct kgr_prov_cipher *c, uint8_t *out, size_t *out_len,
                                    size_t out_cap)
{
    size_t expected = c->padding && !c->encrypt ? KGR_BLOCK_LEN : 0;
    enum kgr_error err;

    if (c->padding && c->encrypt) {
        if (out_cap < KGR_BLOCK_LEN) {
            return kgr_prov_refuse(c->prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                                   "%d bytes of output, room for %zu", KGR_BLOCK_LEN, out_cap);
        }
        err = final_encrypt(c, out, out_len);
    } else if (c->num_pending != expected) {
        err = kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_FINAL_LENGTH,
                              "%zu bytes beyond the last whole block",
                              c->num_pending % KGR_BLOCK_LEN);
    } else if (c->padding) {
        err = final_decrypt(c, out, out_len, out_cap);
    } else {
        *out_len = 0;
        err = KGR_OK;
    }
    if (err == KGR_OK) {
        kgr_cleanse(c->pending, sizeof(c->pending));
        c->num_pending = 0;
    }
    return err;
}
