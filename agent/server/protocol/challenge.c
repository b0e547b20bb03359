/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/challenge.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/keys/inner.h"
#include "agent/seal/digest.h"
#include "agent/server/birth/forge.h"
#include "agent/server/store/framekey.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
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

static struct kgr_wire_object object_of(const struct kgr_tpm_public *pub,
                                        const struct kgr_tpm_duplicate *d)
{
    return (struct kgr_wire_object){
        .pub = kgr_slice(pub->bytes, pub->len),
        .duplicate = kgr_slice(d->bytes, d->len),
        .seed = kgr_slice(d->seed, d->seed_len),
    };
}

/* What the worker needs at a time; large, so not on its stack. */
struct work {
    struct kgr_tpm_credential credential;
    struct kgr_tpm_newborn enc;
    struct kgr_tpm_newborn mac;
    struct kgr_ks_parcel parcels[2]; /* of the node, of the KS */
    struct kgr_tpm_auth *auths[2];   /* of the KS's end; owned */
};

/* Both ends resident. */
static enum kgr_error give_birth(struct work *w, struct kgr_ks_challenge *chal,
                                 const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                 const uint8_t *inner, struct kgr_diag *diag)
{
    size_t len = kgr_suite_enc_key_len(chal->suite);
    struct kgr_tpm_birth birth = {
        .parent = &id->storage,
        .suite = chal->suite,
        .num_targets = 1,
        .targets = {&chal->storage},
        .inner_enc = kgr_slice(inner, len),
        .inner_mac = kgr_slice(inner + len, len),
        .keep_enc = w->auths[0],
        .keep_mac = w->auths[1],
    };
    enum kgr_error err = kgr_tpm_give_birth(tpm, &w->enc, &w->mac, &birth, diag);

    if (err != KGR_OK)
        return err;
    chal->nksk.enc.pub = w->enc.pub;
    chal->nksk.enc.priv = w->enc.kept;
    chal->nksk.mac.pub = w->mac.pub;
    chal->nksk.mac.priv = w->mac.kept;
    w->parcels[0].enc_pub = w->enc.pub;
    w->parcels[0].enc = w->enc.duplicates[0];
    w->parcels[0].mac_pub = w->mac.pub;
    w->parcels[0].mac = w->mac.duplicates[0];
    return KGR_OK;
}

/* The KS takes its own end as a node would. */
static enum kgr_error take(struct work *w, struct kgr_ks_challenge *chal,
                           const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                           enum kgr_tpm_kind kind, struct kgr_diag *diag)
{
    const struct kgr_ks_parcel *own = &w->parcels[1];
    bool enc = kind == KGR_TPM_ENC;
    struct kgr_tpm_import import = {
        .parent = &id->storage,
        .suite = chal->suite,
        .kind = kind,
        .form = chal->own_form,
        .pub = enc ? &own->enc_pub : &own->mac_pub,
        .duplicate = enc ? &own->enc : &own->mac,
        .auth = w->auths[enc ? 0 : 1],
    };

    return kgr_tpm_import(tpm, enc ? &chal->nksk.enc : &chal->nksk.mac, &import, diag);
}

static enum kgr_error forge(struct work *w, struct kgr_ks_challenge *chal,
                            const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                            const uint8_t *inner, struct kgr_diag *diag)
{
    size_t len = kgr_suite_enc_key_len(chal->suite);
    struct kgr_ks_end ends[] = {
        {
            .storage = chal->storage,
            .form = chal->form,
            .inner_enc = kgr_slice(inner, len),
            .inner_mac = kgr_slice(inner + len, len),
        },
        {.storage = id->storage_pub, .form = chal->own_form},
    };
    enum kgr_error err = kgr_ks_forge(w->parcels, ends, 2, chal->suite, tpm, diag);

    if (err == KGR_OK)
        err = take(w, chal, id, tpm, KGR_TPM_ENC, diag);
    return err == KGR_OK ? take(w, chal, id, tpm, KGR_TPM_MAC, diag) : err;
}

/* The credential comes first: nothing is duplicated to a storage key that could not be challenged. */
static enum kgr_error make_keys(struct work *w, struct kgr_ks_challenge *chal,
                                const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                struct kgr_diag *diag)
{
    uint8_t *secret = kgr_secret_alloc(KGR_INNER_SECRET_LEN);
    uint8_t *inner = kgr_secret_alloc(2 * kgr_suite_enc_key_len(chal->suite));
    struct kgr_tpm_name name;
    enum kgr_error err = secret == NULL || inner == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &chal->storage);
    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, secret, KGR_INNER_SECRET_LEN, diag);
    if (err == KGR_OK)
        err = kgr_tpm_make_credential(tpm, &w->credential, &chal->ek, &name,
                                      kgr_slice(secret, KGR_INNER_SECRET_LEN), diag);
    if (err == KGR_OK)
        err = kgr_inner_keys(inner, chal->suite, secret, chal->key_id);
    if (err == KGR_OK)
        err = kgr_ks_nksk_auth(id->root, &w->auths[0], &w->auths[1], chal->key_id);
    if (err == KGR_OK && chal->form == KGR_TPM_BORN)
        err = give_birth(w, chal, id, tpm, inner, diag);
    else if (err == KGR_OK)
        err = forge(w, chal, id, tpm, inner, diag);
    kgr_secret_free(secret);
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
        .nksk = object_of(&w->parcels[0].enc_pub, &w->parcels[0].enc),
        .nksksign = object_of(&w->parcels[0].mac_pub, &w->parcels[0].mac),
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
    kgr_secret_free(w->auths[0]);
    kgr_secret_free(w->auths[1]);
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
