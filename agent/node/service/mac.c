/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/keyset.h"
#include "agent/node/service/parts.h"
#include "agent/tpm/symmetric.h"

#include <stdlib.h>
#include <string.h>

/*
 * mac_start, mac_update, mac_final, mac_abort: an HMAC over any length. Between requests it is a saved context of the
 * TPM, or in sealed custody the state of a hash. It belongs to its connection: others cannot name it, and it dies with it. Jobs run in order, so that
 * requests of a stream may be pipelined.
 *
 * A stream of which any part was lost is dead: its MAC would be over something else than what was given, and its
 * first bytes not those that were looked at.
 */
struct kgr_mac_stream {
    struct kgr_mac_stream *next;
    uint32_t id;
    uint32_t slot; /* the connection */
    uint32_t generation;
    unsigned jobs; /* under way */
    bool listed;   /* may still be named */
    struct kgr_nid peer;
    uint64_t key_generation;
    enum kgr_use use;
    size_t mac_len;
    uint8_t head[KGR_RESERVED_LEN]; /* the first bytes of the input */
    size_t head_len;
    struct kgr_keyset_stream *hmac; /* touched by jobs only, but when there are none; NULL: dead */
};

static void stream_release(struct kgr_mac_stream *stream)
{
    if (stream->listed || stream->jobs > 0)
        return;
    kgr_keyset_stream_free(stream->hmac);
    free(stream);
}

static void unlist(struct kgr_service *service, struct kgr_mac_stream *stream)
{
    struct kgr_mac_stream **link = &service->streams;

    while (*link != NULL && *link != stream)
        link = &(*link)->next;
    if (*link == stream)
        *link = stream->next;
    stream->listed = false;
    stream_release(stream);
}

static struct kgr_mac_stream *find(struct kgr_service *service, struct kgr_call call, uint32_t id)
{
    for (struct kgr_mac_stream *s = service->streams; s != NULL; s = s->next)
        if (s->id == id && s->slot == call.slot && s->generation == call.generation)
            return s;
    return NULL;
}

/* find_allowed answers when there is no such stream, or its user lost the right that he began it by: it is dead then. */
static struct kgr_mac_stream *find_allowed(struct kgr_service *service,
                                           const struct kgr_server_request *request, uint32_t id)
{
    struct kgr_mac_stream *stream = find(service, request->call, id);

    if (stream == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_STATE, "no such MAC computation");
        return NULL;
    }
    if (kgr_service_may(service, request, &stream->peer, KGR_RIGHT_SIGN))
        return stream;
    unlist(service, stream);
    return NULL;
}

static size_t count(const struct kgr_service *service, struct kgr_call call)
{
    size_t n = 0;

    for (const struct kgr_mac_stream *s = service->streams; s != NULL; s = s->next)
        if (s->slot == call.slot && s->generation == call.generation)
            n++;
    return n;
}

/* One job for all four: what it does to the stream. */
struct stream_job {
    struct kgr_service_job job;
    struct kgr_mac_stream *stream;
    struct kgr_keyset *key; /* start; borrowed: buried after this job */
    bool done;              /* it succeeded */
    uint8_t mac[KGR_HASH_MAX];
    size_t len;
    uint8_t data[];
};

static void release_job(struct kgr_service_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    struct kgr_mac_stream *stream = job->stream;

    stream->jobs--;
    if (!job->done && stream->listed)
        unlist(base->service, stream);
    else
        stream_release(stream);
}

static struct stream_job *job_new(struct kgr_service *service, struct kgr_call call,
                                  struct kgr_mac_stream *stream, struct kgr_slice data)
{
    struct stream_job *job = kgr_service_job_new(service, call, sizeof(*job) + data.len);

    if (job == NULL)
        return NULL;
    stream->jobs++;
    /* Not past those that wait for the TPM. */
    job->job.ready =
        stream->jobs == 1 && stream->hmac != NULL && kgr_keyset_stream_is_ready(stream->hmac);
    job->stream = stream;
    job->job.plain = true;
    job->job.release = release_job;
    job->len = data.len;
    kgr_copy(job->data, data.p, data.len);
    return job;
}

/* start */

static enum kgr_error run_start(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                struct kgr_diag *diag)
{
    struct stream_job *job = (struct stream_job *)base;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};

    return kgr_keyset_stream_start(&use, &job->stream->hmac);
}

static enum kgr_error finish_start(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct stream_job *job = (struct stream_job *)base;
    struct kgr_service *service = base->service;
    struct kgr_wr wr;
    enum kgr_error err;

    (void)diag;
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    err = kgr_ipc_u32_encode(&wr, job->stream->id);
    if (err == KGR_OK)
        kgr_service_ok(service, base->call, kgr_wr_slice(&wr));
    job->done = err == KGR_OK;
    return err;
}

static struct kgr_mac_stream *stream_new(struct kgr_service *service, struct kgr_call call,
                                         const struct kgr_ring_key *key,
                                         const struct kgr_ipc_key *asked)
{
    struct kgr_mac_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL)
        return NULL;
    do {
        stream->id = service->next_stream++;
    } while (stream->id == 0 || find(service, call, stream->id) != NULL);
    stream->slot = call.slot;
    stream->generation = call.generation;
    stream->mac_len = kgr_suite_hash_len(key->suite);
    stream->listed = true;
    stream->peer = asked->peer;
    stream->key_generation = key->generation;
    stream->use = kgr_service_mac_use(asked->generation);
    stream->next = service->streams;
    service->streams = stream;
    return stream;
}

void kgr_service_mac_start(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_key asked;
    struct kgr_diag diag = {{0}};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair;
    struct kgr_mac_stream *stream = NULL;
    struct stream_job *job;
    enum kgr_error err;

    if (kgr_ipc_key_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_SIGN))
        return;
    err = kgr_service_find_key(service, &pair, &key, &asked.peer, asked.generation,
                               kgr_service_mac_use(asked.generation), &diag);
    if (err == KGR_OK && count(service, request->call) >= service->node->settings->mac_streams)
        err = kgr_diag_set(&diag, KGR_ERR_QUOTA, "too many MAC computations on this connection");
    if (err == KGR_OK) {
        stream = stream_new(service, request->call, key, &asked);
        err = stream == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    }
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.peer, err, &diag);
        return;
    }
    job = job_new(service, request->call, stream, kgr_slice(NULL, 0));
    if (job == NULL) {
        unlist(service, stream);
        return;
    }
    job->key = key->keys;
    kgr_service_job_uses(&job->job, job->key);
    job->job.run = run_start;
    job->job.finish = finish_start;
    kgr_service_job_start(&job->job);
}

/* update */

static enum kgr_error run_update(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                 struct kgr_diag *diag)
{
    struct stream_job *job = (struct stream_job *)base;

    enum kgr_error err;

    if (job->stream->hmac == NULL)
        return kgr_diag_set(diag, KGR_ERR_STATE, "no such MAC computation");
    err = kgr_keyset_stream_update(tpm, job->stream->hmac, kgr_slice(job->data, job->len), diag);
    if (err != KGR_OK) { /* for those that wait behind it too */
        kgr_keyset_stream_free(job->stream->hmac);
        job->stream->hmac = NULL;
    }
    return err;
}

static enum kgr_error finish_update(struct kgr_service_job *base, struct kgr_diag *diag)
{
    (void)diag;
    ((struct stream_job *)base)->done = true;
    kgr_service_ok(base->service, base->call, kgr_slice(NULL, 0));
    return KGR_OK;
}

/* note_head tells whether the input, of which data is the next part, begins with a reserved magic. */
static bool note_head(struct kgr_mac_stream *stream, struct kgr_slice data)
{
    size_t room = KGR_RESERVED_LEN - stream->head_len;
    size_t more = data.len < room ? data.len : room;

    if (room == 0)
        return false;
    kgr_copy(stream->head + stream->head_len, data.p, more);
    stream->head_len += more;
    return kgr_service_is_reserved(kgr_slice(stream->head, stream->head_len));
}

void kgr_service_mac_update(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_mac_update asked;
    struct kgr_mac_stream *stream;
    struct stream_job *job;
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (kgr_ipc_mac_update_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    stream = find_allowed(service, request, asked.id);
    if (stream == NULL)
        return;
    if (note_head(stream, asked.data)) {
        unlist(service, stream);
        kgr_server_fail(service->server, request->call, KGR_ERR_INVALID,
                        "input that begins like a record is not MACed");
        return;
    }
    err = kgr_service_spend(service, &stream->peer, stream->key_generation,
                            kgr_budget_blocks_raw(asked.data.len), stream->use, &diag);
    if (err != KGR_OK) {
        unlist(service, stream);
        kgr_server_fail(service->server, request->call, err, kgr_diag_text(&diag, err));
        return;
    }
    job = job_new(service, request->call, stream, asked.data);
    if (job == NULL) {
        unlist(service, stream);
        return;
    }
    job->job.run = run_update;
    job->job.finish = finish_update;
    kgr_service_job_start(&job->job);
}

/* final and abort */

static enum kgr_error run_final(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                struct kgr_diag *diag)
{
    struct stream_job *job = (struct stream_job *)base;

    if (job->stream->hmac == NULL)
        return kgr_diag_set(diag, KGR_ERR_STATE, "no such MAC computation");
    return kgr_keyset_stream_final(tpm, job->stream->hmac, job->mac, job->stream->mac_len, diag);
}

static enum kgr_error finish_final(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct stream_job *job = (struct stream_job *)base;

    (void)diag;
    job->done = true;
    kgr_service_ok(base->service, base->call, kgr_slice(job->mac, job->stream->mac_len));
    return KGR_OK;
}

void kgr_service_mac_final(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_mac_stream *stream;
    struct stream_job *job;
    uint32_t id;

    if (kgr_ipc_u32_decode(&id, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    stream = find_allowed(service, request, id);
    if (stream == NULL)
        return;
    job = job_new(service, request->call, stream, kgr_slice(NULL, 0));
    unlist(service, stream); /* the job holds it */
    if (job == NULL)
        return;
    job->job.run = run_final;
    job->job.finish = finish_final;
    kgr_service_job_start(&job->job);
}

void kgr_service_mac_abort(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_mac_stream *stream;
    uint32_t id;

    if (kgr_ipc_u32_decode(&id, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    stream = find(service, request->call, id);
    if (stream == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_STATE, "no such MAC computation");
        return;
    }
    unlist(service, stream);
    kgr_service_ok(service, request->call, kgr_slice(NULL, 0));
}

void kgr_service_forget_streams(struct kgr_service *service, uint32_t slot, uint32_t generation)
{
    struct kgr_mac_stream *stream = service->streams;

    while (stream != NULL) {
        struct kgr_mac_stream *next = stream->next;

        if (stream->slot == slot && stream->generation == generation)
            unlist(service, stream);
        stream = next;
    }
}

void kgr_service_end_streams(struct kgr_service *service, const struct kgr_nid *peer)
{
    struct kgr_mac_stream *stream = service->streams;

    while (stream != NULL) {
        struct kgr_mac_stream *next = stream->next;

        if (kgr_nid_cmp(&stream->peer, peer) == 0)
            unlist(service, stream);
        stream = next;
    }
}

void kgr_service_free_streams(struct kgr_service *service)
{
    while (service->streams != NULL)
        unlist(service, service->streams);
}
