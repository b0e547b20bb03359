/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/keys/keyset.h"
#include "agent/node/service/record.h"
#include "agent/seal/seal.h"
#include "agent/wire/record.h"

#include <string.h>

/* seal and open: records (docs/protocol.md, section 8). */

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

static uint32_t blocks_now(struct kgr_reserve *reserve)
{
    return kgr_reserve_next(reserve, KGR_RECORD_BLOCKS, kgr_clock_boot_ms());
}

static enum kgr_error raise_send(struct kgr_service *service, const struct kgr_nid *peer,
                                 struct kgr_pair_records *records, uint64_t ceiling)
{
    enum kgr_error err =
        write_ceilings(service, peer, records, ceiling, records->recv.ceiling, NULL);

    if (err == KGR_OK)
        kgr_record_send_raise(&records->send, ceiling);
    return err;
}

static enum kgr_error raise_recv(struct kgr_service *service, const struct kgr_nid *peer,
                                 struct kgr_pair_records *records, uint64_t ceiling)
{
    enum kgr_error err =
        write_ceilings(service, peer, records, records->send.ceiling, ceiling, NULL);

    if (err == KGR_OK)
        kgr_record_recv_raise(&records->recv, ceiling);
    return err;
}

static void job_set(struct kgr_record_job *job, const struct kgr_pair *pair,
                    const struct kgr_ring_key *key, struct kgr_slice aad)
{
    struct kgr_wr wr;

    job->key = key->keys;
    kgr_service_job_uses(&job->job, job->key);
    job->suite = key->suite;
    job->peer = pair->ex.s.peer;
    kgr_wr_init(&wr, job->aad + KGR_RECORD_HEADER_LEN, sizeof(job->aad) - KGR_RECORD_HEADER_LEN);
    kgr_wr_bytes(&wr, aad.p, aad.len);
    job->aad_len = KGR_RECORD_HEADER_LEN + aad.len;
}

/* seal */

enum kgr_error kgr_record_run_seal(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                   struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_seal_key key = kgr_keyset_use_seal(&use);

    return kgr_seal_encrypt(&key, job->out, job->tag, job->iv, kgr_slice(job->aad, job->aad_len),
                            kgr_slice(job->in, job->in_len));
}

enum kgr_error kgr_record_write(const struct kgr_record_job *job, struct kgr_wr *wr)
{
    kgr_wr_bytes(wr, job->aad, KGR_RECORD_HEADER_LEN);
    kgr_wr_bytes(wr, job->iv, KGR_IV_LEN);
    kgr_wr_bytes(wr, job->out, job->out_len);
    kgr_wr_bytes(wr, job->tag, kgr_suite_tag_len(job->suite));
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_error write_seal(const struct kgr_service_job *base, struct kgr_wr *wr)
{
    return kgr_record_write((const struct kgr_record_job *)base, wr);
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
    /* Again and again, for workers may be faster. */
    while ((err = kgr_record_send_take(&records->send, 1, out)) == KGR_ERR_STATE) {
        err = kgr_record_send_need(&records->send, blocks_now(&records->reserve_send), &needed,
                                   &ceiling);
        if (err == KGR_OK && needed)
            err = raise_send(service, &pair->ex.s.peer, records, ceiling);
        if (err != KGR_OK)
            break;
    }
    return err;
}

/* note_heard: what the peer sealed under a generation shows that it uses it. */
static void note_heard(struct kgr_service *service, struct kgr_pair *pair, uint64_t generation)
{
    if (generation <= pair->peer_generation)
        return;
    kgr_renewal_peer_sends(pair, generation);
    service->node->due = true;
}

void kgr_record_refill(struct kgr_service *service, struct kgr_pair *pair,
                       struct kgr_pair_records *records)
{
    const struct kgr_nid *peer = &pair->ex.s.peer;

    if (kgr_record_send_is_low(&records->send))
        (void)raise_send(service, peer, records,
                         kgr_record_send_more(&records->send, blocks_now(&records->reserve_send)));
    if (kgr_record_recv_is_low(&records->recv))
        (void)raise_recv(service, peer, records,
                         kgr_record_recv_more(&records->recv, blocks_now(&records->reserve_recv)));
    if (atomic_load_explicit(&records->heard, memory_order_relaxed))
        note_heard(service, pair, records->generation);
}

size_t kgr_record_seal_size(size_t plaintext_len)
{
    return sizeof(struct kgr_record_job) + plaintext_len + kgr_suite_ciphertext_len(plaintext_len);
}

enum kgr_error kgr_record_set_seal(struct kgr_record_job *job, struct kgr_pair *pair,
                                   struct kgr_ring_key *key, const struct kgr_ipc_seal *asked,
                                   bool message)
{
    struct kgr_wr wr;
    enum kgr_error err;

    job_set(job, pair, key, asked->aad);
    job->job.run = kgr_record_run_seal;
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
        .message = message,
        .generation = key->generation,
    };
    err = next_sequence(job->job.service, pair, key->generation, &job->header.sequence);
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
    struct kgr_record_job *job;
    enum kgr_error err = KGR_OK;

    if (kgr_ipc_seal_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_SEAL))
        return;
    if (asked.data.len > KGR_IPC_DATA_MAX)
        err = kgr_diag_set(&diag, KGR_ERR_TOO_LARGE, "at most %d bytes in one record",
                           KGR_IPC_DATA_MAX);
    if (err == KGR_OK)
        err = kgr_service_find_key(service, &pair, &key, &asked.peer, 0, KGR_USE_SEND, &diag);
    if (err == KGR_OK)
        err = kgr_service_spend(service, &asked.peer, key->generation,
                                kgr_budget_blocks_sealed(asked.data.len), KGR_USE_SEND, &diag);
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.peer, err, &diag);
        return;
    }
    job = kgr_service_job_new(service, request->call, kgr_record_seal_size(asked.data.len));
    if (job == NULL)
        return;
    job->job.plain = true;
    job->job.write = write_seal;
    err = kgr_record_set_seal(job, pair, key, &asked, false);
    if (err == KGR_OK)
        kgr_service_job_start(&job->job);
    else
        kgr_service_job_fail(&job->job, err, NULL);
}

/* open */

enum kgr_error kgr_record_run_open(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                   struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    struct kgr_seal_key key = kgr_keyset_use_seal(&use);
    enum kgr_error err = kgr_seal_decrypt(
        &key, job->out, &job->out_len, job->iv, kgr_slice(job->aad, job->aad_len),
        kgr_slice(job->in, job->in_len), kgr_slice(job->tag, kgr_suite_tag_len(job->suite)));

    return err == KGR_ERR_CORRUPT ? kgr_diag_set(diag, err, KGR_RECORD_FORGED) : err;
}

static enum kgr_error spend_opened(const struct kgr_record_job *job, struct kgr_diag *diag)
{
    return kgr_service_spend(job->job.service, &job->peer, job->header.generation,
                             kgr_budget_blocks_sealed(job->out_len), KGR_USE_RECEIVE, diag);
}

enum kgr_error kgr_record_accept(const struct kgr_record_job *job, struct kgr_diag *diag)
{
    struct kgr_service *service = job->job.service;
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
    if (err == KGR_OK)
        err = spend_opened(job, diag);
    if (err == KGR_OK && kgr_record_recv_need(&records->recv, sequence, 1, &ceiling) &&
        kgr_record_recv_need(&records->recv, sequence, blocks_now(&records->reserve_recv),
                             &ceiling))
        err = raise_recv(service, &job->peer, records, ceiling);
    if (err == KGR_OK)
        err = kgr_record_recv_accept(&records->recv, sequence);
    if (err == KGR_OK)
        note_heard(service, pair, job->header.generation);
    return err;
}

enum kgr_error kgr_record_count(const struct kgr_record_job *job, struct kgr_diag *diag)
{
    return job->window ? kgr_record_accept(job, diag) : spend_opened(job, diag);
}

static enum kgr_error finish_open(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    enum kgr_error err = kgr_record_count(job, diag);

    if (err == KGR_OK)
        kgr_service_ok(base->service, base->call, kgr_slice(job->out, job->out_len));
    return err;
}

enum kgr_error kgr_record_parse(struct kgr_record *out, struct kgr_slice bytes,
                                struct kgr_diag *diag)
{
    if (kgr_record_decode(out, bytes) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, KGR_RECORD_NONE);
    if (out->header.message)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, KGR_RECORD_IS_MESSAGE);
    return KGR_OK;
}

enum kgr_error kgr_record_find_key(struct kgr_service *service, struct kgr_pair **out_pair,
                                   struct kgr_ring_key **out_key, const struct kgr_ipc_seal *asked,
                                   const struct kgr_record *record, struct kgr_diag *diag)
{
    const struct kgr_record_header *h = &record->header;
    struct kgr_pair_records *records;
    enum kgr_error err = kgr_service_find_key(service, out_pair, out_key, &asked->peer,
                                              h->generation, KGR_USE_RECEIVE, diag);

    /* The peer is known; it is this generation that is not. */
    if (err == KGR_ERR_UNKNOWN_PEER && kgr_pairs_find(&service->node->pairs, &asked->peer) != NULL)
        return KGR_ERR_NO_KEY;
    if (err != KGR_OK)
        return err;
    if (h->role == (*out_key)->own_role)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, KGR_RECORD_OWN);
    if (h->suite != (uint8_t)(*out_key)->suite)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, KGR_RECORD_OTHER_SUITE);
    records = kgr_pair_find_records(*out_pair, h->generation);
    if (records == NULL)
        return KGR_ERR_FAILED;
    if (asked->stored && h->stored)
        return KGR_OK;
    err = kgr_record_recv_check(&records->recv, h->sequence);
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, KGR_RECORD_SEEN);
}

size_t kgr_record_open_size(const struct kgr_record *record)
{
    return sizeof(struct kgr_record_job) + 2 * record->body.len;
}

void kgr_record_set_open(struct kgr_record_job *job, const struct kgr_pair *pair,
                         const struct kgr_ring_key *key, const struct kgr_ipc_seal *asked,
                         const struct kgr_record *record)
{
    job_set(job, pair, key, asked->aad);
    memcpy(job->aad, record->aad.p, KGR_RECORD_HEADER_LEN);
    job->job.run = kgr_record_run_open;
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
    struct kgr_record_job *job;
    enum kgr_error err;

    if (kgr_ipc_seal_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_OPEN))
        return;
    err = kgr_record_parse(&record, asked.data, &diag);
    if (err == KGR_OK)
        err = kgr_record_find_key(service, &pair, &key, &asked, &record, &diag);
    if (err != KGR_OK) {
        kgr_server_fail(service->server, request->call, err, kgr_diag_text(&diag, err));
        return;
    }
    job = kgr_service_job_new(service, request->call, kgr_record_open_size(&record));
    if (job == NULL)
        return;
    job->job.plain = true;
    kgr_record_set_open(job, pair, key, &asked, &record);
    kgr_service_job_start(&job->job);
}

void kgr_service_store_records(struct kgr_service *service)
{
    struct kgr_pairs *pairs = &service->node->pairs;

    for (size_t i = 0; i < pairs->num; i++)
        for (size_t j = 0; j < KGR_RING_NUM_PLACES; j++) {
            struct kgr_pair_records *records = pairs->list[i]->records[j];

            /* What failed is in the log; up to the ceiling all counts as used then. */
            if (records != NULL &&
                kgr_generation_blocks(service->node->db, &pairs->list[i]->ex.s.peer,
                                      records->generation, records->budget.used, NULL) != KGR_OK)
                return;
            if (records != NULL &&
                write_ceilings(service, &pairs->list[i]->ex.s.peer, records,
                               kgr_record_send_exact(&records->send),
                               kgr_record_recv_exact(&records->recv), records->recv.seen) != KGR_OK)
                return;
        }
}
