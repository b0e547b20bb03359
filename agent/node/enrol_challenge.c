/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/enrol_challenge.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/enrol.h"
#include "agent/node/node.h"
#include "agent/seal/digest.h"
#include "agent/tpm/credential.h"
#include "agent/tpm/import.h"
#include "agent/tpm/object.h"
#include "agent/tpm/worker.h"
#include "agent/wire/body_registration.h"

#include <stdlib.h>
#include <string.h>

struct challenge_job {
    struct kgr_node *node;
    uint8_t xid[KGR_XID_LEN];
    uint8_t req_hash[KGR_DIGEST_LEN];
    struct kgr_reg_chal chal; /* borrows body */
    struct kgr_tpm_credential credential;
    struct kgr_tpm_auth *auth[2]; /* owned */
    struct kgr_nksk_row row;
    uint8_t proof[KGR_DIGEST_LEN]; /* transcript of reg_proof */
    uint8_t done[KGR_DIGEST_LEN];  /* of reg_done */
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

enum kgr_error kgr_enrol_encode_proof(struct kgr_wr *wr, const struct kgr_nid *self,
                                      const uint8_t nonce_ks[KGR_REG_NONCE_LEN],
                                      const uint8_t proof[KGR_REG_HASH_LEN])
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
        err =
            transcript(digest, kgr_labels_registration.chal, job->xid, job->req_hash, signed_hash);
    if (err == KGR_OK)
        err = kgr_tpm_verify(&job->node->ks_public, digest, job->chal.signature);
    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err, "the challenge is not signed by the KS of the credential");
    return err;
}

static enum kgr_error import(struct challenge_job *job, struct kgr_tpm *tpm, size_t i,
                             const uint8_t *inner, struct kgr_diag *diag)
{
    const struct kgr_wire_object *object = i == 0 ? &job->chal.nksk : &job->chal.nksksign;
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    struct kgr_tpm_import in = {
        .parent = &job->node->anchor.storage,
        .suite = (enum kgr_suite)job->chal.suite,
        .kind = i == 0 ? KGR_TPM_ENC : KGR_TPM_MAC,
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
    return kgr_tpm_import(tpm, i == 0 ? &job->row.blobs.enc : &job->row.blobs.mac, &in, diag);
}

static enum kgr_error import_both(struct challenge_job *job, struct kgr_tpm *tpm,
                                  struct kgr_diag *diag)
{
    uint8_t *inner = kgr_secret_alloc(2 * KGR_TPM_INNER_LEN);
    enum kgr_error err = inner == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_activate_credential(tpm, inner, 2 * KGR_TPM_INNER_LEN,
                                          &job->node->anchor.storage, &job->credential, diag);
    if (err == KGR_OK)
        err = import(job, tpm, 0, inner, diag);
    if (err == KGR_OK)
        err = import(job, tpm, 1, inner + KGR_TPM_INNER_LEN, diag);
    kgr_secret_free(inner);
    return err;
}

static enum kgr_error make_transcripts(struct challenge_job *job)
{
    uint8_t body[KGR_ENROL_PROOF_MAX];
    uint8_t chal_hash[KGR_DIGEST_LEN];
    uint8_t proof_hash[KGR_DIGEST_LEN];
    struct kgr_wr wr;
    enum kgr_error err = hash(chal_hash, job->body, job->body_len);

    if (err == KGR_OK)
        err = transcript(job->proof, kgr_labels_registration.proof, job->xid, job->req_hash,
                         chal_hash);
    kgr_wr_init(&wr, body, sizeof(body));
    if (err == KGR_OK)
        err = kgr_enrol_encode_proof(&wr, &job->node->self, job->chal.nonce_ks, job->proof);
    if (err == KGR_OK)
        err = hash(proof_hash, body, kgr_wr_slice(&wr).len);
    if (err == KGR_OK)
        err = transcript(job->done, kgr_labels_registration.done, job->xid, proof_hash, job->proof);
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

/* Back on the loop */

static enum kgr_error save_keys(struct kgr_node *node, struct challenge_job *job,
                                struct kgr_diag *diag)
{
    const struct kgr_nksk_row *row = &job->row;
    enum kgr_error err = kgr_nksk_save(node->db, row, diag);

    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_NKSK_KEY_ID,
                           kgr_slice(row->key_id, sizeof(row->key_id)), diag);
    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_TOPIC1,
                           kgr_slice(job->chal.topic1, sizeof(job->chal.topic1)), diag);
    return err;
}

static void fill_event(struct kgr_registration_event *event, const struct challenge_job *job)
{
    event->nonce_ks = job->chal.nonce_ks;
    event->key_id = job->chal.key_id;
    event->suite = job->chal.suite;
    event->custody = job->chal.custody;
    event->proof = job->proof;
    event->done = job->done;
}

/* accept writes the keys, lets the machine go on, and puts the keys in place before it sends. */
static enum kgr_error accept(struct kgr_node *node, struct challenge_job *job,
                             struct kgr_diag *diag)
{
    struct kgr_registration trial = node->reg;
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_ACCEPTED};
    enum kgr_error err;

    fill_event(&event, job);
    if (kgr_registration_step(&trial, &event) != KGR_REGISTRATION_DO_SEND_PROOF)
        return KGR_ERR_STATE;
    err = kgr_db_begin(node->db, diag);
    if (err == KGR_OK)
        err = save_keys(node, job, diag);
    if (err == KGR_OK)
        err = kgr_enrol_save_state(node, &trial.s, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(node->db, diag);
    kgr_db_rollback(node->db);
    if (err != KGR_OK)
        return err;
    memcpy(node->topic1, job->chal.topic1, KGR_TOPIC_LEN);
    err = kgr_node_load_nksk(node, diag);
    if (err == KGR_OK)
        err = kgr_enrol_step(node, &event, NULL);
    return err;
}

static void done_challenge(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct challenge_job *job = ctx;
    struct kgr_node *node = job->node;
    struct kgr_diag why = diag != NULL ? *diag : (struct kgr_diag){{0}};
    struct kgr_registration_event refused = {.type = KGR_REGISTRATION_REFUSED};

    if (err == KGR_OK)
        err = accept(node, job, &why);
    if (err == KGR_OK) {
        if (node->progress != NULL)
            node->progress("the KS's signature is right; NKSK and NKSKsign are in the TPM");
    } else {
        kgr_node_alarm(node, "registration: %s", kgr_diag_text(&why, err));
        if (node->progress != NULL)
            node->progress(node->alarms[node->num_alarms - 1]);
        (void)kgr_enrol_step(node, &refused, NULL); /* changes only the machine */
    }
    job_free(job);
}

static enum kgr_error prepare(struct challenge_job *job)
{
    struct kgr_node *node = job->node;
    struct kgr_tpm_credential *credential = &job->credential;
    enum kgr_error err = kgr_reg_chal_decode(&job->chal, kgr_slice(job->body, job->body_len));

    if (err != KGR_OK)
        return err;
    if (job->chal.custody != KGR_WIRE_RESIDENT ||
        (node->tpm_suites & KGR_MASK(job->chal.suite)) == 0)
        return KGR_ERR_UNSUPPORTED;
    credential->len = (uint16_t)job->chal.credential.len;
    kgr_copy(credential->bytes, job->chal.credential.p, job->chal.credential.len);
    credential->secret_len = (uint16_t)job->chal.secret.len;
    kgr_copy(credential->secret, job->chal.secret.p, job->chal.secret.len);
    memcpy(job->row.key_id, job->chal.key_id, KGR_KEY_ID_LEN);
    job->row.suite = job->chal.suite;
    job->row.custody = job->chal.custody;
    memcpy(job->req_hash, node->reg.s.req_hash, KGR_DIGEST_LEN);
    return kgr_node_nksk_auths(node, job->chal.key_id, &job->auth[0], &job->auth[1]);
}

enum kgr_error kgr_enrol_work(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct challenge_job *job = calloc(1, sizeof(*job) + frame->body.len);
    enum kgr_error err;

    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    job->node = node;
    job->body_len = frame->body.len;
    kgr_copy(job->body, frame->body.p, frame->body.len);
    memcpy(job->xid, frame->header->xid, KGR_XID_LEN);
    err = prepare(job);
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(node->worker, KGR_TPM_CONTROL,
                                    &(struct kgr_tpm_job){run_challenge, done_challenge, job});
    if (err != KGR_OK) {
        kgr_warn("challenge_refused", "reason=\"%s\"", kgr_strerror(err));
        job_free(job);
    }
    return err;
}
