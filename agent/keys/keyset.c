/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/keyset.h"

#include <stdlib.h>

#include "agent/keys/resident.h"
#include "agent/keys/sealed.h"
#include "agent/seal/software.h"

struct kgr_keyset {
    enum kgr_suite suite;
    struct kgr_resident_key *resident; /* owned; one of the two */
    struct kgr_sealed_key *sealed;
    uint8_t ids[2][KGR_TPM_NAME_MAX]; /* by kind - 1 */
    size_t id_len;
};

struct kgr_keyset_stream {
    struct kgr_tpm_hmac_stream *resident; /* owned; one of the two */
    struct kgr_software_stream *software;
};

static enum kgr_error note_id(struct kgr_keyset *key, const struct kgr_tpm_public *pub,
                              enum kgr_tpm_kind kind)
{
    struct kgr_tpm_name name;
    enum kgr_error err;

    if (kgr_tpm_check_resident(pub, key->suite, kind) != KGR_OK) {
        key->id_len = KGR_TPM_HASH_LEN;
        return kgr_tpm_public_unique(pub, key->ids[kind - 1]);
    }
    err = kgr_tpm_public_name(&name, pub);
    if (err != KGR_OK)
        return err;
    key->id_len = name.len;
    kgr_copy(key->ids[kind - 1], name.bytes, name.len);
    return KGR_OK;
}

enum kgr_error kgr_keyset_new(struct kgr_keyset **out, enum kgr_suite suite,
                              const struct kgr_tpm_object *parent,
                              const struct kgr_key_blobs *blobs, uint64_t id_enc,
                              struct kgr_tpm_auth *auth_enc, uint64_t id_mac,
                              struct kgr_tpm_auth *auth_mac)
{
    struct kgr_keyset *key = calloc(1, sizeof(*key));
    enum kgr_error err;

    if (key == NULL)
        return KGR_ERR_NO_MEMORY;
    key->suite = suite;
    err = note_id(key, &blobs->enc.pub, KGR_TPM_ENC);
    if (err == KGR_OK)
        err = note_id(key, &blobs->mac.pub, KGR_TPM_MAC);
    if (err == KGR_OK &&
        kgr_tpm_check_form(&blobs->enc.pub, suite, KGR_TPM_ENC, KGR_TPM_DATA) == KGR_OK)
        err = kgr_sealed_key_new(&key->sealed, suite, parent, blobs, auth_enc, auth_mac);
    else if (err == KGR_OK)
        err = kgr_resident_key_new(&key->resident, suite, parent, blobs, id_enc, auth_enc, id_mac,
                                   auth_mac);
    if (err != KGR_OK) {
        free(key);
        return err;
    }
    *out = key;
    return KGR_OK;
}

void kgr_keyset_free(struct kgr_keyset *key)
{
    if (key == NULL)
        return;
    kgr_resident_key_free(key->resident);
    kgr_sealed_key_free(key->sealed);
    free(key);
}

void kgr_keyset_unload(struct kgr_keyset *key, struct kgr_tpm *tpm)
{
    if (key->resident != NULL)
        kgr_resident_key_unload(key->resident, tpm);
    kgr_keyset_close(key);
}

void kgr_keyset_close(struct kgr_keyset *key)
{
    if (key->sealed != NULL)
        kgr_sealed_key_close(key->sealed);
}

bool kgr_keyset_is_sealed(const struct kgr_keyset *key)
{
    return key->sealed != NULL;
}

bool kgr_keyset_is_ready(const struct kgr_keyset *key)
{
    return key->sealed != NULL && kgr_sealed_key_is_open(key->sealed);
}

bool kgr_keyset_blobs(const struct kgr_keyset *key, struct kgr_key_blobs *out)
{
    if (key->resident == NULL)
        return false;
    kgr_resident_key_blobs(key->resident, out);
    return true;
}

struct kgr_software_key *kgr_keyset_hold(struct kgr_keyset *key)
{
    return key->sealed == NULL ? NULL : kgr_sealed_key_hold(key->sealed);
}

enum kgr_suite kgr_keyset_suite(const struct kgr_keyset *key)
{
    return key->suite;
}

struct kgr_slice kgr_keyset_id(const struct kgr_keyset *key, enum kgr_tpm_kind kind)
{
    return kgr_slice(key->ids[kind - 1], key->id_len);
}

struct cipher_op {
    enum kgr_tpm_mode mode;
    bool encrypt;
    uint8_t *iv;
    const uint8_t *in;
    size_t len;
    uint8_t *out;
};

static enum kgr_error do_cipher(struct kgr_software_key *keys, void *arg)
{
    const struct cipher_op *op = arg;

    return kgr_software_cipher(keys, (int)op->mode, op->encrypt, op->iv, op->in, op->len, op->out);
}

enum kgr_error kgr_keyset_cipher(struct kgr_keyset_use *use, enum kgr_tpm_mode mode,
                                 enum kgr_tpm_direction direction, uint8_t iv[KGR_IV_LEN],
                                 const uint8_t *in, size_t len, uint8_t *out)
{
    struct kgr_resident_use resident = {use->tpm, use->key->resident, use->diag};
    struct cipher_op op = {mode, direction == KGR_TPM_ENCRYPT, iv, in, len, out};

    if (use->key->sealed != NULL)
        return kgr_sealed_key_use(use->key->sealed, use->tpm, do_cipher, &op, use->diag);
    return kgr_resident_cipher(&resident, mode, direction, iv, in, len, out);
}

struct hmac_op {
    const struct kgr_slice *parts;
    size_t num_parts;
    uint8_t *out;
};

static enum kgr_error do_hmac(struct kgr_software_key *keys, void *arg)
{
    const struct hmac_op *op = arg;
    struct kgr_seal_key seal = kgr_software_key_seal(keys);

    return seal.vt->hmac(seal.ctx, op->parts, op->num_parts, op->out);
}

enum kgr_error kgr_keyset_hmac(struct kgr_keyset_use *use, const struct kgr_slice *parts,
                               size_t num_parts, uint8_t *out)
{
    struct kgr_resident_use resident = {use->tpm, use->key->resident, use->diag};
    struct hmac_op op = {parts, num_parts, out};

    if (use->key->sealed != NULL)
        return kgr_sealed_key_use(use->key->sealed, use->tpm, do_hmac, &op, use->diag);
    return kgr_resident_hmac(&resident, parts, num_parts, out);
}

/*
 * The construction takes KGR_ERR_CORRUPT from a primitive for its own verdict on the data; here it
 * would be one on the blob, which is another matter.
 */
static enum kgr_error not_corrupt(enum kgr_error err)
{
    return err == KGR_ERR_CORRUPT ? KGR_ERR_TPM : err;
}

static enum kgr_error seal_cbc(struct kgr_keyset_use *use, enum kgr_tpm_direction direction,
                               const uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len,
                               uint8_t *out)
{
    uint8_t chain[KGR_IV_LEN];

    kgr_copy(chain, iv, sizeof(chain));
    return not_corrupt(kgr_keyset_cipher(use, KGR_TPM_CBC, direction, chain, in, len, out));
}

static enum kgr_error seal_encrypt(void *ctx, const uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                   size_t len, uint8_t *out)
{
    return seal_cbc(ctx, KGR_TPM_ENCRYPT, iv, in, len, out);
}

static enum kgr_error seal_decrypt(void *ctx, const uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                   size_t len, uint8_t *out)
{
    return seal_cbc(ctx, KGR_TPM_DECRYPT, iv, in, len, out);
}

static enum kgr_error seal_hmac(void *ctx, const struct kgr_slice *parts, size_t num_parts,
                                uint8_t *out)
{
    return not_corrupt(kgr_keyset_hmac(ctx, parts, num_parts, out));
}

static enum kgr_error do_seal(struct kgr_software_key *keys, void *arg)
{
    return kgr_software_seal(keys, arg, 1);
}

static enum kgr_error seal_at_once(void *ctx, uint8_t *out_ciphertext, uint8_t *out_tag,
                                   const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                                   struct kgr_slice plaintext)
{
    struct kgr_keyset_use *use = ctx;
    struct kgr_software_message message = {
        .aad = {aad}, .iv = iv, .text = plaintext, .out = out_ciphertext, .tag = out_tag};

    return not_corrupt(
        kgr_sealed_key_use(use->key->sealed, use->tpm, do_seal, &message, use->diag));
}

struct kgr_seal_key kgr_keyset_use_seal(struct kgr_keyset_use *use)
{
    static const struct kgr_seal_vtable resident = {
        .cbc_encrypt = seal_encrypt, .cbc_decrypt = seal_decrypt, .hmac = seal_hmac};
    static const struct kgr_seal_vtable sealed = {.cbc_encrypt = seal_encrypt,
                                                  .cbc_decrypt = seal_decrypt,
                                                  .hmac = seal_hmac,
                                                  .seal = seal_at_once};
    struct kgr_seal_key key = {.vt = use->key->sealed != NULL ? &sealed : &resident,
                               .ctx = use,
                               .suite = kgr_keyset_suite(use->key)};

    return key;
}

static enum kgr_error do_start(struct kgr_software_key *keys, void *arg)
{
    return kgr_software_stream_start(keys, arg);
}

enum kgr_error kgr_keyset_stream_start(struct kgr_keyset_use *use, struct kgr_keyset_stream **out)
{
    struct kgr_resident_use resident = {use->tpm, use->key->resident, use->diag};
    struct kgr_keyset_stream *stream = calloc(1, sizeof(*stream));
    enum kgr_error err;

    if (stream == NULL)
        return KGR_ERR_NO_MEMORY;
    if (use->key->sealed != NULL)
        err =
            kgr_sealed_key_use(use->key->sealed, use->tpm, do_start, &stream->software, use->diag);
    else
        err = kgr_resident_hmac_start(&resident, &stream->resident);
    if (err != KGR_OK) {
        free(stream);
        return err;
    }
    *out = stream;
    return KGR_OK;
}

bool kgr_keyset_stream_is_ready(const struct kgr_keyset_stream *stream)
{
    return stream->software != NULL;
}

enum kgr_error kgr_keyset_stream_update(struct kgr_tpm *tpm, struct kgr_keyset_stream *stream,
                                        struct kgr_slice data, struct kgr_diag *diag)
{
    if (stream->software != NULL)
        return kgr_software_stream_update(stream->software, data);
    return kgr_tpm_hmac_update(tpm, stream->resident, data, diag);
}

enum kgr_error kgr_keyset_stream_final(struct kgr_tpm *tpm, struct kgr_keyset_stream *stream,
                                       uint8_t *out, size_t out_len, struct kgr_diag *diag)
{
    if (stream->software != NULL)
        return kgr_software_stream_final(stream->software, out, out_len);
    return kgr_tpm_hmac_final(tpm, stream->resident, out, out_len, diag);
}

void kgr_keyset_stream_free(struct kgr_keyset_stream *stream)
{
    if (stream == NULL)
        return;
    kgr_tpm_hmac_stream_free(stream->resident);
    kgr_software_stream_free(stream->software);
    free(stream);
}
