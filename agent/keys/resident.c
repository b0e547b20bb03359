/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/resident.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/template.h"
#include "agent/tpm/tpm.h"

/* One of the two objects. */
struct half {
    uint64_t id;
    struct kgr_tpm_blob blob;
    struct kgr_tpm_name name;
    struct kgr_tpm_auth *auth; /* owned, in the arena */
};

struct kgr_resident_key {
    enum kgr_suite suite;
    const struct kgr_tpm_object *parent; /* borrowed */
    struct half enc;
    struct half mac;
};

static enum kgr_error fill(struct half *half, enum kgr_suite suite, enum kgr_tpm_kind kind,
                           const struct kgr_tpm_blob *blob, uint64_t id)
{
    enum kgr_error err = kgr_tpm_check_resident(&blob->pub, suite, kind);

    if (err != KGR_OK)
        err = kgr_tpm_check_form(&blob->pub, suite, kind, KGR_TPM_KEY);
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&half->name, &blob->pub);
    half->id = id;
    half->blob = *blob;
    return err;
}

enum kgr_error kgr_resident_key_new(struct kgr_resident_key **out, enum kgr_suite suite,
                                    const struct kgr_tpm_object *parent,
                                    const struct kgr_key_blobs *blobs, uint64_t id_enc,
                                    struct kgr_tpm_auth *auth_enc, uint64_t id_mac,
                                    struct kgr_tpm_auth *auth_mac)
{
    struct kgr_resident_key *key = calloc(1, sizeof(*key));
    enum kgr_error err;

    if (key == NULL)
        return KGR_ERR_NO_MEMORY;
    key->suite = suite;
    key->parent = parent;
    err = fill(&key->enc, suite, KGR_TPM_ENC, &blobs->enc, id_enc);
    if (err == KGR_OK)
        err = fill(&key->mac, suite, KGR_TPM_MAC, &blobs->mac, id_mac);
    if (err != KGR_OK) {
        free(key);
        return err;
    }
    key->enc.auth = auth_enc;
    key->mac.auth = auth_mac;
    *out = key;
    return KGR_OK;
}

void kgr_resident_key_free(struct kgr_resident_key *key)
{
    if (key == NULL)
        return;
    kgr_secret_free(key->enc.auth);
    kgr_secret_free(key->mac.auth);
    free(key);
}

void kgr_resident_key_unload(struct kgr_resident_key *key, struct kgr_tpm *tpm)
{
    kgr_tpm_forget_key(tpm, key->enc.id);
    kgr_tpm_forget_key(tpm, key->mac.id);
}

void kgr_resident_key_blobs(const struct kgr_resident_key *key, struct kgr_key_blobs *out)
{
    out->enc = key->enc.blob;
    out->mac = key->mac.blob;
}

static struct kgr_tpm_loadable loadable(const struct kgr_resident_key *key, const struct half *half)
{
    struct kgr_tpm_loadable loadable = {
        .id = half->id, .parent = key->parent, .blob = &half->blob, .auth = half->auth};

    return loadable;
}

struct cipher_op {
    enum kgr_tpm_mode mode;
    enum kgr_tpm_direction direction;
    uint8_t *iv;
    const uint8_t *in;
    size_t len;
    uint8_t *out;
};

static enum kgr_error do_cipher(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                                struct kgr_diag *diag)
{
    const struct cipher_op *op = arg;

    return kgr_tpm_cipher(tpm, key, op->mode, op->direction, op->iv, op->in, op->len, op->out,
                          diag);
}

/* A few commands' worth; the key is in its slot while they run. */
static enum kgr_error cipher_step(struct kgr_resident_use *use, struct cipher_op *op, uint8_t *copy)
{
    struct kgr_tpm_loadable key = loadable(use->key, &use->key->enc);

    /* A second attempt after a reset needs the input that the first one overwrote. */
    if (copy != NULL) {
        memcpy(copy, op->in, op->len);
        op->in = copy;
    }
    return kgr_tpm_use_key(use->tpm, &key, do_cipher, op, use->diag);
}

enum kgr_error kgr_resident_cipher(struct kgr_resident_use *use, enum kgr_tpm_mode mode,
                                   enum kgr_tpm_direction direction, uint8_t iv[KGR_IV_LEN],
                                   const uint8_t *in, size_t len, uint8_t *out)
{
    size_t most = (size_t)(kgr_tpm_capability(use->tpm)->max_buffer / KGR_BLOCK_LEN) *
                  KGR_BLOCK_LEN * KGR_TPM_STEP;
    size_t first = len < most ? len : most;
    uint8_t *copy = NULL;
    enum kgr_error err = KGR_OK;

    if (in == out && len != 0) {
        copy = malloc(first);
        if (copy == NULL)
            return KGR_ERR_NO_MEMORY;
    }
    for (size_t done = 0; err == KGR_OK && done < len;) {
        size_t now = len - done < most ? len - done : most;
        struct cipher_op op = {mode, direction, iv, in + done, now, out + done};

        if (done > 0)
            kgr_tpm_let_others(use->tpm);
        err = cipher_step(use, &op, copy);
        done += now;
    }
    if (copy != NULL)
        kgr_cleanse(copy, first);
    free(copy);
    return err;
}

struct hmac_op {
    const struct kgr_slice *parts;
    size_t num_parts;
    uint8_t *out;
    size_t out_len;
};

static enum kgr_error do_hmac(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                              struct kgr_diag *diag)
{
    const struct hmac_op *op = arg;

    return kgr_tpm_hmac(tpm, key, op->parts, op->num_parts, op->out, op->out_len, diag);
}

enum kgr_error kgr_resident_hmac(struct kgr_resident_use *use, const struct kgr_slice *parts,
                                 size_t num_parts, uint8_t *out)
{
    struct kgr_tpm_loadable key = loadable(use->key, &use->key->mac);
    struct hmac_op op = {parts, num_parts, out, kgr_suite_hash_len(use->key->suite)};

    return kgr_tpm_use_key(use->tpm, &key, do_hmac, &op, use->diag);
}

static enum kgr_error do_start(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                               struct kgr_diag *diag)
{
    struct kgr_tpm_hmac_stream **out = arg;

    return kgr_tpm_hmac_start(tpm, out, key, diag);
}

enum kgr_error kgr_resident_hmac_start(struct kgr_resident_use *use,
                                       struct kgr_tpm_hmac_stream **out)
{
    struct kgr_tpm_loadable key = loadable(use->key, &use->key->mac);

    return kgr_tpm_use_key(use->tpm, &key, do_start, out, use->diag);
}
