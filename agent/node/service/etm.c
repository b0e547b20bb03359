/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/etm.h"

#include "agent/keys/keyset.h"
#include "agent/seal/seal.h"

#include <string.h>

/* etm and etm_open: what cipher and mac do for a message of the AEADs of kgr.so, in one request. */

struct etm_job {
    struct kgr_service_job job;
    struct kgr_keyset *key; /* borrowed: buried after this job */
    bool opens;
    uint64_t generation;
    uint8_t iv[KGR_IV_LEN];
    uint8_t tag[KGR_TAG_MAX];
    size_t tag_len;
    size_t aad_len;
    size_t in_len;
    size_t out_len;
    uint8_t bytes[]; /* associated data, input, output */
};

bool kgr_service_etm_is_reserved(const struct kgr_ipc_etm *asked)
{
    uint8_t head[KGR_RESERVED_LEN];
    size_t len = asked->aad.len < sizeof(head) ? asked->aad.len : sizeof(head);

    /* What is MACed begins with the associated data, and the IV follows it. */
    kgr_copy(head, asked->aad.p, len);
    memcpy(head + len, asked->iv, sizeof(head) - len);
    return kgr_service_is_reserved(kgr_slice(head, sizeof(head)));
}

static enum kgr_error run_etm(struct kgr_service_job *base, struct kgr_tpm *tpm,
                              struct kgr_diag *diag)
{
    struct etm_job *job = (struct etm_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_seal_key key = kgr_keyset_use_seal(&use);
    struct kgr_slice aad = kgr_slice(job->bytes, job->aad_len);
    struct kgr_slice in = kgr_slice(job->bytes + job->aad_len, job->in_len);
    uint8_t *out = job->bytes + job->aad_len + job->in_len;
    enum kgr_error err;

    if (!job->opens)
        return kgr_seal_encrypt(&key, out, job->tag, job->iv, aad, in);
    err = kgr_seal_decrypt(&key, out, &job->out_len, job->iv, aad, in,
                           kgr_slice(job->tag, job->tag_len));
    return err == KGR_ERR_CORRUPT ? kgr_diag_set(diag, err, KGR_ETM_FORGED) : err;
}

static enum kgr_error write_etm(const struct kgr_service_job *base, struct kgr_wr *wr)
{
    const struct etm_job *job = (const struct etm_job *)base;

    if (!job->opens)
        kgr_ipc_etm_reply_begin(wr, job->generation);
    kgr_wr_bytes(wr, job->bytes + job->aad_len + job->in_len, job->out_len);
    if (!job->opens)
        kgr_wr_bytes(wr, job->tag, job->tag_len);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static void start(struct kgr_service *service, struct kgr_call call, const struct kgr_ring_key *key,
                  const struct kgr_ipc_etm *asked, bool opens)
{
    size_t out_len = opens ? asked->data.len : kgr_suite_ciphertext_len(asked->data.len);
    struct etm_job *job = kgr_service_job_new(
        service, call, sizeof(*job) + asked->aad.len + asked->data.len + out_len);

    if (job == NULL)
        return;
    job->job.plain = true;
    job->job.run = run_etm;
    job->job.write = write_etm;
    job->key = key->keys;
    job->generation = key->generation;
    kgr_service_job_uses(&job->job, job->key);
    job->opens = opens;
    memcpy(job->iv, asked->iv, KGR_IV_LEN);
    job->tag_len = kgr_suite_tag_len(key->suite);
    kgr_copy(job->tag, asked->tag.p, asked->tag.len);
    if (opens)
        job->tag_len = asked->tag.len;
    job->aad_len = asked->aad.len;
    job->in_len = asked->data.len;
    job->out_len = out_len;
    kgr_copy(job->bytes, asked->aad.p, asked->aad.len);
    kgr_copy(job->bytes + asked->aad.len, asked->data.p, asked->data.len);
    kgr_service_job_start(&job->job);
}

static void handle(struct kgr_service *service, const struct kgr_server_request *request,
                   bool opens)
{
    enum kgr_use use = opens ? KGR_USE_RECEIVE : KGR_USE_SEND;
    struct kgr_ipc_etm asked;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    enum kgr_error err = KGR_OK;

    if (kgr_ipc_etm_decode(&asked, opens, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.key.peer,
                         opens ? KGR_RIGHT_DECRYPT : KGR_RIGHT_ENCRYPT) ||
        !kgr_service_may(service, request, &asked.key.peer, KGR_RIGHT_SIGN))
        return;
    if (kgr_service_etm_is_reserved(&asked))
        err = kgr_diag_set(&diag, KGR_ERR_INVALID, "input that begins like a record is not MACed");
    if (err == KGR_OK)
        err = kgr_service_find_key(service, &pair, &key, &asked.key.peer, asked.key.generation, use,
                                   &diag);
    if (err == KGR_OK)
        err = kgr_service_spend(service, &asked.key.peer, key->generation,
                                kgr_budget_blocks_sealed(asked.data.len), use, &diag);
    if (err == KGR_OK)
        start(service, request->call, key, &asked, opens);
    else
        kgr_service_refuse(service, request, &asked.key.peer, err, &diag);
}

void kgr_service_etm(struct kgr_service *service, const struct kgr_server_request *request)
{
    handle(service, request, false);
}

void kgr_service_etm_open(struct kgr_service *service, const struct kgr_server_request *request)
{
    handle(service, request, true);
}
