/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/parts.h"
#include "agent/tpm/random.h"

/* random and stir: the TPM's generator. */

struct random_job {
    struct kgr_service_job job;
    size_t len;
    uint8_t bytes[];
};

static enum kgr_error run_random(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                 struct kgr_diag *diag)
{
    struct random_job *job = (struct random_job *)base;

    return kgr_tpm_random(tpm, job->bytes, job->len, diag);
}

static enum kgr_error run_stir(struct kgr_service_job *base, struct kgr_tpm *tpm,
                               struct kgr_diag *diag)
{
    struct random_job *job = (struct random_job *)base;

    return kgr_tpm_stir(tpm, kgr_slice(job->bytes, job->len), diag);
}

static enum kgr_error finish_random(struct kgr_service_job *base, struct kgr_diag *diag)
{
    struct random_job *job = (struct random_job *)base;

    (void)diag;
    kgr_service_ok(base->service, base->call, kgr_slice(job->bytes, job->len));
    return KGR_OK;
}

static enum kgr_error finish_stir(struct kgr_service_job *base, struct kgr_diag *diag)
{
    (void)diag;
    kgr_service_ok(base->service, base->call, kgr_slice(NULL, 0));
    return KGR_OK;
}

void kgr_service_random(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct random_job *job;
    uint32_t len;

    if (kgr_ipc_u32_decode(&len, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (len > KGR_IPC_DATA_MAX) {
        kgr_server_fail(service->server, request->call, KGR_ERR_TOO_LARGE,
                        "at most 65,536 bytes at a time");
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job) + len);
    if (job == NULL)
        return;
    job->len = len;
    job->job.run = run_random;
    job->job.finish = finish_random;
    kgr_service_job_start(&job->job);
}

void kgr_service_stir(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct random_job *job;

    if (request->body.len > KGR_IPC_STIR_MAX) {
        kgr_server_fail(service->server, request->call, KGR_ERR_TOO_LARGE,
                        "at most 4,096 bytes at a time");
        return;
    }
    job = kgr_service_job_new(service, request->call, sizeof(*job) + request->body.len);
    if (job == NULL)
        return;
    job->len = request->body.len;
    kgr_copy(job->bytes, request->body.p, request->body.len);
    job->job.run = run_stir;
    job->job.finish = finish_stir;
    kgr_service_job_start(&job->job);
}
