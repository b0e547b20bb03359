/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/challenge.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/server/framekey.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_registration.h"

/* H(label || xid || a || b), as every transcript of the registration is built. */
static enum kgr_error transcript(uint8_t out[32], const char *label, const uint8_t *xid,
                                 const uint8_t *a, const uint8_t *b)
{
    const struct kgr_slice parts[] = {
        kgr_slice(label, strlen(label)),
        kgr_slice(xid, 16),
        kgr_slice(a, 32),
        kgr_slice(b, 32),
    };

    return kgr_sha256(out, parts, KGR_ARRAY_LEN(parts));
}

static enum kgr_error digest(uint8_t out[32], const uint8_t *p, size_t len)
{
    struct kgr_slice part = kgr_slice(p, len);

    return kgr_sha256(out, &part, 1);
}

static struct kgr_wire_object object_of(const struct kgr_tpm_newborn *born)
{
    const struct kgr_tpm_duplicate *d = &born->duplicates[0];

    return (struct kgr_wire_object){
        .pub = kgr_slice(born->pub.bytes, born->pub.len),
        .duplicate = kgr_slice(d->bytes, d->len),
        .seed = kgr_slice(d->seed, d->seed_len),
    };
}

/* What the worker needs at a time; large, so not on its stack. */
struct work {
    struct kgr_tpm_credential credential;
    struct kgr_tpm_newborn enc;
    struct kgr_tpm_newborn mac;
};

static enum kgr_error give_birth(struct work *w, struct kgr_ks_challenge *chal,
                                 const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                 const uint8_t *inner, struct kgr_diag *diag)
{
    struct kgr_tpm_auth *keep_enc = NULL, *keep_mac = NULL;
    enum kgr_error err = kgr_ks_nksk_auth(id->root, &keep_enc, &keep_mac, chal->key_id);

    if (err == KGR_OK) {
        struct kgr_tpm_birth birth = {
            .parent = &id->storage,
            .suite = chal->suite,
            .num_targets = 1,
            .targets = {&chal->storage},
            .inner_enc = inner,
            .inner_mac = inner + KGR_TPM_INNER_LEN,
            .keep_enc = keep_enc,
            .keep_mac = keep_mac,
        };
        err = kgr_tpm_give_birth(tpm, &w->enc, &w->mac, &birth, diag);
    }
    kgr_secret_free(keep_enc);
    kgr_secret_free(keep_mac);
    if (err == KGR_OK) {
        chal->nksk.enc.pub = w->enc.pub;
        chal->nksk.enc.priv = w->enc.kept;
        chal->nksk.mac.pub = w->mac.pub;
        chal->nksk.mac.priv = w->mac.kept;
    }
    return err;
}

/* The credential comes first: nothing is duplicated to a storage key that could not be challenged. */
static enum kgr_error make_keys(struct work *w, struct kgr_ks_challenge *chal,
                                const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                struct kgr_diag *diag)
{
    const size_t inner_len = 2 * KGR_TPM_INNER_LEN;
    uint8_t *inner = kgr_secret_alloc(inner_len);
    struct kgr_tpm_name name;
    enum kgr_error err = inner == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &chal->storage);
    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, inner, inner_len, diag);
    if (err == KGR_OK)
        err = kgr_tpm_make_credential(tpm, &w->credential, &chal->ek, &name,
                                      kgr_slice(inner, inner_len), diag);
    if (err == KGR_OK)
        err = give_birth(w, chal, id, tpm, inner, diag);
    kgr_secret_free(inner);
    return err;
}

static enum kgr_error encode(struct kgr_ks_challenge *chal, const struct work *w,
                             const uint8_t signature[KGR_SIGNATURE_LEN])
{
    struct kgr_reg_chal body = {
        .node = chal->nid,
        .suite = (uint8_t)chal->suite,
        .custody = chal->custody,
        .credential = kgr_slice(w->credential.bytes, w->credential.len),
        .secret = kgr_slice(w->credential.secret, w->credential.secret_len),
        .nksk = object_of(&w->enc),
        .nksksign = object_of(&w->mac),
    };
    struct kgr_wr wr;
    enum kgr_error err;

    memcpy(body.nonce_n, chal->nonce_n, sizeof body.nonce_n);
    memcpy(body.nonce_ks, chal->nonce_ks, sizeof body.nonce_ks);
    memcpy(body.topic1, chal->topic1, sizeof body.topic1);
    memcpy(body.key_id, chal->key_id, sizeof body.key_id);
    memcpy(body.signature, signature, sizeof body.signature);
    kgr_wr_init(&wr, chal->body, sizeof chal->body);
    err = kgr_reg_chal_encode(&wr, &body);
    if (err == KGR_OK)
        chal->body_len = wr.len;
    return err;
}

static enum kgr_error sign(struct kgr_ks_challenge *chal, const struct work *w,
                           const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                           struct kgr_diag *diag)
{
    uint8_t signature[KGR_SIGNATURE_LEN] = {0}, unsigned_hash[32], hash[32];
    enum kgr_error err = encode(chal, w, signature);

    if (err == KGR_OK)
        err = digest(unsigned_hash, chal->body, kgr_reg_chal_signed_len(chal->body_len));
    if (err == KGR_OK)
        err = transcript(hash, chal->labels->chal, chal->xid, chal->request, unsigned_hash);
    if (err == KGR_OK)
        err = kgr_tpm_sign(tpm, &id->signing, signature, hash, diag);
    if (err == KGR_OK)
        err = encode(chal, w, signature);
    if (err == KGR_OK)
        err = digest(hash, chal->body, chal->body_len);
    if (err == KGR_OK)
        err = transcript(chal->proof, chal->labels->proof, chal->xid, chal->request, hash);
    return err;
}

enum kgr_error kgr_ks_challenge_make(struct kgr_ks_challenge *chal,
                                     const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                     struct kgr_diag *diag)
{
    struct work *w = calloc(1, sizeof *w);
    enum kgr_error err;

    if (w == NULL)
        return KGR_ERR_NO_MEMORY;
    err = make_keys(w, chal, id, tpm, diag);
    if (err == KGR_OK)
        err = sign(chal, w, id, tpm, diag);
    free(w);
    return err;
}

enum kgr_error kgr_ks_challenge_done(uint8_t *out, size_t cap, size_t *out_len,
                                     struct kgr_slice chal_body,
                                     const struct kgr_challenge_labels *labels,
                                     const uint8_t xid[16], const uint8_t proof[32],
                                     struct kgr_slice proof_body)
{
    struct kgr_reg_proof done;
    struct kgr_reg_chal chal;
    uint8_t hash[32];
    struct kgr_wr wr;
    enum kgr_error err = kgr_reg_chal_decode(&chal, chal_body);

    if (err == KGR_OK)
        err = digest(hash, proof_body.p, proof_body.len);
    if (err == KGR_OK)
        err = transcript(done.transcript, labels->done, xid, hash, proof);
    if (err != KGR_OK)
        return err;
    done.node = chal.node;
    memcpy(done.nonce, chal.nonce_n, sizeof done.nonce);
    kgr_wr_init(&wr, out, cap);
    err = kgr_reg_proof_encode(&wr, &done);
    if (err == KGR_OK)
        *out_len = wr.len;
    return err;
}
