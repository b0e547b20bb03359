/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/cipher.h"

#include "agent/base/secret.h"

#include <string.h>

/*
 * A stream may end its updates inside a block. The agent then gets that block filled up with zeros,
 * and what comes back behind the data is keystream, kept for the next update. c->pending is
 * that block while c->num_pending, how many bytes of it are used, is not 0: before that position the
 * ciphertext (which CFB feeds back), from it on the keystream.
 */

/* Uses up the block that the last update began. Returns how many bytes it took. */
static size_t use_pending(struct kgr_prov_cipher *c, uint8_t *out, const uint8_t *in, size_t in_len)
{
    size_t n = 0;

    while (c->num_pending > 0 && n < in_len) {
        uint8_t *slot = &c->pending[c->num_pending];
        uint8_t from = in[n];
        uint8_t to = (uint8_t)(from ^ *slot);

        *slot = c->encrypt ? to : from;
        out[n++] = to;
        c->num_pending = (c->num_pending + 1) % KGR_BLOCK_LEN;
    }
    if (n > 0 && c->num_pending == 0 && c->spec->mode == KGR_MODE_CFB) {
        memcpy(c->iv, c->pending, KGR_BLOCK_LEN);
    }
    return n;
}

/* Runs len bytes, of which the last block is partial. */
static enum kgr_error run_partial(struct kgr_prov_cipher *c, uint8_t *out, const uint8_t *in,
                                  size_t len)
{
    size_t used = len % KGR_BLOCK_LEN;
    size_t filled = len - used + KGR_BLOCK_LEN;
    uint8_t tail[KGR_BLOCK_LEN]; /* of the ciphertext */
    enum kgr_error err = kgr_prov_cipher_reserve(c, filled);

    if (err != KGR_OK) {
        return err;
    }
    memcpy(c->scratch, in, len);
    memset(c->scratch + len, 0, filled - len);
    memcpy(tail, c->scratch + len - used, sizeof(tail));
    err = kgr_prov_cipher_run(c, c->scratch, filled, c->scratch);
    if (err != KGR_OK) {
        return err;
    }
    memcpy(c->pending, c->scratch + len - used, KGR_BLOCK_LEN);
    if (!c->encrypt) {
        memcpy(c->pending, tail, used);
    }
    c->num_pending = used;
    memcpy(out, c->scratch, len);
    return KGR_OK;
}

enum kgr_error kgr_prov_keystream_update(struct kgr_prov_cipher *c, uint8_t *out, const uint8_t *in,
                                         size_t in_len)
{
    uint8_t head[KGR_BLOCK_LEN];
    size_t num_head = use_pending(c, head, in, in_len), done = num_head;

    while (done < in_len) {
        size_t n = in_len - done < KGR_DATA_MAX ? in_len - done : KGR_DATA_MAX;
        enum kgr_error err = n % KGR_BLOCK_LEN == 0
                                 ? kgr_prov_cipher_run(c, in + done, n, out + done)
                                 : run_partial(c, out + done, in + done, n);

        if (err != KGR_OK) {
            return err;
        }
        done += n;
    }
    if (num_head > 0) {
        memcpy(out, head, num_head); /* only now: until here the agent may have failed */
    }
    kgr_cleanse(head, sizeof(head));
    return KGR_OK;
}
