/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/challenge.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/inner.h"
#include "agent/node/node.h"
#include "agent/seal/digest.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/import.h"
#include "agent/tpm/object.h"
#include "agent/tpm/worker.h"

#include <stdlib.h>
#include <string.h>

struct challenge_job {
    struct kgr_node *node;
    struct kgr_challenge_args args; /* pointers into this job, or to what outlives it */
    uint8_t xid[KGR_XID_LEN];
    uint8_t req_hash[KGR_DIGEST_LEN];
    struct kgr_challenge out; /* its chal borrows body */
    enum kgr_tpm_form form;
    struct kgr_tpm_credential credential;
    struct kgr_tpm_auth *auth[2]; /* owned */
    size_t body_len;
    uint8_t body[];
};

static void job_free(struct challenge_job *job)
{
    kgr_secret_free(job->auth[0]);
    kgr_secret_free(job->auth[1]);
    free(job);
}

/* transcript is H(label || exchange id || first || second). */
static enum kgr_error transcript(uint8_t *out, const char *label, const uint8_t *xid,
                                 const uint8_t *first, const uint8_t *second)
{
    const struct kgr_slice parts[] = {
        kgr_slice(label, strlen(label)),
        kgr_slice(xid, KGR_XID_LEN),
        kgr_slice(first, KGR_DIGEST_LEN),
        kgr_slice(second, KGR_DIGEST_LEN),
    };

    return kgr_sha256(out, parts, KGR_ARRAY_LEN(parts));
}

static enum kgr_error hash(uint8_t *out, const void *p, size_t len)
{
    struct kgr_slice part = kgr_slice(p, len);

    return kgr_sha256(out, &part, 1);
}

enum kgr_error kgr_challenge_encode_proof(struct kgr_wr *wr, const struct kgr_nid *self,
                                          const uint8_t nonce_ks[KGR_NONCE_LEN],
                                          const uint8_t proof[KGR_DIGEST_LEN])
{
    struct kgr_reg_proof body = {.node = *self};

    memcpy(body.nonce, nonce_ks, sizeof(body.nonce));
    memcpy(body.transcript, proof, sizeof(body.transcript));
    return kgr_reg_proof_encode(wr, &body);
}

/* On the worker */

static enum kgr_error check_signature(struct challenge_job *job, struct kgr_diag *diag)
{
    uint8_t signed_hash[KGR_DIGEST_LEN];
    uint8_t digest[KGR_DIGEST_LEN];
    enum kgr_error err = hash(signed_hash, job->body, kgr_reg_chal_signed_len(job->body_len));

    if (err == KGR_OK)
        err = transcript(digest, job->args.labels->chal, job->xid, job->req_hash, signed_hash);
    if (err == KGR_OK)
        err = kgr_tpm_verify(&job->node->ks_public, digest, job->out.chal.signature);
    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err, "the challenge is not signed by the KS of the credential");
    return err;
}

static enum kgr_error import(struct challenge_job *job, struct kgr_tpm *tpm, size_t i,
                             struct kgr_slice inner, struct kgr_diag *diag)
{
    const struct kgr_wire_object *object = i == 0 ? &job->out.chal.nksk : &job->out.chal.nksksign;
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    struct kgr_tpm_import in = {
        .parent = job->args.parent,
        .suite = (enum kgr_suite)job->out.chal.suite,
        .kind = i == 0 ? KGR_TPM_ENC : KGR_TPM_MAC,
        .form = job->form,
        .pub = &pub,
        .duplicate = &duplicate,
        .inner = inner,
        .auth = job->auth[i],
    };
    enum kgr_error err = kgr_tpm_public_set(&pub, object->pub);

    if (err != KGR_OK)
        return err;
    duplicate.len = (uint16_t)object->duplicate.len;
    kgr_copy(duplicate.bytes, object->duplicate.p, object->duplicate.len);
    duplicate.seed_len = (uint16_t)object->seed.len;
    kgr_copy(duplicate.seed, object->seed.p, object->seed.len);
    return kgr_tpm_import(tpm, i == 0 ? &job->out.row.blobs.enc : &job->out.row.blobs.mac, &in,
                          diag);
}

static enum kgr_error import_both(struct challenge_job *job, struct kgr_tpm *tpm,
                                  struct kgr_diag *diag)
{
    enum kgr_suite suite = (enum kgr_suite)job->out.chal.suite;
    size_t len = kgr_suite_enc_key_len(suite);
    uint8_t *secret = kgr_secret_alloc(KGR_INNER_SECRET_LEN);
    uint8_t *inner = kgr_secret_alloc(2 * len);
    enum kgr_error err = secret == NULL || inner == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_activate_credential(tpm, secret, KGR_INNER_SECRET_LEN, job->args.parent,
                                          &job->credential, diag);
    if (err == KGR_OK)
        err = kgr_inner_keys(inner, suite, secret, job->out.chal.key_id);
    if (err == KGR_OK)
        err = import(job, tpm, 0, kgr_slice(inner, len), diag);
    if (err == KGR_OK)
        err = import(job, tpm, 1, kgr_slice(inner + len, len), diag);
    kgr_secret_free(secret);
    kgr_secret_free(inner);
    return err;
}

static enum kgr_error make_transcripts(struct challenge_job *job)
{
    uint8_t body[KGR_CHALLENGE_PROOF_MAX];
    uint8_t chal_hash[KGR_DIGEST_LEN];
    uint8_t proof_hash[KGR_DIGEST_LEN];
    struct kgr_wr wr;
    enum kgr_error err = hash(chal_hash, job->body, job->body_len);

    if (err == KGR_OK)
        err =
            transcript(job->out.proof, job->args.labels->proof, job->xid, job->req_hash, chal_hash);
    kgr_wr_init(&wr, body, sizeof(body));
    if (err == KGR_OK)
        err = kgr_challenge_encode_proof(&wr, &job->node->self, job->out.chal.nonce_ks,
                                         job->out.proof);
    if (err == KGR_OK)
        err = hash(proof_hash, body, kgr_wr_slice(&wr).len);
    if (err == KGR_OK)
        err =
            transcript(job->out.done, job->args.labels->done, job->xid, proof_hash, job->out.proof);
    return err;
}

static enum kgr_error run_challenge(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct challenge_job *job = ctx;
    enum kgr_error err = check_signature(job, diag);

    if (err == KGR_OK)
        err = import_both(job, tpm, diag);
    if (err == KGR_OK)
        err = make_transcripts(job);
    return err;
}

/* From and back to the loop */

static enum kgr_error prepare(struct challenge_job *job)
{
    struct kgr_node *node = job->node;
    struct kgr_tpm_credential *credential = &job->credential;
    enum kgr_error err = kgr_reg_chal_decode(&job->out.chal, kgr_slice(job->body, job->body_len));

    if (err != KGR_OK)
        return err;
    if (!kgr_custody_form(&node->custody, job->out.chal.custody, &job->form) ||
        (node->custody.wanted & KGR_MASK(job->out.chal.suite)) == 0)
        return KGR_ERR_UNSUPPORTED;
    credential->len = (uint16_t)job->out.chal.credential.len;
    kgr_copy(credential->bytes, job->out.chal.credential.p, job->out.chal.credential.len);
    credential->secret_len = (uint16_t)job->out.chal.secret.len;
    kgr_copy(credential->secret, job->out.chal.secret.p, job->out.chal.secret.len);
    memcpy(job->out.row.key_id, job->out.chal.key_id, KGR_KEY_ID_LEN);
    job->out.row.suite = job->out.chal.suite;
    job->out.row.custody = job->out.chal.custody;
    return kgr_node_nksk_auths(node, job->out.chal.key_id, &job->auth[0], &job->auth[1]);
}

static void done_challenge(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct challenge_job *job = ctx;

    job->args.done(job->node, err == KGR_OK ? &job->out : NULL, err, diag);
    job_free(job);
}

enum kgr_error kgr_challenge_work(struct kgr_node *node, const struct kgr_challenge_args *args)
{
    struct challenge_job *job = calloc(1, sizeof(*job) + args->body.len);
    enum kgr_error err;

    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    job->node = node;
    job->args = *args;
    job->body_len = args->body.len;
    kgr_copy(job->body, args->body.p, args->body.len);
    memcpy(job->xid, args->xid, KGR_XID_LEN);
    memcpy(job->req_hash, args->req_hash, KGR_DIGEST_LEN);
    err = prepare(job);
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_challenge, .done = done_challenge, .ctx = job});
    if (err != KGR_OK) {
        kgr_warn("challenge_refused", "reason=\"%s\"", kgr_strerror(err));
        job_free(job);
    }
    return err;
}
