/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/service.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/daemon/supervisor.h"
#include "agent/node/audit.h"
#include "agent/node/service/parts.h"
#include "agent/tpm/worker.h"

#include <stdlib.h>
#include <string.h>

void kgr_service_ok(struct kgr_service *service, struct kgr_call call, struct kgr_slice body)
{
    kgr_server_reply(service->server, call, KGR_OK, body);
}

void kgr_service_malformed(struct kgr_service *service, const struct kgr_server_request *request)
{
    kgr_server_fail(service->server, request->call, KGR_ERR_CORRUPT, "malformed request");
}

/* Jobs */

/* Each connection is a lane of the TPM's worker; all messages that come from peers are one. */
#define LANE_OF_NOBODY UINT32_MAX
/* What holds no more bytes than that needs few commands. */
#define SMALL_JOB 8192

void *kgr_service_job_new(struct kgr_service *service, struct kgr_call call, size_t size)
{
    struct kgr_service_job *job = calloc(1, size);

    if (job == NULL) {
        kgr_server_fail(service->server, call, KGR_ERR_NO_MEMORY, NULL);
        return NULL;
    }
    job->service = service;
    job->call = call;
    job->size = size;
    return job;
}

static void job_end(struct kgr_service_job *job)
{
    size_t size = job->size;

    if (job->release != NULL)
        job->release(job);
    kgr_ticket_drop(&job->ticket);
    /* What applications encrypt is theirs. */
    kgr_cleanse(job, size);
    free(job);
}

void kgr_service_job_fail(struct kgr_service_job *job, enum kgr_error err,
                          const struct kgr_diag *diag)
{
    kgr_server_fail(job->service->server, job->call, err, kgr_diag_text(diag, err));
    job_end(job);
}

/* On the worker: what the socket does not take at once, and every error, is left to the loop. */
static void send_answer(struct kgr_service_job *job)
{
    uint8_t *room = job->service->tpm_reply;
    struct kgr_wr wr;

    kgr_wr_init(&wr, room, KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN);
    job->sent =
        job->write(job, &wr) == KGR_OK && kgr_ticket_answer(&job->ticket, kgr_wr_slice(&wr));
    kgr_cleanse(room, wr.len);
}

static enum kgr_error run(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_service_job *job = ctx;
    enum kgr_error err = job->run(job, tpm, diag);

    if (err == KGR_OK && job->ticket.outlet != NULL)
        send_answer(job);
    return err;
}

static enum kgr_error answer(struct kgr_service_job *job)
{
    struct kgr_service *service = job->service;
    struct kgr_wr wr;
    enum kgr_error err = KGR_OK;

    if (job->sent) {
        kgr_server_answered(service->server, job->call);
        return KGR_OK;
    }
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    err = job->write(job, &wr);
    if (err == KGR_OK)
        kgr_service_ok(service, job->call, kgr_wr_slice(&wr));
    kgr_cleanse(service->reply, wr.len);
    return err;
}

static void done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_service_job *job = ctx;
    struct kgr_diag why = diag != NULL ? *diag : (struct kgr_diag){{0}};

    if (job->plain)
        job->service->node->num_plain++;
    if (job->unseals)
        job->service->node->due = true;
    if (err == KGR_ERR_TPM)
        kgr_error_log("tpm_failed", "what=request reason=\"%s\"", kgr_diag_text(&why, err));
    if (err == KGR_OK)
        err = job->write != NULL ? answer(job) : job->finish(job, &why);
    if (err != KGR_OK)
        kgr_server_fail(job->service->server, job->call, err, kgr_diag_text(&why, err));
    job_end(job);
}

/* When the client has its answer, the rest can wait. */
static bool is_lazy(void *ctx)
{
    return ((const struct kgr_service_job *)ctx)->sent;
}

static enum kgr_error submit(struct kgr_service_job *job, uint32_t lane)
{
    const struct kgr_tpm_job tpm_job = {
        .run = run,
        .done = done,
        .ctx = job,
        .lane = lane,
        .small = job->plain && job->size <= SMALL_JOB,
        .is_lazy = is_lazy,
    };

    return kgr_tpm_worker_submit(job->service->node->worker, KGR_TPM_BULK, &tpm_job);
}

bool kgr_service_job_try(struct kgr_service_job *job, const struct kgr_call *for_whom)
{
    if (submit(job, for_whom == NULL ? LANE_OF_NOBODY : for_whom->slot + 1) == KGR_OK)
        return true;
    job->release = NULL;
    job_end(job);
    return false;
}

void kgr_service_job_uses(struct kgr_service_job *job, const struct kgr_keyset *key)
{
    job->ready = kgr_keyset_is_ready(key);
    job->unseals = !job->ready && kgr_keyset_is_sealed(key);
}

void kgr_service_job_start(struct kgr_service_job *job)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    job->service->plain = job->plain;
    if (job->ready) {
        err = job->run(job, NULL, &diag);
        done(job, err, &diag);
        return;
    }
    if (job->write != NULL && !kgr_server_ticket(job->service->server, job->call, &job->ticket)) {
        job_end(job); /* nobody is there to be answered */
        return;
    }
    err = submit(job, job->call.slot + 1);
    if (err != KGR_OK)
        kgr_service_job_fail(job, err, NULL);
}

/* Requests */

static kgr_service_fn *const handlers[] = {
    [KGR_IPC_STATUS] = kgr_service_status,
    [KGR_IPC_PEERS] = kgr_service_peers,
    [KGR_IPC_KEY] = kgr_service_key,
    [KGR_IPC_HANDLE] = kgr_service_handle,
    [KGR_IPC_RESOLVE] = kgr_service_resolve,
    [KGR_IPC_REQUEST] = kgr_service_request,
    [KGR_IPC_WAIT] = kgr_service_wait,
    [KGR_IPC_CIPHER] = kgr_service_cipher,
    [KGR_IPC_MAC] = kgr_service_mac,
    [KGR_IPC_MAC_START] = kgr_service_mac_start,
    [KGR_IPC_MAC_UPDATE] = kgr_service_mac_update,
    [KGR_IPC_MAC_FINAL] = kgr_service_mac_final,
    [KGR_IPC_MAC_ABORT] = kgr_service_mac_abort,
    [KGR_IPC_SEAL] = kgr_service_seal,
    [KGR_IPC_OPEN] = kgr_service_open,
    [KGR_IPC_SEAL_BATCH] = kgr_service_seal_batch,
    [KGR_IPC_OPEN_BATCH] = kgr_service_open_batch,
    [KGR_IPC_ETM] = kgr_service_etm,
    [KGR_IPC_ETM_OPEN] = kgr_service_etm_open,
    [KGR_IPC_RANDOM] = kgr_service_random,
    [KGR_IPC_STIR] = kgr_service_stir,
    [KGR_IPC_REKEY] = kgr_service_rekey,
    [KGR_IPC_KEYS] = kgr_service_keys,
    [KGR_IPC_PIN] = kgr_service_pin,
    [KGR_IPC_METRICS] = kgr_service_metrics,
    [KGR_IPC_DIAGNOSIS] = kgr_service_diagnosis,
    [KGR_IPC_AUDIT] = kgr_service_audit,
    [KGR_IPC_SEND] = kgr_service_send,
    [KGR_IPC_RECV] = kgr_service_recv,
    [KGR_IPC_SUBSCRIBE] = kgr_service_subscribe,
    [KGR_IPC_EVENT] = kgr_service_next_event,
    [KGR_IPC_RELOAD] = kgr_service_reload,
    [KGR_IPC_MIRROR_ADD] = kgr_service_mirror_add,
    [KGR_IPC_MIRROR_LIST] = kgr_service_mirror_list,
    [KGR_IPC_MIRROR_REMOVE] = kgr_service_mirror_remove,
};

void kgr_service_handle_request(struct kgr_service *service,
                                const struct kgr_server_request *request)
{
    if (service->node->revoked != 0 && request->op != KGR_IPC_STATUS &&
        request->op != KGR_IPC_METRICS && request->op != KGR_IPC_AUDIT &&
        request->op != KGR_IPC_DIAGNOSIS && request->op != KGR_IPC_PEERS &&
        request->op != KGR_IPC_KEYS)
        kgr_server_fail(service->server, request->call, KGR_ERR_REVOKED, "this node was revoked");
    else if (kgr_service_at_once(service, request))
        return;
    else if (request->op < KGR_ARRAY_LEN(handlers) && handlers[request->op] != NULL)
        handlers[request->op](service, request);
    else
        kgr_server_fail(service->server, request->call, KGR_ERR_UNSUPPORTED,
                        "this agent knows no such operation");
}

static void on_request(void *arg, const struct kgr_server_request *request)
{
    struct kgr_service *service = arg;

    kgr_node_drain_tpm(service->node);
    service->plain = false;
    kgr_service_handle_request(service, request);
    kgr_node_served(service->node, service->plain);
}

static void on_closed(void *arg, uint32_t slot, uint32_t generation)
{
    struct kgr_service *service = arg;

    kgr_service_forget_waits(service, slot, generation);
    kgr_service_forget_holds(service, slot, generation);
    kgr_service_forget_streams(service, slot, generation);
    kgr_service_forget_rekeys(service, slot, generation);
    kgr_service_forget_receivers(service, slot, generation);
    kgr_service_forget_subscription(service, slot, generation);
}

static void on_refused(void *arg, const struct kgr_peercred *peer, enum kgr_error err,
                       const char *why)
{
    struct kgr_service *service = arg;

    if (err == KGR_ERR_ACCESS)
        kgr_node_audit_refusal(service->node, (uint32_t)peer->uid, KGR_IPC_HELLO, NULL, why);
}

enum kgr_error kgr_service_new(struct kgr_service **out, struct kgr_node *node,
                               struct kgr_diag *diag)
{
    struct kgr_service *service = calloc(1, sizeof(*service));
    struct kgr_server_options options = {
        .path = node->settings->socket,
        .node = node->self.s,
        .handler = on_request,
        .closed = on_closed,
        .refused = on_refused,
        .max_conns = node->settings->connections_total,
        .limits = node->settings->user_limits,
        .policy = node->settings->policy,
        .arg = service,
    };
    enum kgr_error err;

    if (service == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    service->node = node;
    service->next_stream = 1;
    kgr_bucket_init(&service->access_log, 1, 10, kgr_clock_boot_ms());
    err = kgr_pin_load(&service->pin, node->settings->pin_file, diag);
    if (err == KGR_OK)
        err = kgr_supervisor_socket(&options.listening, options.path, diag);
    if (err == KGR_OK)
        err = kgr_service_begin_beside(service, diag);
    options.workers = service->workers;
    if (err == KGR_OK)
        err = kgr_server_new(&service->server, node->loop, &options, diag);
    if (err != KGR_OK) {
        kgr_pin_deinit(&service->pin);
        kgr_service_end_beside(service);
        free(service);
        return err;
    }
    kgr_service_init_messages(service);
    kgr_service_init_events(service);
    *out = service;
    return KGR_OK;
}

void kgr_service_free(struct kgr_service *service)
{
    if (service == NULL)
        return;
    kgr_server_free(service->server);
    kgr_service_end_beside(service);
    kgr_service_store_records(service);
    kgr_service_free_waits(service);
    kgr_service_free_holds(service);
    kgr_service_free_streams(service);
    kgr_service_free_rekeys(service);
    kgr_service_free_receivers(service);
    kgr_service_free_messages(service);
    kgr_service_free_events(service);
    kgr_pin_deinit(&service->pin);
    free(service);
}
