/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/software.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "agent/base/secret.h"
#include "agent/seal/cbc.h"
#include "agent/seal/hmac.h"
#include "agent/seal/library.h"

/*
 * What is encrypted is MACed while it is still in the first level of the cache. 16 KiB of suite 1 (OpenSSL 3.0, one core): 18.9 us
 * in pieces of 1 KiB, 19.6 of 4 KiB, 20.1 in two passes.
 */
#define PIECE    1024u
#define MODE_CBC 2 /* docs/protocol.md, section 11 */

struct secrets {
    uint8_t enc_key[KGR_ENC_KEY_MAX];
    struct kgr_hmac_key mac;
};

struct kgr_software_key {
    enum kgr_suite suite;
    atomic_uint holders;
    struct kgr_cbc *cbc;     /* owned */
    struct secrets *secrets; /* owned, in the arena */
};

enum kgr_error kgr_software_key_new(struct kgr_software_key **out, enum kgr_suite suite,
                                    struct kgr_slice enc, struct kgr_slice mac)
{
    struct kgr_software_key *key;
    enum kgr_error err = KGR_OK;

    if (!kgr_suite_known(suite) || enc.len != kgr_suite_enc_key_len(suite) ||
        (mac.len != kgr_suite_mac_key_len(suite) && mac.len != kgr_suite_mac_key_len(suite) / 2))
        return KGR_ERR_INVALID;
    key = calloc(1, sizeof(*key));
    if (key == NULL)
        return KGR_ERR_NO_MEMORY;
    key->suite = suite;
    atomic_init(&key->holders, 1);
    key->secrets = kgr_secret_alloc(sizeof(*key->secrets));
    if (key->secrets == NULL)
        err = KGR_ERR_NO_MEMORY;
    if (err == KGR_OK) {
        kgr_copy(key->secrets->enc_key, enc.p, enc.len);
        err = kgr_hmac_key_set(&key->secrets->mac, suite, mac);
    }
    if (err == KGR_OK)
        err = kgr_cbc_new(&key->cbc, suite, key->secrets->enc_key);
    if (err != KGR_OK) {
        kgr_software_key_free(key);
        return err;
    }
    *out = key;
    return KGR_OK;
}

struct kgr_software_key *kgr_software_key_hold(struct kgr_software_key *key)
{
    (void)atomic_fetch_add_explicit(&key->holders, 1, memory_order_relaxed);
    return key;
}

void kgr_software_key_free(struct kgr_software_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->holders, 1, memory_order_acq_rel) != 1)
        return;
    kgr_cbc_free(key->cbc);
    kgr_secret_free(key->secrets);
    free(key);
}

static enum kgr_error cbc(struct kgr_software_key *key, const uint8_t *iv, const uint8_t *in,
                          size_t len, uint8_t *out, bool encrypt, uint8_t *out_chain)
{
    struct kgr_cbc_use use;
    enum kgr_error err;

    if (len > INT_MAX)
        return KGR_ERR_TOO_LARGE;
    err = kgr_cbc_begin(&use, key->cbc, encrypt);
    if (err != KGR_OK)
        return err;
    kgr_cbc_message(&use, iv);
    err = kgr_cbc_update(&use, in, len, out);
    if (err == KGR_OK && out_chain != NULL)
        kgr_cbc_chain(&use, out_chain);
    kgr_cbc_end(&use);
    return err;
}

static enum kgr_error cbc_encrypt(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                  uint8_t *out)
{
    return cbc(ctx, iv, in, len, out, true, NULL);
}

static enum kgr_error cbc_decrypt(void *ctx, const uint8_t *iv, const uint8_t *in, size_t len,
                                  uint8_t *out)
{
    return cbc(ctx, iv, in, len, out, false, NULL);
}

static enum kgr_error hmac(void *arg, const struct kgr_slice *parts, size_t num_parts, uint8_t *out)
{
    const struct kgr_software_key *key = arg;
    struct kgr_hmac run;

    kgr_hmac_start(&run, &key->secrets->mac);
    for (size_t i = 0; i < num_parts; i++)
        kgr_hmac_add(&run, parts[i]);
    kgr_hmac_end(&run, &key->secrets->mac.outer, out);
    return KGR_OK;
}

/* One pass */

/* seal_body encrypts and MACs, piece by piece; the last block has its padding aside. */
static enum kgr_error seal_body(struct kgr_cbc_use *use, struct kgr_hmac *run,
                                const struct kgr_software_message *m, const uint8_t *last)
{
    size_t whole = m->text.len - m->text.len % KGR_BLOCK_LEN;
    enum kgr_error err = KGR_OK;

    for (size_t at = 0; err == KGR_OK && at < whole; at += PIECE) {
        size_t piece = whole - at < PIECE ? whole - at : PIECE;

        err = kgr_cbc_update(use, m->text.p + at, piece, m->out + at);
        kgr_hmac_add(run, kgr_slice(m->out + at, piece));
        if (at + piece < whole)
            kgr_hmac_flush(run);
    }
    if (err == KGR_OK)
        err = kgr_cbc_update(use, last, KGR_BLOCK_LEN, m->out + whole);
    kgr_hmac_add(run, kgr_slice(m->out + whole, KGR_BLOCK_LEN));
    return err;
}

static void cut_tag(struct kgr_hmac *run, const struct kgr_software_key *key, size_t aad_len,
                    uint8_t *out_tag)
{
    uint8_t hash[KGR_HASH_MAX];
    uint8_t al[8];
    struct kgr_wr wr;

    kgr_wr_init(&wr, al, sizeof(al));
    kgr_wr_u64(&wr, (uint64_t)aad_len * 8);
    kgr_hmac_add(run, kgr_slice(al, sizeof(al)));
    kgr_hmac_end(run, &key->secrets->mac.outer, hash);
    kgr_copy(out_tag, hash, kgr_suite_tag_len(key->suite));
    /* The half that is not sent must not be left for a forger to find. */
    kgr_cleanse(hash, sizeof(hash));
}

static enum kgr_error seal_one(struct kgr_cbc_use *use, const struct kgr_software_key *key,
                               const struct kgr_software_message *m)
{
    size_t odd = m->text.len % KGR_BLOCK_LEN;
    uint8_t last[KGR_BLOCK_LEN];
    struct kgr_hmac run;
    enum kgr_error err;

    memset(last, (int)(KGR_BLOCK_LEN - odd), sizeof(last));
    if (odd != 0)
        memcpy(last, m->text.p + m->text.len - odd, odd);
    kgr_hmac_start(&run, &key->secrets->mac);
    kgr_hmac_add(&run, m->aad[0]);
    kgr_hmac_add(&run, m->aad[1]);
    kgr_hmac_add(&run, kgr_slice(m->iv, KGR_IV_LEN));
    kgr_cbc_message(use, m->iv);
    err = seal_body(use, &run, m, last);
    if (err == KGR_OK)
        cut_tag(&run, key, m->aad[0].len + m->aad[1].len, m->tag);
    else
        kgr_cleanse(m->out, kgr_suite_ciphertext_len(m->text.len));
    kgr_cleanse(last, sizeof(last));
    kgr_cleanse(&run, sizeof(run));
    return err;
}

enum kgr_error kgr_software_seal(struct kgr_software_key *key,
                                 const struct kgr_software_message *messages, size_t num)
{
    struct kgr_cbc_use use;
    enum kgr_error err;

    for (size_t i = 0; i < num; i++)
        if (messages[i].text.len > INT_MAX - KGR_BLOCK_LEN)
            return KGR_ERR_TOO_LARGE;
    err = kgr_cbc_begin(&use, key->cbc, true);
    if (err != KGR_OK)
        return err;
    for (size_t i = 0; err == KGR_OK && i < num; i++)
        err = seal_one(&use, key, &messages[i]);
    kgr_cbc_end(&use);
    return err;
}

static enum kgr_error one_pass(void *ctx, uint8_t *out_ciphertext, uint8_t *out_tag,
                               const uint8_t *iv, struct kgr_slice aad, struct kgr_slice plaintext)
{
    struct kgr_software_message message = {
        .aad = {aad}, .iv = iv, .text = plaintext, .out = out_ciphertext, .tag = out_tag};

    return kgr_software_seal(ctx, &message, 1);
}

enum kgr_error kgr_software_open(struct kgr_software_key *key, struct kgr_software_sealed *m)
{
    uint8_t tag[KGR_TAG_MAX];
    struct kgr_hmac run;
    enum kgr_error err;
    bool good;

    if (m->text.len == 0 || m->text.len % KGR_BLOCK_LEN != 0 ||
        m->tag.len != kgr_suite_tag_len(key->suite))
        return KGR_ERR_CORRUPT;
    kgr_hmac_start(&run, &key->secrets->mac);
    kgr_hmac_add(&run, m->aad[0]);
    kgr_hmac_add(&run, m->aad[1]);
    kgr_hmac_add(&run, kgr_slice(m->iv, KGR_IV_LEN));
    kgr_hmac_add(&run, m->text);
    cut_tag(&run, key, m->aad[0].len + m->aad[1].len, tag);
    good = kgr_equal_ct(tag, m->tag.p, m->tag.len);
    kgr_cleanse(tag, sizeof(tag));
    if (!good)
        return KGR_ERR_CORRUPT;
    err = cbc(key, m->iv, m->text.p, m->text.len, m->out, false, NULL);
    if (err == KGR_OK)
        err = kgr_seal_unpad(&m->out_len, m->out, m->text.len);
    if (err != KGR_OK)
        kgr_cleanse(m->out, m->text.len);
    return err;
}

/* The raw door */

static EVP_CIPHER *ciphers[2][6]; /* by suite - 1 and mode; as long as the process */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch_ciphers(void)
{
    static const char *const names[2][6] = {
        {NULL, "AES-128-ECB", "AES-128-CBC", "AES-128-CTR", "AES-128-CFB", "AES-128-OFB"},
        {NULL, "AES-256-ECB", "AES-256-CBC", "AES-256-CTR", "AES-256-CFB", "AES-256-OFB"}};
    OSSL_LIB_CTX *library = kgr_crypto_library();

    for (size_t suite = 0; library != NULL && suite < 2; suite++)
        for (size_t mode = 1; mode < KGR_ARRAY_LEN(names[0]); mode++)
            ciphers[suite][mode] = EVP_CIPHER_fetch(library, names[suite][mode], NULL);
}

static enum kgr_error any_mode(const struct kgr_software_key *key, EVP_CIPHER *cipher, bool encrypt,
                               uint8_t *iv, const uint8_t *in, size_t len, uint8_t *out)
{
    enum kgr_error err = KGR_ERR_FAILED;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    if (ctx == NULL)
        return KGR_ERR_NO_MEMORY;
    if (EVP_CipherInit_ex2(ctx, cipher, key->secrets->enc_key, iv, encrypt ? 1 : 0, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
        EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len &&
        (EVP_CIPHER_get_iv_length(cipher) == 0 ||
         EVP_CIPHER_CTX_get_updated_iv(ctx, iv, KGR_IV_LEN) == 1))
        err = KGR_OK;
    EVP_CIPHER_CTX_free(ctx);
    return err;
}

enum kgr_error kgr_software_cipher(struct kgr_software_key *key, int mode, bool encrypt,
                                   uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len,
                                   uint8_t *out)
{
    EVP_CIPHER *cipher;

    if (mode < 1 || (size_t)mode >= KGR_ARRAY_LEN(ciphers[0]))
        return KGR_ERR_UNSUPPORTED;
    if (len > INT_MAX)
        return KGR_ERR_TOO_LARGE;
    if (mode == MODE_CBC)
        return cbc(key, iv, in, len, out, encrypt, iv);
    if (pthread_once(&once, fetch_ciphers) != 0)
        return KGR_ERR_FAILED;
    cipher = ciphers[key->suite == KGR_SUITE_AES256_SHA384][mode];
    return cipher == NULL ? KGR_ERR_FAILED : any_mode(key, cipher, encrypt, iv, in, len, out);
}

enum kgr_error kgr_software_hmac(const struct kgr_software_key *key, struct kgr_slice data,
                                 uint8_t out[KGR_HASH_MAX])
{
    return hmac((void *)(uintptr_t)key, &data, 1, out);
}

/* Streams */

struct kgr_software_stream {
    struct kgr_hmac inner;
    union kgr_hash_value outer;
    size_t hash_len;
    bool ended;
};

enum kgr_error kgr_software_stream_start(const struct kgr_software_key *key,
                                         struct kgr_software_stream **out)
{
    struct kgr_software_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_hmac_start(&stream->inner, &key->secrets->mac);
    stream->outer = key->secrets->mac.outer;
    stream->hash_len = kgr_suite_hash_len(key->suite);
    *out = stream;
    return KGR_OK;
}

enum kgr_error kgr_software_stream_update(struct kgr_software_stream *stream, struct kgr_slice data)
{
    if (stream->ended)
        return KGR_ERR_STATE;
    kgr_hmac_add(&stream->inner, data);
    kgr_hmac_flush(&stream->inner);
    return KGR_OK;
}

enum kgr_error kgr_software_stream_final(struct kgr_software_stream *stream, uint8_t *out,
                                         size_t out_len)
{
    if (stream->ended)
        return KGR_ERR_STATE;
    if (out_len != stream->hash_len)
        return KGR_ERR_INVALID;
    kgr_hmac_end(&stream->inner, &stream->outer, out);
    stream->ended = true;
    return KGR_OK;
}

void kgr_software_stream_free(struct kgr_software_stream *stream)
{
    if (stream == NULL)
        return;
    kgr_cleanse(stream, sizeof(*stream));
    free(stream);
}

struct kgr_seal_key kgr_software_key_seal(struct kgr_software_key *key)
{
    static const struct kgr_seal_vtable vt = {
        .cbc_encrypt = cbc_encrypt,
        .cbc_decrypt = cbc_decrypt,
        .hmac = hmac,
        .seal = one_pass,
    };
    struct kgr_seal_key seal = {.vt = &vt, .ctx = key, .suite = key->suite};

    return seal;
}
