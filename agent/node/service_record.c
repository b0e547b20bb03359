/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/keys/resident.h"
#include "agent/node/service_parts.h"
#include "agent/seal/seal.h"
#include "agent/wire/record.h"

#include <string.h>

/* seal and open: records (docs/protocol.md, section 8). */

#define AAD_MAX (KGR_RECORD_HEADER_LEN + KGR_IPC_AAD_MAX)

/* The pair may be revoked and the key destroyed while a job runs: what a job needs later it finds again. */
struct record_job {
    struct kgr_service_job job;
    struct kgr_resident_key *key; /* borrowed: buried after this job */
    enum kgr_suite suite;
    struct kgr_nid peer;
    struct kgr_record_header header;
    bool window; /* open: the sequence counts */
    size_t aad_len;
    uint8_t aad[AAD_MAX]; /* header of the record, then the application's own */
    uint8_t iv[KGR_IV_LEN];
    uint8_t tag[KGR_TAG_MAX];
    size_t in_len;
    size_t out_len;
    uint8_t *in;
    uint8_t *out;
    uint8_t bytes[];
};

static enum kgr_error write_ceilings(struct kgr_service *service, const struct kgr_nid *peer,
                                     const struct kgr_pair_records *records, uint64_t send,
                                     uint64_t recv, const uint64_t *seen)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_generation_ceilings(service->node->db, peer, records->generation, send,
                                                 recv, seen, &diag);

    if (err != KGR_OK)
        kgr_error_log("state_not_written", "what=ceiling peer=%s reason=\"%s\"", peer->s,
                      kgr_diag_text(&diag, err));
    return err;
}

static void job_set(struct record_job *job, const struct kgr_pair *pair,
                    const struct kgr_ring_key *key, struct kgr_slice aad)
{
    struct kgr_wr wr;

    job->key = key->resident;
    job->suite = key->suite;
    job->peer = pair->ex.s.peer;
    kgr_wr_init(&wr, job->aad + KGR_RECORD_HEADER_LEN, sizeof(job->aad) - KGR_RECORD_HEADER_LEN);
    kgr_wr_bytes(&wr, aad.p, aad.len);
    job->aad_len = KGR_RECORD_HEADER_LEN + aad.len;
}

/* seal */

static enum kgr_error run_seal(struct kgr_service_job *base, struct kgr_tpm *tpm,
                               struct kgr_diag *diag)
{
    struct record_job *job = (struct record_job *)base;
    struct kgr_resident_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_seal_key key = kgr_resident_use_seal(&use);

    return kgr_seal_encrypt(&key, job->out, job->tag, job->iv, kgr_slice(job->aad, job->aad_len),
                            kgr_slice(job->in, job->in_len));
}

static enum kgr_error finish_seal(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct record_job *job = (struct record_job *)base;
    struct kgr_service *service = base->service;
    struct kgr_wr wr;

    (void)diag;
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    kgr_wr_bytes(&wr, job->aad, KGR_RECORD_HEADER_LEN);
    kgr_wr_bytes(&wr, job->iv, KGR_IV_LEN);
    kgr_wr_bytes(&wr, job->out, job->out_len);
    kgr_wr_bytes(&wr, job->tag, kgr_suite_tag_len(job->suite));
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_TOO_LARGE;
    kgr_service_ok(service, base->call, kgr_wr_slice(&wr));
    return KGR_OK;
}

static enum kgr_error next_sequence(struct kgr_service *service, struct kgr_pair *pair,
                                    uint64_t generation, uint64_t *out)
{
    struct kgr_pair_records *records = kgr_pair_find_records(pair, generation);
    uint64_t ceiling = 0;
    bool needed = false;
    enum kgr_error err;

    if (records == NULL)
        return KGR_ERR_FAILED;
    err = kgr_record_send_need(&records->send, &needed, &ceiling);
    if (err == KGR_OK && needed) {
        err = write_ceilings(service, &pair->ex.s.peer, records, ceiling, records->recv.ceiling,
                             NULL);
        if (err == KGR_OK)
            kgr_record_send_raise(&records->send, ceiling);
    }
    if (err == KGR_OK)
        err = kgr_record_send_take(&records->send, out);
    return err;
}

static enum kgr_error start_seal(struct kgr_service *service, struct record_job *job,
                                 struct kgr_pair *pair, struct kgr_ring_key *key,
                                 const struct kgr_ipc_seal *asked)
{
    struct kgr_wr wr;
    enum kgr_error err;

    job_set(job, pair, key, asked->aad);
    job->job.run = run_seal;
    job->job.finish = finish_seal;
    job->in = job->bytes;
    job->in_len = asked->data.len;
    job->out = job->bytes + asked->data.len;
    job->out_len = kgr_suite_ciphertext_len(asked->data.len);
    kgr_copy(job->in, asked->data.p, asked->data.len);
    kgr_random(job->iv, sizeof(job->iv));
    job->header = (struct kgr_record_header){
        .suite = (uint8_t)key->suite,
        .role = key->own_role,
        .stored = asked->stored,
        .generation = key->generation,
    };
    err = next_sequence(service, pair, key->generation, &job->header.sequence);
    kgr_wr_init(&wr, job->aad, KGR_RECORD_HEADER_LEN);
    if (err == KGR_OK)
        err = kgr_record_header_encode(&wr, &job->header);
    return err;
}

void kgr_service_seal(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_seal asked;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct record_job *job;
    enum kgr_error err = KGR_OK;

    if (kgr_ipc_seal_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (asked.data.len > KGR_IPC_DATA_MAX)
        err = kgr_diag_set(&diag, KGR_ERR_TOO_LARGE, "at most %d bytes in one record",
                           KGR_IPC_DATA_MAX);
    if (err == KGR_OK)
        err = kgr_service_find_key(service, &pair, &key, &asked.peer, 0, KGR_USE_SEND, &diag);
    if (err != KGR_OK) {
        kgr_server_fail(service->server, request->call, err, kgr_diag_text(&diag, err));
        return;
    }
    job = kgr_service_job_new(service, request->call,
                              sizeof(*job) + asked.data.len +
                                  kgr_suite_ciphertext_len(asked.data.len));
    if (job == NULL)
        return;
    err = start_seal(service, job, pair, key, &asked);
    key->used_blocks += asked.data.len / KGR_BLOCK_LEN + 1;
    if (err == KGR_OK)
        kgr_service_job_start(&job->job);
    else
        kgr_service_job_fail(&job->job, err, NULL);
}

/* open */

static enum kgr_error run_open(struct kgr_service_job *base, struct kgr_tpm *tpm,
                               struct kgr_diag *diag)
{
    struct record_job *job = (struct record_job *)base;
    struct kgr_resident_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_seal_key key = kgr_resident_use_seal(&use);
    enum kgr_error err = kgr_seal_decrypt(
        &key, job->out, &job->out_len, job->iv, kgr_slice(job->aad, job->aad_len),
        kgr_slice(job->in, job->in_len), kgr_slice(job->tag, kgr_suite_tag_len(job->suite)));

    return err == KGR_ERR_CORRUPT
               ? kgr_diag_set(diag, err, "the record is damaged, forged or for another peer")
               : err;
}

/* accept notes the sequence of a record that was verified, on disk first where a new block begins. */
static enum kgr_error accept(struct kgr_service *service, const struct record_job *job,
                             struct kgr_diag *diag)
{
    struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, &job->peer);
    struct kgr_pair_records *records =
        pair == NULL ? NULL : kgr_pair_find_records(pair, job->header.generation);
    uint64_t sequence = job->header.sequence;
    uint64_t ceiling = 0;
    enum kgr_error err = KGR_OK;

    if (records == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "generation %llu was destroyed",
                            (unsigned long long)job->header.generation);
    err = kgr_record_recv_check(&records->recv, sequence); /* a copy may have come first */
    if (err == KGR_OK && kgr_record_recv_need(&records->recv, sequence, &ceiling)) {
        err = write_ceilings(service, &job->peer, records, records->send.ceiling, ceiling, NULL);
        if (err == KGR_OK)
            kgr_record_recv_raise(&records->recv, ceiling);
    }
    if (err == KGR_OK)
        err = kgr_record_recv_accept(&records->recv, sequence);
    /* What the peer sealed under a generation shows that it uses it. */
    if (err == KGR_OK)
        kgr_renewal_peer_sends(pair, job->header.generation);
    return err;
}

static enum kgr_error finish_open(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct record_job *job = (struct record_job *)base;
    enum kgr_error err = job->window ? accept(base->service, job, diag) : KGR_OK;

    if (err == KGR_OK)
        kgr_service_ok(base->service, base->call, kgr_slice(job->out, job->out_len));
    return err;
}

static enum kgr_error find_record_key(struct kgr_service *service, struct kgr_pair **out_pair,
                                      struct kgr_ring_key **out_key,
                                      const struct kgr_ipc_seal *asked,
                                      const struct kgr_record *record, struct kgr_diag *diag)
{
    const struct kgr_record_header *h = &record->header;
    const struct kgr_pair_records *records;
    enum kgr_error err = kgr_service_find_key(service, out_pair, out_key, &asked->peer,
                                              h->generation, KGR_USE_RECEIVE, diag);

    /* The peer is known; it is this generation that is not. */
    if (err == KGR_ERR_UNKNOWN_PEER && kgr_pairs_find(&service->node->pairs, &asked->peer) != NULL)
        return KGR_ERR_NO_KEY;
    if (err != KGR_OK)
        return err;
    if (h->role == (*out_key)->own_role)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the record was sealed by this node itself");
    if (h->suite != (uint8_t)(*out_key)->suite)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the record names another suite than its key");
    records = kgr_pair_find_records(*out_pair, h->generation);
    if (records == NULL)
        return KGR_ERR_FAILED;
    if (asked->stored && h->stored)
        return KGR_OK;
    err = kgr_record_recv_check(&records->recv, h->sequence);
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "the record was seen before");
}

static void set_open(struct record_job *job, const struct kgr_pair *pair,
                     const struct kgr_ring_key *key, const struct kgr_ipc_seal *asked,
                     const struct kgr_record *record)
{
    job_set(job, pair, key, asked->aad);
    memcpy(job->aad, record->aad.p, KGR_RECORD_HEADER_LEN);
    job->job.run = run_open;
    job->job.finish = finish_open;
    job->header = record->header;
    job->window = !(asked->stored && record->header.stored);
    memcpy(job->iv, record->iv, KGR_IV_LEN);
    memcpy(job->tag, record->tag.p, record->tag.len);
    job->in = job->bytes;
    job->in_len = record->body.len;
    job->out = job->bytes + record->body.len;
    kgr_copy(job->in, record->body.p, record->body.len);
}

void kgr_service_open(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_seal asked;
    struct kgr_record record;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct record_job *job;
    enum kgr_error err;

    if (kgr_ipc_seal_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    err = kgr_record_decode(&record, asked.data);
    if (err != KGR_OK)
        err = kgr_diag_set(&diag, KGR_ERR_CORRUPT, "not a record");
    if (err == KGR_OK)
        err = find_record_key(service, &pair, &key, &asked, &record, &diag);
    if (err != KGR_OK) {
        kgr_server_fail(service->server, request->call, err, kgr_diag_text(&diag, err));
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job) + 2 * record.body.len);
    if (job == NULL)
        return;
    set_open(job, pair, key, &asked, &record);
    kgr_service_job_start(&job->job);
}

void kgr_service_store_records(struct kgr_service *service)
{
    struct kgr_pairs *pairs = &service->node->pairs;

    for (size_t i = 0; i < pairs->num; i++)
        for (size_t j = 0; j < KGR_RING_NUM_PLACES; j++) {
            const struct kgr_pair_records *records = &pairs->list[i]->records[j];

            /* What failed is in the log; up to the ceiling all counts as used then. */
            if (records->generation != 0 &&
                write_ceilings(service, &pairs->list[i]->ex.s.peer, records,
                               kgr_record_send_exact(&records->send),
                               kgr_record_recv_exact(&records->recv), records->recv.seen) != KGR_OK)
                return;
        }
}
