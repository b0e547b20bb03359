/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/challenge_job.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"

static enum kgr_error run(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ks_challenge_job *job = ctx;
    enum kgr_error err = kgr_entropy_pool_stir(job->ks->entropy, tpm, diag);

    return err == KGR_OK ? kgr_ks_challenge_make(&job->chal, &job->ks->id, tpm, diag) : err;
}

static void done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_ks_challenge_job *job = ctx;

    if (err != KGR_OK && err != KGR_ERR_STATE)
        kgr_warn("challenge-failed", "node=%s reason=\"%s\"", job->node->r.nid.s,
                 kgr_diag_text(diag, err));
    job->made(job, err);
    free(job);
}

static void start(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct kgr_ks_challenge_job *job = (struct kgr_ks_challenge_job *)self;
    enum kgr_error err = kgr_tpm_worker_submit(
        ks->worker, KGR_TPM_CONTROL, &(struct kgr_tpm_job){.run = run, .done = done, .ctx = job});

    if (err != KGR_OK)
        done(job, err, NULL);
}

static void drop(struct kgr_ks_after *self)
{
    free(self);
}

void *kgr_ks_challenge_job_new(size_t size, struct kgr_ks *ks, struct kgr_ks_node *node,
                               const struct kgr_ks_challenge_wish *wish)
{
    struct kgr_ks_challenge_job *job = calloc(1, size);
    struct kgr_ks_challenge *chal;

    if (job == NULL)
        return NULL;
    job->after.start = start;
    job->after.drop = drop;
    job->ks = ks;
    job->node = node;
    chal = &job->chal;
    chal->labels = wish->labels;
    chal->nid = node->r.nid;
    chal->ek = node->r.ek;
    chal->storage = node->r.storage;
    chal->suite = (enum kgr_suite)wish->suite;
    chal->custody = wish->custody;
    chal->form = kgr_ks_form(wish->custody, wish->custodies);
    chal->own_form = kgr_ks_form(wish->custody, kgr_ks_custody_own(&ks->custody));
    memcpy(chal->xid, wish->xid, sizeof chal->xid);
    memcpy(chal->request, wish->hash, sizeof chal->request);
    memcpy(chal->nonce_n, wish->nonce_n, sizeof chal->nonce_n);
    memcpy(chal->topic2, wish->topic2, sizeof chal->topic2);
    kgr_random(chal->nonce_ks, sizeof chal->nonce_ks);
    kgr_random(chal->topic1, sizeof chal->topic1);
    kgr_random(chal->key_id, sizeof chal->key_id);
    return job;
}

void kgr_ks_challenge_job_start(struct kgr_ks_challenge_job *job)
{
    kgr_ks_later(job->ks, &job->after);
}
