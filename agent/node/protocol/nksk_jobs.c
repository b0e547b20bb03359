/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/nksk_glue.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/tpm/worker.h"

#include <stdlib.h>
#include <string.h>

/* PREPARE: the request, and the key that it names */

/* finish makes the body and tells the machine; it owns making until the machine took it. */
static enum kgr_error finish(struct kgr_nksk_making *making)
{
    struct kgr_node *node = making->node;
    uint8_t exchange[KGR_XID_LEN];
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_nksk_req req = {
        .node = node->self,
        .suites = node->custody.suites,
        .custodies = kgr_custody_mask(&node->custody),
    };
    struct kgr_nksk_source source = {.making = making};
    struct kgr_nksk_event event = {
        .type = KGR_NKSK_PREPARED,
        .wanted = (uint8_t)(KGR_REKEY_WANTED | (making->storage ? KGR_REKEY_STORAGE : 0)),
        .exchange = exchange,
        .nonce_n = req.nonce_n,
        .topic2 = req.topic2,
        .req_hash = hash,
    };
    struct kgr_slice part;
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_random(exchange, sizeof(exchange));
    kgr_random(req.topic2, sizeof(req.topic2));
    kgr_random(req.nonce_n, sizeof(req.nonce_n));
    if (making->storage)
        req.suites = kgr_custody_below(&node->custody, &making->blob.pub);
    if (making->storage)
        req.storage = kgr_slice(making->blob.pub.bytes, making->blob.pub.len);
    kgr_wr_init(&wr, making->body, sizeof(making->body));
    err = kgr_nksk_req_encode(&wr, &req);
    part = kgr_wr_slice(&wr);
    making->body_len = part.len;
    if (err == KGR_OK)
        err = kgr_sha256(hash, &part, 1);
    return err == KGR_OK ? kgr_nksk_run(node, &event, &source) : err;
}

static enum kgr_error run_make(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_nksk_making *making = ctx;

    return kgr_anchor_make(&making->node->anchor, tpm,
                           kgr_custody_best(making->node->custody.wanted), &making->blob,
                           &making->handle, diag);
}

static void done_make(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_nksk_making *making = ctx;
    struct kgr_node *node = making->node;

    if (err == KGR_OK)
        err = finish(making);
    if (err != KGR_OK) {
        free(making);
        kgr_nksk_fail(node, err, diag);
    }
}

void kgr_nksk_prepare(struct kgr_node *node, bool storage)
{
    struct kgr_nksk_making *making = calloc(1, sizeof(*making));
    struct kgr_diag diag = {{0}};
    enum kgr_error err = making == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        making->node = node;
        making->storage = storage;
        err = storage
                  ? kgr_tpm_worker_submit(
                        node->worker, KGR_TPM_CONTROL,
                        &(struct kgr_tpm_job){.run = run_make, .done = done_make, .ctx = making})
                  : finish(making);
    }
    if (err != KGR_OK) {
        free(making);
        kgr_nksk_fail(node, err, &diag);
    }
}

/* PLACE: the new storage key is persistent; what is on disk said so before */

static enum kgr_error run_place(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_nksk_making *making = ctx;

    return kgr_anchor_place(&making->node->anchor, tpm, &making->object, &making->blob,
                            making->handle, diag);
}

static void done_place(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_nksk_making *making = ctx;
    struct kgr_node *node = making->node;
    struct kgr_nksk_event event = {.type = KGR_NKSK_PLACED};

    if (err == KGR_OK) {
        kgr_anchor_set_next(&node->anchor, &making->object, &making->blob.pub);
        (void)kgr_nksk_run(node, &event, NULL); /* sends, or waits for the connection */
    } else {
        kgr_nksk_fail(node, err, diag);
    }
    free(making);
}

void kgr_nksk_place(struct kgr_nksk_making *making)
{
    enum kgr_error err = kgr_tpm_worker_submit(
        making->node->worker, KGR_TPM_CONTROL,
        &(struct kgr_tpm_job){.run = run_place, .done = done_place, .ctx = making});

    if (err != KGR_OK)
        done_place(making, err, NULL);
}

/* Eviction of the storage key that was */

struct evict_job {
    struct kgr_node *node;
    struct kgr_tpm_object storage; /* in force: the session is salted with it from now on */
    struct kgr_anchor_dead dead;
};

static enum kgr_error run_evict(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct evict_job *job = ctx;

    return kgr_anchor_evict_dead(&job->storage, tpm, &job->dead, diag);
}

static void done_evict(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct evict_job *job = ctx;
    struct kgr_diag why = diag != NULL ? *diag : (struct kgr_diag){{0}};

    job->node->anchor.evicting = false;
    if (err == KGR_OK)
        err = kgr_anchor_forget_dead(&job->node->anchor, job->node->db, &why);
    if (err == KGR_OK)
        kgr_info("storage_key_evicted", "handle=0x%08x", job->dead.handle);
    else if (!job->node->stopping) /* the next start, or the next wish for another, tries again */
        kgr_node_alarm(job->node, "the old storage key 0x%08x is not evicted: %s", job->dead.handle,
                       kgr_diag_text(&why, err));
    free(job);
}

void kgr_nksk_evict(struct kgr_node *node)
{
    struct evict_job *job;
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (node->anchor.evicting)
        return;
    job = calloc(1, sizeof(*job));
    err = job == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    if (err == KGR_OK) {
        job->node = node;
        job->storage = *node->anchor.storage;
        err = kgr_anchor_load_dead(node->db, &job->dead, &diag);
    }
    /* Bulk runs after all control, and in order: the keys below it are out of the TPM by then. */
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_BULK,
            &(struct kgr_tpm_job){.run = run_evict, .done = done_evict, .ctx = job});
    node->anchor.evicting = err == KGR_OK;
    if (err != KGR_OK) {
        free(job);
        if (err == KGR_ERR_NO_KEY)
            node->anchor.burying = false;
        else
            kgr_warn("storage_key_not_evicted", "reason=\"%s\"", kgr_diag_text(&diag, err));
    }
}
