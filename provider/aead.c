/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"
#include "agent/base/secret.h"
#include "agent/client/etm.h"
#include "provider/cipher.h"
#include "provider/error.h"
#include "provider/hmac.h"
#include "provider/param.h"
#include "provider/provider.h"
#include "provider/skeymgmt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

#define TAG_MAX 24

/* AL of RFC 7518 section 5.2.2.1 counts bits in 64 bits. */
#define AAD_MAX (UINT64_MAX / 8)

/*
 * The authenticated encryption of RFC 7518 section 5.2.2: AES-CBC with PKCS#7, then HMAC over
 * A || IV || E || AL, truncated to half of the hash; with both keys of a pair. Encryption streams.
 * Decryption takes the tag first and the whole ciphertext in one update, and releases nothing before
 * the tag was compared. Bare: the IV is the caller's, and there is no protection against replay.
 */
struct aead {
    struct kgr_prov_cipher cbc;
    struct kgr_prov_hmac hmac;
    uint64_t aad_len;
    bool begun;   /* data came, so that no more AAD may */
    bool done;    /* encrypted to the end, or decrypted and verified */
    bool iv_used; /* a message was begun under it */
    bool tag_set; /* tag is what the caller gave, or what we made */
    uint8_t tag[TAG_MAX];
    /*
     * A context that is initialised again by an IV alone asks for no generation: the first request for the message says which
     * one it was.
     */
    bool unpinned;
    /* If the data that came is all: the last block of E, and the tag in ahead_tag. */
    bool ahead;
    uint8_t ahead_last[KGR_BLOCK_LEN];
    uint8_t ahead_tag[TAG_MAX];
};

static OSSL_FUNC_cipher_freectx_fn aead_freectx;
static OSSL_FUNC_cipher_dupctx_fn aead_dupctx;
static OSSL_FUNC_cipher_encrypt_init_fn aead_encrypt_init;
static OSSL_FUNC_cipher_decrypt_init_fn aead_decrypt_init;
static OSSL_FUNC_cipher_update_fn aead_update;
static OSSL_FUNC_cipher_final_fn aead_final;
static OSSL_FUNC_cipher_get_ctx_params_fn aead_get_ctx_params;
static OSSL_FUNC_cipher_set_ctx_params_fn aead_set_ctx_params;
static OSSL_FUNC_cipher_gettable_ctx_params_fn aead_gettable_ctx_params;
static OSSL_FUNC_cipher_settable_ctx_params_fn aead_settable_ctx_params;

static bool set_own_params(struct aead *a, const OSSL_PARAM params[]);

static void *aead_new(const struct kgr_prov *prov, const struct kgr_prov_cipher_spec *spec)
{
    struct aead *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        (void)kgr_prov_no_memory(prov);
        return NULL;
    }
    a->cbc.prov = prov;
    a->cbc.spec = spec;
    a->cbc.padding = true;
    return a;
}

static void aead_freectx(void *cctx)
{
    struct aead *a = cctx;

    if (a == NULL) {
        return;
    }
    kgr_prov_cipher_drop_scratch(&a->cbc);
    kgr_prov_hmac_deinit(a->cbc.prov, &a->hmac);
    kgr_cleanse(a, sizeof(*a));
    free(a);
}

static void *aead_dupctx(void *cctx)
{
    const struct aead *a = cctx;
    struct aead *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        (void)kgr_prov_no_memory(a->cbc.prov);
        return NULL;
    }
    *copy = *a;
    copy->cbc.scratch = NULL;
    copy->cbc.scratch_cap = 0;
    if (kgr_prov_hmac_copy(a->cbc.prov, &copy->hmac, &a->hmac) != KGR_OK) {
        free(copy);
        return NULL;
    }
    return copy;
}

/* goes_on: the key is that of the message before, which was found usable. */
static bool goes_on(const struct aead *a, const struct kgr_prov_cipher_input *in,
                    const OSSL_PARAM params[])
{
    return in->skey == NULL && in->key == NULL && in->iv != NULL &&
           (params == NULL || params[0].key == NULL) && a->cbc.key.suite == a->cbc.spec->suite &&
           (a->unpinned || kgr_prov_key_is_pinned(&a->cbc.key));
}

/* One IV serves one message: the next needs another, even if its first init does not bring it. */
static int init(struct aead *a, bool encrypt, const struct kgr_prov_cipher_input *in,
                const OSSL_PARAM params[])
{
    kgr_prov_hmac_restart(a->cbc.prov, &a->hmac);
    a->aad_len = 0;
    a->begun = false;
    a->done = false;
    if (in->iv == NULL && a->iv_used) {
        a->cbc.iv_set = false;
    }
    a->iv_used = false;
    if (encrypt || a->cbc.encrypt) {
        a->tag_set = false; /* what an encryption made verifies nothing */
    }
    a->ahead = false;
    a->unpinned = goes_on(a, in, params);
    if (a->unpinned) {
        return kgr_prov_cipher_again(&a->cbc, encrypt, in) == KGR_OK;
    }
    return kgr_prov_cipher_init(&a->cbc, encrypt, in, params) == KGR_OK &&
           set_own_params(a, params);
}

static int aead_encrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                             const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return init(cctx, true, &in, params);
}

static int aead_decrypt_init(void *cctx, const unsigned char *key, size_t keylen,
                             const unsigned char *iv, size_t ivlen, const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {.key = key, .key_len = keylen, .iv = iv, .iv_len = ivlen};

    return init(cctx, false, &in, params);
}

static int aead_encrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv, size_t ivlen,
                                  const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return init(cctx, true, &in, params);
}

static int aead_decrypt_skey_init(void *cctx, void *skeydata, const unsigned char *iv, size_t ivlen,
                                  const OSSL_PARAM params[])
{
    struct kgr_prov_cipher_input in = {
        .skey = kgr_prov_skey_key(skeydata), .iv = iv, .iv_len = ivlen};

    return init(cctx, false, &in, params);
}

static enum kgr_error refuse_order(struct aead *a, const char *what)
{
    a->cbc.broken = true;
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_STATE, KGR_PROV_R_ORDER, "%s", what);
}

static enum kgr_error mac(struct aead *a, const uint8_t *data, size_t len)
{
    enum kgr_error err = kgr_prov_hmac_update(a->cbc.prov, &a->hmac, &a->cbc.key, data, len);

    a->cbc.broken = a->cbc.broken || err != KGR_OK;
    return err;
}

static enum kgr_error add_aad(struct aead *a, const uint8_t *aad, size_t len)
{
    if (a->begun) {
        return refuse_order(a, "associated data after data");
    }
    if (len > AAD_MAX - a->aad_len) {
        return refuse_order(a, "too much associated data");
    }
    a->iv_used = true;
    a->cbc.used = true;
    a->aad_len += len;
    return mac(a, aad, len);
}

/* A is complete: the IV follows it. */
static enum kgr_error begin_data(struct aead *a)
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
static enum kgr_error finish_mac(struct aead *a, uint8_t tag[TAG_MAX])
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
static uint8_t *new_aside(const struct aead *a, size_t in_len)
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
static bool one_request(const struct aead *a, size_t in_len)
{
    return !a->begun && !a->hmac.streamed && !a->hmac.broken && a->aad_len <= KGR_AAD_MAX &&
           in_len <= KGR_DATA_MAX - KGR_AAD_MAX - 2 * KGR_BLOCK_LEN;
}

static struct kgr_slice aad_of(const struct aead *a)
{
    return kgr_slice(a->hmac.data, a->hmac.data_len);
}

/* key_of is the key to ask for: the pinned one, or while there is none the one that would be. */
static struct kgr_key key_of(const struct aead *a)
{
    return kgr_prov_key_wanted(a->cbc.prov, &a->cbc.key);
}

/* pin is for what needs more requests than one. */
static enum kgr_error pin(struct aead *a)
{
    a->unpinned = false;
    return kgr_prov_cipher_ready(&a->cbc);
}

static enum kgr_error whole_failed(struct aead *a, enum kgr_error err, const struct kgr_key *key)
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
static enum kgr_error encrypt_whole(struct aead *a, uint8_t *aside, size_t *out_len,
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

static enum kgr_error encrypt_part(struct aead *a, uint8_t *aside, size_t *out_len, size_t out_cap,
                                   const uint8_t *in, size_t in_len)
{
    enum kgr_error err = pin(a);

    a->ahead = false;
    if (err == KGR_OK) {
        err = begin_data(a);
    }
    if (err == KGR_OK) {
        err = kgr_prov_block_update(&a->cbc, aside, out_len, out_cap, in, in_len);
    }
    return err == KGR_OK ? mac(a, aside, *out_len) : err;
}

static enum kgr_error encrypt(struct aead *a, uint8_t *out, size_t *out_len, size_t out_cap,
                              const uint8_t *in, size_t in_len)
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

static enum kgr_error decrypt_verified(struct aead *a, uint8_t *out, size_t *out_len,
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

static enum kgr_error refuse_forged(struct aead *a, const char *peer)
{
    a->cbc.broken = true;
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_CORRUPT, KGR_PROV_R_BAD_TAG, "%s", peer);
}

/* open_whole verifies and decrypts in one request. KGR_ERR_UNSUPPORTED, and nothing done: an older agent. */
static enum kgr_error open_whole(struct aead *a, uint8_t *out, size_t *out_len, const uint8_t *in,
                                 size_t in_len)
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

static enum kgr_error open_parts(struct aead *a, uint8_t *out, size_t *out_len, size_t out_cap,
                                 const uint8_t *in, size_t in_len)
{
    uint8_t tag[TAG_MAX];
    enum kgr_error err = pin(a);

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
static enum kgr_error decrypt(struct aead *a, uint8_t *out, size_t *out_len, size_t out_cap,
                              const uint8_t *in, size_t in_len)
{
    const struct kgr_prov_cipher_spec *spec = a->cbc.spec;
    enum kgr_error err;

    if (a->begun) {
        return refuse_order(a, "a ciphertext is decrypted by one update with all of it");
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
static int aead_update(void *cctx, unsigned char *out, size_t *outl, size_t outsize,
                       const unsigned char *in, size_t inl)
{
    struct aead *a = cctx;
    enum kgr_error err = a->unpinned && !a->cbc.broken ? KGR_OK : kgr_prov_cipher_ready(&a->cbc);

    if (err != KGR_OK) {
        return 0;
    }
    if (a->done) {
        return refuse_order(a, "the message is complete") == KGR_OK;
    }
    if (inl == 0 || in == NULL) {
        *outl = 0; /* nothing, or a length told in advance as CCM wants it */
        return 1;
    }
    if (out == NULL) {
        err = add_aad(a, in, inl);
        if (err == KGR_OK) {
            *outl = inl;
        }
    } else if (a->cbc.encrypt) {
        err = encrypt(a, out, outl, outsize, in, inl);
    } else {
        err = decrypt(a, out, outl, outsize, in, inl);
    }
    return err == KGR_OK;
}

/* finish encrypts the last block and makes the tag. */
static enum kgr_error finish(struct aead *a, uint8_t *last, size_t *out_len, size_t out_cap)
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
static enum kgr_error take_ahead(struct aead *a, uint8_t *last, size_t *out_len)
{
    kgr_prov_hmac_restart(a->cbc.prov, &a->hmac);
    memcpy(last, a->ahead_last, KGR_BLOCK_LEN);
    memcpy(a->tag, a->ahead_tag, sizeof(a->tag));
    a->ahead = false;
    *out_len = KGR_BLOCK_LEN;
    return KGR_OK;
}

static int aead_final(void *cctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct aead *a = cctx;
    uint8_t last[KGR_BLOCK_LEN];
    size_t n = 0;
    enum kgr_error err = a->done && !a->cbc.broken ? KGR_OK : pin(a);

    if (err != KGR_OK) {
        return 0;
    }
    if (!a->cbc.encrypt) {
        if (!a->done) {
            return refuse_order(a, "no ciphertext was verified") == KGR_OK;
        }
        *outl = 0;
        return 1;
    }
    if (a->done) {
        return refuse_order(a, "the message is complete") == KGR_OK;
    }
    if (out == NULL) {
        (void)kgr_prov_refuse(a->cbc.prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                              "no output buffer for the last block");
        return 0;
    }
    err = a->ahead && outsize >= KGR_BLOCK_LEN ? take_ahead(a, last, &n)
                                               : finish(a, last, &n, outsize);
    if (err != KGR_OK) {
        return 0;
    }
    memcpy(out, last, n);
    a->tag_set = true;
    a->done = true;
    *outl = n;
    return 1;
}

static enum kgr_error refuse_tag_len(const struct aead *a, uint64_t len)
{
    return kgr_prov_refuse(a->cbc.prov, KGR_ERR_INVALID, KGR_PROV_R_TAG,
                           "%llu bytes for %s, whose tags have %zu", (unsigned long long)len,
                           a->cbc.spec->name, a->cbc.spec->tag_len);
}

static enum kgr_error get_tag(const struct aead *a, OSSL_PARAM *p)
{
    if (!a->cbc.encrypt || !a->done) {
        return kgr_prov_refuse(a->cbc.prov, KGR_ERR_STATE, KGR_PROV_R_ORDER, "%s",
                               "the tag is there after the end of an encryption");
    }
    if (p->data_size != a->cbc.spec->tag_len) {
        return refuse_tag_len(a, p->data_size);
    }
    return kgr_param_set_octets(p, a->tag, a->cbc.spec->tag_len) ? KGR_OK : KGR_ERR_INVALID;
}

static int aead_get_ctx_params(void *cctx, OSSL_PARAM params[])
{
    struct aead *a = cctx;

    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAGLEN) &&
            !kgr_param_set_uint(p, a->cbc.spec->tag_len)) {
            return 0;
        }
        if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAG) && get_tag(a, p) != KGR_OK) {
            return 0;
        }
    }
    return kgr_prov_cipher_get_ctx_params(&a->cbc, params);
}

/* Without bytes only the length is meant (EVP_CTRL_AEAD_SET_TAG with NULL). */
static enum kgr_error set_tag(struct aead *a, const OSSL_PARAM *p)
{
    const uint8_t *tag;
    size_t len;

    if (!kgr_param_get_octets(p, &tag, &len) || len != a->cbc.spec->tag_len) {
        return refuse_tag_len(a, p->data_size);
    }
    if (tag == NULL) {
        return KGR_OK;
    }
    if (a->cbc.started && a->cbc.encrypt) {
        return refuse_order(a, "an encryption makes its tag itself");
    }
    memcpy(a->tag, tag, len);
    a->tag_set = true;
    return KGR_OK;
}

static enum kgr_error set_param(struct aead *a, const OSSL_PARAM *p)
{
    uint64_t n = 0;

    if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAG)) {
        return set_tag(a, p);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD_TAGLEN)) {
        if (!kgr_param_get_uint(p, &n) || n != a->cbc.spec->tag_len) {
            return refuse_tag_len(a, n);
        }
    }
    return KGR_OK;
}

static bool set_own_params(struct aead *a, const OSSL_PARAM params[])
{
    a->cbc.padding = true; /* part of the construction, whatever was set */
    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (set_param(a, p) != KGR_OK) {
            return false;
        }
    }
    return true;
}

static int aead_set_ctx_params(void *cctx, const OSSL_PARAM params[])
{
    struct aead *a = cctx;

    return kgr_prov_cipher_set(&a->cbc, params) == KGR_OK && set_own_params(a, params);
}

static const OSSL_PARAM *aead_gettable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_RANDOM_KEY, NULL, 0),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
        OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}

static const OSSL_PARAM *aead_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
                                       OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
                                       OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}

#define AEAD(id, text, key, tag, suite_id)                                                         \
    static const struct kgr_prov_cipher_spec id##_spec = {.name = (text),                          \
                                                          .mode = KGR_MODE_CBC,                    \
                                                          .evp_mode = EVP_CIPH_CBC_MODE,           \
                                                          .key_len = (key),                        \
                                                          .block_len = KGR_BLOCK_LEN,              \
                                                          .iv_len = KGR_BLOCK_LEN,                 \
                                                          .tag_len = (tag),                        \
                                                          .suite = (suite_id)};                    \
    static OSSL_FUNC_cipher_newctx_fn id##_newctx;                                                 \
    static void *id##_newctx(void *provctx)                                                        \
    {                                                                                              \
        return aead_new(provctx, &id##_spec);                                                      \
    }                                                                                              \
    static OSSL_FUNC_cipher_get_params_fn id##_get_params;                                         \
    static int id##_get_params(OSSL_PARAM params[])                                                \
    {                                                                                              \
        return kgr_prov_cipher_get_params(&id##_spec, params);                                     \
    }                                                                                              \
    const OSSL_DISPATCH kgr_prov_##id##_functions[] = {                                            \
        {OSSL_FUNC_CIPHER_NEWCTX, KGR_PROV_FN(id##_newctx)},                                       \
        {OSSL_FUNC_CIPHER_FREECTX, KGR_PROV_FN(aead_freectx)},                                     \
        {OSSL_FUNC_CIPHER_DUPCTX, KGR_PROV_FN(aead_dupctx)},                                       \
        {OSSL_FUNC_CIPHER_ENCRYPT_INIT, KGR_PROV_FN(aead_encrypt_init)},                           \
        {OSSL_FUNC_CIPHER_DECRYPT_INIT, KGR_PROV_FN(aead_decrypt_init)},                           \
        {OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT, KGR_PROV_FN(aead_encrypt_skey_init)},                 \
        {OSSL_FUNC_CIPHER_DECRYPT_SKEY_INIT, KGR_PROV_FN(aead_decrypt_skey_init)},                 \
        {OSSL_FUNC_CIPHER_UPDATE, KGR_PROV_FN(aead_update)},                                       \
        {OSSL_FUNC_CIPHER_FINAL, KGR_PROV_FN(aead_final)},                                         \
        {OSSL_FUNC_CIPHER_GET_PARAMS, KGR_PROV_FN(id##_get_params)},                               \
        {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, KGR_PROV_FN(aead_get_ctx_params)},                       \
        {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, KGR_PROV_FN(aead_set_ctx_params)},                       \
        {OSSL_FUNC_CIPHER_GETTABLE_PARAMS, KGR_PROV_FN(kgr_prov_cipher_gettable_params)},          \
        {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, KGR_PROV_FN(aead_gettable_ctx_params)},             \
        {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, KGR_PROV_FN(aead_settable_ctx_params)},             \
        {0, NULL}};

AEAD(aes_128_etm, "KGR-AES-128-CBC-HMAC-SHA256-ETM", 16, 16, KGR_SUITE_AES_128_CBC_HMAC_SHA256)
AEAD(aes_256_etm, "KGR-AES-256-CBC-HMAC-SHA384-ETM", 32, 24, KGR_SUITE_AES_256_CBC_HMAC_SHA384)
