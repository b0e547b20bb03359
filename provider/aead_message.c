/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/aead_message.h"

#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "agent/client/etm.h"
#include "provider/error.h"
#include "provider/provider.h"
#include <stdlib.h>
#include <string.h>

/* AL of RFC 7518 section 5.2.2.1 counts bits in 64 bits. */
#define AAD_MAX (UINT64_MAX / 8)

enum kgr_error kgr_prov_aead_refuse_order(struct kgr_prov_aead *a, const char *what)
{
    a->cbc.broken = true;
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_STATE, KGR_PROV_R_ORDER, "%s", what);
}

static enum kgr_error mac(struct kgr_prov_aead *a, const uint8_t *data, size_t len)
{
    enum kgr_error err = kgr_prov_hmac_update(a->cbc.prov, &a->hmac, &a->cbc.key, data, len);

    a->cbc.broken = a->cbc.broken || err != KGR_OK;
    return err;
}

enum kgr_error kgr_prov_aead_aad(struct kgr_prov_aead *a, const uint8_t *aad, size_t len)
{
    if (a->begun) {
        return kgr_prov_aead_refuse_order(a, "associated data after data");
    }
    if (len > AAD_MAX - a->aad_len) {
        return kgr_prov_aead_refuse_order(a, "too much associated data");
    }
    a->iv_used = true;
    a->cbc.used = true;
    a->aad_len += len;
    return mac(a, aad, len);
}

/* A is complete: the IV follows it. */
static enum kgr_error begin_data(struct kgr_prov_aead *a)
{
    if (a->begun) {
        return KGR_OK;
    }
    a->begun = true;
    a->iv_used = true;
    a->cbc.used = true;
    return mac(a, a->cbc.first_iv, sizeof(a->cbc.first_iv));
}

/* E is complete: AL, and the tag. */
static enum kgr_error finish_mac(struct kgr_prov_aead *a, uint8_t tag[KGR_PROV_TAG_MAX])
{
    size_t tag_len = a->cbc.spec->tag_len;
    uint8_t hash[KGR_MAC_MAX], al[8];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, al, sizeof(al));
    kgr_wr_u64(&wr, a->aad_len * 8);
    err = mac(a, al, sizeof(al));
    if (err == KGR_OK) {
        err = kgr_prov_hmac_final(a->cbc.prov, &a->hmac, &a->cbc.key, hash, 2 * tag_len);
    }
    if (err == KGR_OK) {
        memcpy(tag, hash, tag_len);
    }
    a->cbc.broken = a->cbc.broken || err != KGR_OK;
    return err;
}

/* Room for the output of in_len bytes: the caller's buffer is written when nothing can fail any more. */
static uint8_t *new_aside(const struct kgr_prov_aead *a, size_t in_len)
{
    uint8_t *aside = malloc(in_len + KGR_BLOCK_LEN);

    if (aside == NULL) {
        (void)kgr_prov_no_memory(a->cbc.prov);
    }
    return aside;
}

static void free_aside(uint8_t *aside, size_t in_len)
{
    kgr_cleanse(aside, in_len + KGR_BLOCK_LEN);
    free(aside);
}

/* one_request tells whether the message, if it has no more data than these, is one for the agent. */
static bool one_request(const struct kgr_prov_aead *a, size_t in_len)
{
    return !a->begun && !a->hmac.streamed && !a->hmac.broken && a->aad_len <= KGR_AAD_MAX &&
           in_len <= KGR_DATA_MAX - KGR_AAD_MAX - 2 * KGR_BLOCK_LEN;
}

static struct kgr_slice aad_of(const struct kgr_prov_aead *a)
{
    return kgr_slice(a->hmac.data, a->hmac.data_len);
}

/* key_of is the key to ask for: the pinned one, or while there is none the one that would be. */
static struct kgr_key key_of(const struct kgr_prov_aead *a)
{
    return kgr_prov_key_wanted(a->cbc.prov, &a->cbc.key);
}

/* pin is for what needs more requests than one. */
enum kgr_error kgr_prov_aead_pin(struct kgr_prov_aead *a)
{
    a->unpinned = false;
    return kgr_prov_cipher_ready(&a->cbc);
}

static enum kgr_error whole_failed(struct kgr_prov_aead *a, enum kgr_error err,
                                   const struct kgr_key *key)
{
    struct kgr_prov_key named = {.named = *key};
    char uri[KGR_DIAG_MAX];

    a->cbc.broken = true;
    return kgr_prov_refused(a->cbc.prov, err, kgr_prov_key_uri(uri, &named));
}

/*
 * encrypt_whole gets E and the tag of all that came in one request, keeps the end of it for the case that no more comes, and goes on
 * as if the blocks before it had been encrypted and MACed one by one. KGR_ERR_UNSUPPORTED, and nothing done: an older agent.
 */
static enum kgr_error encrypt_whole(struct kgr_prov_aead *a, uint8_t *aside, size_t *out_len,
                                    const uint8_t *in, size_t in_len)
{
    size_t whole = in_len - in_len % KGR_BLOCK_LEN;
    struct kgr_prov_cipher *c = &a->cbc;
    struct kgr_key key = key_of(a);
    enum kgr_error err =
        kgr_etm_encrypt(c->prov->client, &key, c->first_iv, aad_of(a), kgr_slice(in, in_len), aside,
                        a->ahead_tag, c->spec->tag_len);

    if (err == KGR_ERR_UNSUPPORTED) {
        return err;
    }
    if (err != KGR_OK) {
        return whole_failed(a, err, &key);
    }
    kgr_prov_key_set_pinned(&c->key, &key, c->spec->suite);
    a->unpinned = false;
    err = begin_data(a);
    if (err == KGR_OK) {
        err = mac(a, aside, whole);
    }
    if (err != KGR_OK) {
        return err;
    }
    if (whole > 0) {
        memcpy(c->iv, aside + whole - KGR_BLOCK_LEN, KGR_BLOCK_LEN);
    }
    memcpy(c->pending, in + whole, in_len - whole);
    c->num_pending = in_len - whole;
    memcpy(a->ahead_last, aside + whole, KGR_BLOCK_LEN);
    a->ahead = true;
    *out_len = whole;
    return KGR_OK;
}

static enum kgr_error encrypt_part(struct kgr_prov_aead *a, uint8_t *aside, size_t *out_len,
                                   size_t out_cap, const uint8_t *in, size_t in_len)
{
    enum kgr_error err = kgr_prov_aead_pin(a);

    a->ahead = false;
    if (err == KGR_OK) {
        err = begin_data(a);
    }
    if (err == KGR_OK) {
        err = kgr_prov_block_update(&a->cbc, aside, out_len, out_cap, in, in_len);
    }
    return err == KGR_OK ? mac(a, aside, *out_len) : err;
}

enum kgr_error kgr_prov_aead_encrypt(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                     size_t out_cap, const uint8_t *in, size_t in_len)
{
    uint8_t *aside = new_aside(a, in_len);
    size_t n = 0;
    enum kgr_error err = KGR_ERR_UNSUPPORTED;

    if (aside == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    if (one_request(a, in_len) && in_len - in_len % KGR_BLOCK_LEN <= out_cap) {
        err = encrypt_whole(a, aside, &n, in, in_len);
    }
    if (err == KGR_ERR_UNSUPPORTED && !a->cbc.broken) {
        err = encrypt_part(a, aside, &n, out_cap, in, in_len);
    }
    if (err == KGR_OK) {
        memcpy(out, aside, n);
        *out_len = n;
    }
    free_aside(aside, in_len);
    return err;
}

static enum kgr_error decrypt_verified(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                       size_t out_cap, const uint8_t *in, size_t in_len)
{
    uint8_t *aside = new_aside(a, in_len);
    size_t n = 0, last = 0;
    enum kgr_error err;

    if (aside == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    err = kgr_prov_block_update(&a->cbc, aside, &n, out_cap, in, in_len);
    if (err == KGR_OK) {
        err = kgr_prov_block_final(&a->cbc, aside + n, &last, out_cap - n);
    }
    if (err == KGR_OK) {
        memcpy(out, aside, n + last);
        *out_len = n + last;
    }
    free_aside(aside, in_len);
    return err;
}

static enum kgr_error refuse_forged(struct kgr_prov_aead *a, const char *peer)
{
    a->cbc.broken = true;
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_CORRUPT, KGR_PROV_R_BAD_TAG, "%s", peer);
}

/* open_whole verifies and decrypts in one request. KGR_ERR_UNSUPPORTED, and nothing done: an older agent. */
static enum kgr_error open_whole(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                 const uint8_t *in, size_t in_len)
{
    const struct kgr_key key = key_of(a);
    enum kgr_error err = kgr_etm_decrypt(a->cbc.prov->client, &key, a->cbc.first_iv, aad_of(a),
                                         kgr_slice(in, in_len),
                                         kgr_slice(a->tag, a->cbc.spec->tag_len), out, out_len);

    if (err == KGR_ERR_UNSUPPORTED) {
        return err;
    }
    a->begun = true;
    a->iv_used = true;
    a->cbc.used = true;
    if (err == KGR_ERR_CORRUPT) {
        return refuse_forged(a, key.peer);
    }
    if (err != KGR_OK) {
        return whole_failed(a, err, &key);
    }
    kgr_prov_hmac_restart(a->cbc.prov, &a->hmac);
    a->done = true;
    return KGR_OK;
}

static enum kgr_error open_parts(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                 size_t out_cap, const uint8_t *in, size_t in_len)
{
    uint8_t tag[KGR_PROV_TAG_MAX];
    enum kgr_error err = kgr_prov_aead_pin(a);

    if (err == KGR_OK) {
        err = begin_data(a);
    }
    if (err == KGR_OK) {
        err = mac(a, in, in_len);
    }
    if (err == KGR_OK) {
        err = finish_mac(a, tag);
    }
    if (err == KGR_OK && !kgr_equal_ct(tag, a->tag, a->cbc.spec->tag_len)) {
        return refuse_forged(a, a->cbc.key.pinned.peer);
    }
    if (err == KGR_OK) {
        err = decrypt_verified(a, out, out_len, out_cap, in, in_len);
    }
    a->done = err == KGR_OK;
    return err;
}

/* Verifies, then decrypts, the whole ciphertext. */
enum kgr_error kgr_prov_aead_decrypt(struct kgr_prov_aead *a, uint8_t *out, size_t *out_len,
                                     size_t out_cap, const uint8_t *in, size_t in_len)
{
    const struct kgr_prov_cipher_spec *spec = a->cbc.spec;
    enum kgr_error err;

    if (a->begun) {
        return kgr_prov_aead_refuse_order(a,
                                          "a ciphertext is decrypted by one update with all of it");
    }
    if (!a->tag_set) {
        return kgr_prov_refuse(a->cbc.prov, KGR_ERR_STATE, KGR_PROV_R_TAG,
                               "set the %zu bytes of tag before the ciphertext", spec->tag_len);
    }
    if (in_len > out_cap) {
        return kgr_prov_refuse(a->cbc.prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                               "up to %zu bytes of output, room for %zu", in_len, out_cap);
    }
    a->tag_set = false; /* serves once */
    err = KGR_ERR_UNSUPPORTED;
    if (one_request(a, in_len) && in_len >= KGR_BLOCK_LEN && in_len % KGR_BLOCK_LEN == 0) {
        err = open_whole(a, out, out_len, in, in_len);
    }
    return err == KGR_ERR_UNSUPPORTED && !a->cbc.broken
               ? open_parts(a, out, out_len, out_cap, in, in_len)
               : err;
}
/* finish encrypts the last block and makes the tag. */
enum kgr_error kgr_prov_aead_finish(struct kgr_prov_aead *a, uint8_t *last, size_t *out_len,
                                    size_t out_cap)
{
    enum kgr_error err = begin_data(a);

    if (err == KGR_OK) {
        err = kgr_prov_block_final(&a->cbc, last, out_len, out_cap);
    }
    if (err == KGR_OK) {
        err = mac(a, last, *out_len);
    }
    return err == KGR_OK ? finish_mac(a, a->tag) : err;
}

/* take_ahead is finish, where both are known. */
enum kgr_error kgr_prov_aead_take_ahead(struct kgr_prov_aead *a, uint8_t *last, size_t *out_len)
{
    kgr_prov_hmac_restart(a->cbc.prov, &a->hmac);
    memcpy(last, a->ahead_last, KGR_BLOCK_LEN);
    memcpy(a->tag, a->ahead_tag, sizeof(a->tag));
    a->ahead = false;
    *out_len = KGR_BLOCK_LEN;
    return KGR_OK;
}
