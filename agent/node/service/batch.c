/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/service/record.h"
#include "agent/wire/ipc_batch.h"

#include <stdlib.h>
#include <string.h>

/*
 * seal_batch and open_batch where the fast path (fast_batch.c) cannot: each message is a job of its own, begun when the one before
 * ended, so that the TPM serves others in between.
 */
struct kgr_batch {
    struct kgr_service *service;
    struct kgr_call call;
    struct kgr_ipc_batch head;
    bool seals;
    bool stepping; /* jobs that end at once do not nest */
    bool waiting;  /* a job is under way */
    bool ran;      /* and came to its end */
    size_t next;
    enum kgr_error err; /* seal: why there is no answer */
    struct kgr_diag why;
    struct kgr_wr reply;
    struct kgr_ipc_batch_item items[KGR_IPC_BATCH_MAX]; /* borrow body */
    uint8_t room[KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN];
    size_t body_len;
    uint8_t body[];
};

static void step(struct kgr_batch *batch);

static void batch_free(struct kgr_batch *batch)
{
    /* What applications encrypt is theirs. */
    kgr_cleanse(batch, sizeof(*batch) + batch->body_len);
    free(batch);
}

/* conclude notes how the present message ended. */
static void conclude(struct kgr_batch *batch, enum kgr_error err, const struct kgr_diag *diag)
{
    const char *text = kgr_diag_text(diag, err);
    const struct kgr_ipc_opened opened = {.status = (uint32_t)err,
                                          .data = kgr_slice(text, strlen(text))};

    if (err == KGR_OK)
        return;
    if (err == KGR_ERR_TPM)
        kgr_error_log("tpm_failed", "what=request reason=\"%s\"", text);
    if (!batch->seals) {
        kgr_ipc_opened_write(&batch->reply, &opened);
        return;
    }
    batch->err = err;
    batch->why = *diag;
}

static enum kgr_error run_part(struct kgr_service_job *base, struct kgr_tpm *tpm,
                               struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_batch *batch = job->batch;

    (void)diag;
    batch->ran = true;
    batch->why = (struct kgr_diag){{0}};
    batch->err = batch->seals ? kgr_record_run_seal(base, tpm, &batch->why)
                              : kgr_record_run_open(base, tpm, &batch->why);
    return KGR_OK; /* the answer is the batch's */
}

static enum kgr_error finish_part(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct kgr_record_job *job = (struct kgr_record_job *)base;
    struct kgr_batch *batch = job->batch;
    enum kgr_error err = batch->err;
    struct kgr_diag why = batch->why;
    uint8_t *room;
    struct kgr_wr wr;

    (void)diag;
    batch->err = KGR_OK;
    if (err == KGR_OK && batch->seals) {
        size_t len =
            KGR_RECORD_HEADER_LEN + KGR_IV_LEN + job->out_len + kgr_suite_tag_len(job->suite);

        room = kgr_ipc_sealed_reserve(&batch->reply, len);
        kgr_wr_init(&wr, room, room == NULL ? 0 : len);
        err = kgr_record_write(job, &wr);
    } else if (err == KGR_OK) {
        err = kgr_record_count(job, &why);
        if (err == KGR_OK)
            kgr_ipc_opened_write(
                &batch->reply, &(struct kgr_ipc_opened){.status = KGR_OK,
                                                        .data = kgr_slice(job->out, job->out_len)});
    }
    conclude(batch, err, &why);
    return KGR_OK;
}

static void release_part(struct kgr_service_job *base)
{
    struct kgr_batch *batch = ((struct kgr_record_job *)base)->batch;

    const struct kgr_diag none = {{0}};

    if (!batch->ran)
        conclude(batch, KGR_ERR_TPM, &none);
    batch->waiting = false;
    if (!batch->stepping)
        step(batch);
}

static void start(struct kgr_batch *batch, struct kgr_record_job *job)
{
    job->batch = batch;
    job->job.plain = true;
    job->job.run = run_part;
    job->job.write = NULL;
    job->job.finish = finish_part;
    job->job.release = release_part;
    batch->waiting = true;
    batch->ran = false;
    if (job->job.ready) {
        kgr_service_job_start(&job->job);
    } else if (!kgr_service_job_try(&job->job, &batch->call)) {
        struct kgr_diag diag = {{0}};

        batch->waiting = false;
        conclude(batch, kgr_diag_set(&diag, KGR_ERR_BUSY, "the TPM's queue is full"), &diag);
    }
}

static enum kgr_error seal_next(struct kgr_batch *batch, const struct kgr_ipc_seal *asked,
                                struct kgr_diag *diag)
{
    const struct kgr_call nobody = {0};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct kgr_record_job *job;
    enum kgr_error err;

    if (asked->data.len > KGR_IPC_DATA_MAX)
        return kgr_diag_set(diag, KGR_ERR_TOO_LARGE, "at most %d bytes in one record",
                            KGR_IPC_DATA_MAX);
    err = kgr_service_find_key(batch->service, &pair, &key, &asked->peer, 0, KGR_USE_SEND, diag);
    if (err == KGR_OK)
        err = kgr_service_spend(batch->service, &asked->peer, key->generation,
                                kgr_budget_blocks_sealed(asked->data.len), KGR_USE_SEND, diag);
    if (err != KGR_OK)
        return err;
    job = kgr_service_job_new(batch->service, nobody, kgr_record_seal_size(asked->data.len));
    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_record_set_seal(job, pair, key, asked, false);
    if (err == KGR_OK)
        start(batch, job);
    else
        kgr_service_job_fail(&job->job, err, diag);
    return err;
}

static enum kgr_error open_next(struct kgr_batch *batch, const struct kgr_ipc_seal *asked,
                                struct kgr_diag *diag)
{
    const struct kgr_call nobody = {0};
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct kgr_record_job *job;
    struct kgr_record record;
    enum kgr_error err = kgr_record_parse(&record, asked->data, diag);

    if (err == KGR_OK)
        err = kgr_record_find_key(batch->service, &pair, &key, asked, &record, diag);
    if (err != KGR_OK)
        return err;
    job = kgr_service_job_new(batch->service, nobody, kgr_record_open_size(&record));
    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_record_set_open(job, pair, key, asked, &record);
    start(batch, job);
    return KGR_OK;
}

static void answer(struct kgr_batch *batch)
{
    struct kgr_server *server = batch->service->server;

    if (batch->err == KGR_OK && !kgr_wr_ok(&batch->reply))
        batch->err = kgr_diag_set(&batch->why, KGR_ERR_TOO_LARGE,
                                  "the answers are longer than a packet: fewer messages");
    if (batch->err == KGR_OK)
        kgr_service_ok(batch->service, batch->call, kgr_wr_slice(&batch->reply));
    else
        kgr_server_fail(server, batch->call, batch->err, kgr_diag_text(&batch->why, batch->err));
    batch_free(batch);
}

/* step begins messages until one waits for the TPM, and answers after the last. */
static void step(struct kgr_batch *batch)
{
    batch->stepping = true;
    while (!batch->waiting && batch->err == KGR_OK && batch->next < batch->head.num &&
           kgr_server_is_open(batch->service->server, batch->call)) {
        const struct kgr_ipc_batch_item *item = &batch->items[batch->next++];
        const struct kgr_ipc_seal asked = {
            .peer = batch->head.peer,
            .stored = batch->head.stored,
            .aad = item->aad,
            .data = item->data,
        };
        struct kgr_diag diag = {{0}};
        enum kgr_error err =
            batch->seals ? seal_next(batch, &asked, &diag) : open_next(batch, &asked, &diag);

        if (err != KGR_OK)
            conclude(batch, err, &diag);
    }
    batch->stepping = false;
    if (!batch->waiting)
        answer(batch);
}

/* Before any message is begun is the first use of a key that is not there yet. */
static bool refuse_all(struct kgr_service *service, const struct kgr_server_request *request,
                       const struct kgr_batch *batch)
{
    struct kgr_ring_key *key = NULL;
    struct kgr_pair *pair = NULL;
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (!batch->seals)
        return false;
    err = kgr_service_find_key(service, &pair, &key, &batch->head.peer, 0, KGR_USE_SEND, &diag);
    if (err != KGR_OK)
        kgr_service_refuse(service, request, &batch->head.peer, err, &diag);
    return err != KGR_OK;
}

static void handle(struct kgr_service *service, const struct kgr_server_request *request,
                   enum kgr_right right)
{
    struct kgr_batch *batch = calloc(1, sizeof(*batch) + request->body.len);

    if (batch == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    batch->service = service;
    batch->call = request->call;
    batch->seals = right == KGR_RIGHT_SEAL;
    batch->body_len = request->body.len;
    kgr_copy(batch->body, request->body.p, request->body.len);
    kgr_wr_init(&batch->reply, batch->room, sizeof(batch->room));
    if (kgr_ipc_batch_decode(&batch->head, batch->items, kgr_slice(batch->body, batch->body_len)) !=
        KGR_OK)
        kgr_service_malformed(service, request);
    else if (kgr_service_may(service, request, &batch->head.peer, right) &&
             !refuse_all(service, request, batch)) {
        step(batch);
        return;
    }
    batch_free(batch);
}

void kgr_service_seal_batch(struct kgr_service *service, const struct kgr_server_request *request)
{
    handle(service, request, KGR_RIGHT_SEAL);
}

void kgr_service_open_batch(struct kgr_service *service, const struct kgr_server_request *request)
{
    handle(service, request, KGR_RIGHT_OPEN);
}
