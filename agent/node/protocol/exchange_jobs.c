/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/exchange_jobs.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/node.h"
#include "agent/node/service/service.h"
#include "agent/seal/digest.h"
#include "agent/tpm/import.h"
#include "agent/tpm/worker.h"
#include "agent/node/mirror/mirror.h"

#include <stdlib.h>
#include <string.h>

static void report(struct kgr_node *node, struct kgr_pair *pair, enum kgr_exchange_event_type type,
                   uint64_t generation, enum kgr_error error, const struct kgr_diag *diag)
{
    struct kgr_exchange_event event = {.type = type, .generation = generation, .error = error};

    if (error != KGR_OK)
        kgr_error_log("tpm_failed", "what=exchange peer=%s reason=\"%s\"", pair->ex.s.peer.s,
                      kgr_diag_text(diag, error));
    (void)kgr_exchange_run(node, pair, &event, NULL); /* logged; a retry comes */
}

/* Import */

struct import_job {
    struct kgr_node *node;
    struct kgr_pair *pair;
    uint64_t generation;
    enum kgr_suite suite;
    enum kgr_tpm_form form;
    const struct kgr_tpm_object *parent; /* the storage key in force when the job began */
    struct kgr_tpm_public pub[2];
    struct kgr_tpm_duplicate duplicate[2];
    struct kgr_tpm_auth *auth[2]; /* owned */
    struct kgr_key_blobs blobs;
};

static void import_free(struct import_job *job)
{
    kgr_secret_free(job->auth[0]);
    kgr_secret_free(job->auth[1]);
    free(job);
}

static enum kgr_error run_import(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct import_job *job = ctx;
    struct kgr_tpm_blob *out[] = {&job->blobs.enc, &job->blobs.mac};
    static const enum kgr_tpm_kind kinds[] = {KGR_TPM_ENC, KGR_TPM_MAC};
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < 2 && err == KGR_OK; i++) {
        struct kgr_tpm_import import = {
            .parent = job->parent,
            .suite = job->suite,
            .kind = kinds[i],
            .form = job->form,
            .pub = &job->pub[i],
            .duplicate = &job->duplicate[i],
            .auth = job->auth[i],
        };

        err = kgr_tpm_import(tpm, out[i], &import, diag);
    }
    return err;
}

/* stage keeps what was imported, unless its exchange is over. */
static enum kgr_error stage(struct import_job *job)
{
    struct kgr_node *node = job->node;
    struct kgr_pair *pair = job->pair;
    struct kgr_key_blobs *blobs;
    struct kgr_ring_key *key = NULL;
    enum kgr_error err;

    if (pair->ex.job != KGR_EXCHANGE_JOB_IMPORT || pair->ex.offer.generation != job->generation)
        return KGR_OK;
    blobs = malloc(sizeof(*blobs));
    if (blobs == NULL)
        return KGR_ERR_NO_MEMORY;
    *blobs = job->blobs;
    err = kgr_pair_make_key(&node->pairs, &key, &pair->ex.s, &pair->ex.offer, blobs, &node->anchor,
                            kgr_clock_boot_ms());
    if (err != KGR_OK) {
        free(blobs);
        return err;
    }
    kgr_exchange_bury(node, pair->staged);
    free(pair->blobs);
    pair->staged = key;
    pair->blobs = blobs;
    return KGR_OK;
}

static void done_import(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct import_job *job = ctx;

    job->pair->jobs--;
    if (err == KGR_OK)
        err = stage(job);
    report(job->node, job->pair, err == KGR_OK ? KGR_EXCHANGE_IMPORTED : KGR_EXCHANGE_IMPORT_FAILED,
           job->generation, err, diag);
    import_free(job);
}

static enum kgr_error copy_object(struct kgr_tpm_public *pub, struct kgr_tpm_duplicate *duplicate,
                                  const struct kgr_wire_object *object)
{
    if (object->pub.len > sizeof(pub->bytes) || object->duplicate.len > sizeof(duplicate->bytes) ||
        object->seed.len > sizeof(duplicate->seed))
        return KGR_ERR_CORRUPT;
    pub->len = (uint16_t)object->pub.len;
    kgr_copy(pub->bytes, object->pub.p, object->pub.len);
    duplicate->len = (uint16_t)object->duplicate.len;
    kgr_copy(duplicate->bytes, object->duplicate.p, object->duplicate.len);
    duplicate->seed_len = (uint16_t)object->seed.len;
    kgr_copy(duplicate->seed, object->seed.p, object->seed.len);
    return KGR_OK;
}

void kgr_exchange_import(struct kgr_node *node, struct kgr_pair *pair,
                         const struct kgr_key_ans *keys)
{
    struct import_job *job = calloc(1, sizeof(*job));
    enum kgr_error err = job == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        job->node = node;
        job->pair = pair;
        job->generation = keys->head.generation;
        job->suite = (enum kgr_suite)keys->suite;
        job->parent = node->anchor.storage;
        if (!kgr_custody_form(&node->custody, keys->custody, &job->form))
            err = KGR_ERR_UNSUPPORTED;
    }
    if (err == KGR_OK)
        err = copy_object(&job->pub[0], &job->duplicate[0], &keys->nnsk);
    if (err == KGR_OK)
        err = copy_object(&job->pub[1], &job->duplicate[1], &keys->nnsksign);
    if (err == KGR_OK)
        err = kgr_pair_auths(&node->anchor, &pair->ex.s.peer, job->generation, &job->auth[0],
                             &job->auth[1]);
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_import, .done = done_import, .ctx = job});
    if (err == KGR_OK) {
        pair->jobs++;
        return;
    }
    if (job != NULL)
        import_free(job);
    report(node, pair, KGR_EXCHANGE_IMPORT_FAILED, keys->head.generation, err, NULL);
}

/* Key confirmation */

struct kc_job {
    struct kgr_node *node;
    struct kgr_pair *pair;
    uint64_t generation;
    struct kgr_keyset *key;             /* borrowed: buried after this job */
    uint8_t input[2][KGR_KC_INPUT_MAX]; /* of this node, of the peer */
    size_t input_len[2];
    uint8_t kc[2][KGR_HASH_MAX];
    size_t kc_len;
};

static enum kgr_error run_kc(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kc_job *job = ctx;
    struct kgr_keyset_use use = {.tpm = tpm, .key = job->key, .diag = diag};
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < 2 && err == KGR_OK; i++) {
        struct kgr_slice part = kgr_slice(job->input[i], job->input_len[i]);

        err = kgr_keyset_hmac(&use, &part, 1, job->kc[i]);
    }
    return err;
}

static void done_kc(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kc_job *job = ctx;
    struct kgr_exchange_event event = {
        .type = KGR_EXCHANGE_KC,
        .generation = job->generation,
        .kc_own = job->kc[0],
        .kc_expected = job->kc[1],
        .kc_len = job->kc_len,
    };

    job->pair->jobs--;
    if (err == KGR_OK)
        (void)kgr_exchange_run(job->node, job->pair, &event, NULL); /* logged; a retry comes */
    else
        report(job->node, job->pair, KGR_EXCHANGE_KC_FAILED, job->generation, err, diag);
    free(job);
}

static enum kgr_error kc_input(struct kc_job *job, const struct kgr_exchange *ex, size_t i)
{
    uint8_t own = kgr_exchange_role(&ex->s);
    struct kgr_kc kc = {
        .role = i == 0 ? own : (uint8_t)(3 - own),
        .generation = ex->offer.generation,
        .suite = ex->offer.suite,
        .name_enc = kgr_keyset_id(job->key, KGR_TPM_ENC),
        .name_mac = kgr_keyset_id(job->key, KGR_TPM_MAC),
    };
    struct kgr_wr wr;
    enum kgr_error err;

    memcpy(kc.pxid, ex->offer.pxid, KGR_XID_LEN);
    kc.nids[own - 1] = ex->s.self;
    kc.nids[2 - own] = ex->s.peer;
    memcpy(kc.topics[own - 1], ex->offer.topic_own, KGR_TOPIC_LEN);
    memcpy(kc.topics[2 - own], ex->offer.topic_peer, KGR_TOPIC_LEN);
    kgr_wr_init(&wr, job->input[i], sizeof(job->input[i]));
    err = kgr_kc_input(&wr, &kc);
    job->input_len[i] = wr.len;
    return err;
}

void kgr_exchange_confirm(struct kgr_node *node, struct kgr_pair *pair)
{
    struct kgr_ring_key *key = pair->staged;
    struct kc_job *job = calloc(1, sizeof(*job));
    enum kgr_error err = job == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (key == NULL)
        key = kgr_ring_at(node->pairs.ring, &pair->ex.s.peer, KGR_RING_CANDIDATE);
    if (err == KGR_OK && (key == NULL || key->generation != pair->ex.offer.generation))
        err = KGR_ERR_STATE;
    if (err == KGR_OK) {
        job->node = node;
        job->pair = pair;
        job->generation = key->generation;
        job->key = key->keys;
        job->kc_len = kgr_suite_hash_len(key->suite);
        err = kc_input(job, &pair->ex, 0);
    }
    if (err == KGR_OK)
        err = kc_input(job, &pair->ex, 1);
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_kc, .done = done_kc, .ctx = job});
    if (err == KGR_OK) {
        pair->jobs++;
        return;
    }
    free(job);
    report(node, pair, KGR_EXCHANGE_KC_FAILED, pair->ex.offer.generation, err, NULL);
}

/* Burial */

static enum kgr_error run_bury(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ring_key *key = ctx;

    (void)diag;
    kgr_keyset_unload(key->keys, tpm);
    return KGR_OK;
}

static void done_bury(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    (void)err;
    (void)diag;
    kgr_ring_key_free(ctx);
}

/* keep waits for room in the queue, or for the end of the process. */
static void keep(struct kgr_node *node, struct kgr_ring_key *key)
{
    struct kgr_ring_key **graves =
        realloc(node->graves, (node->num_graves + 1) * sizeof(struct kgr_ring_key *));

    if (graves == NULL) {
        /* Its slot is taken by another in time; the bytes are useless outside the TPM. */
        kgr_error_log("key_not_freed", "generation=%llu", (unsigned long long)key->generation);
        return;
    }
    node->graves = graves;
    node->graves[node->num_graves++] = key;
}

static bool bury(struct kgr_node *node, struct kgr_ring_key *key)
{
    /* Bulk runs after all control, and in order: who uses the key was submitted before. */
    return kgr_tpm_worker_submit(
               node->worker, KGR_TPM_BULK,
               &(struct kgr_tpm_job){.run = run_bury, .done = done_bury, .ctx = key}) == KGR_OK;
}

void kgr_exchange_bury(struct kgr_node *node, struct kgr_ring_key *key)
{
    if (key != NULL && node->service != NULL)
        kgr_service_unlisten(node->service, key);
    if (key != NULL)
        kgr_mirrors_changed(node->mirrors);
    if (key != NULL && !bury(node, key))
        keep(node, key);
}

void kgr_exchange_bury_again(struct kgr_node *node)
{
    while (node->num_graves > 0 && bury(node, node->graves[node->num_graves - 1]))
        node->num_graves--;
}

void kgr_exchange_free_graves(struct kgr_node *node)
{
    for (size_t i = 0; i < node->num_graves; i++)
        kgr_ring_key_free(node->graves[i]);
    free(node->graves);
    node->graves = NULL;
    node->num_graves = 0;
}
