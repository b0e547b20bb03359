/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/audit.h"
#include "agent/server/protocol/nksk_glue.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/server/protocol/challenge_job.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/store/nksk_rows.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_nksk.h"
#include "agent/wire/frame.h"

/* A challenge being made. */
struct making {
    struct kgr_ks_challenge_job job; /* first */
    struct kgr_ks_nksk_request request;
};

/* The sources of a step; NULL where the event has none. */
struct step {
    const struct kgr_ks_frame *frame;
    const struct kgr_nksk_req *request;
    const struct kgr_ks_challenge *made;
};

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_node *node,
                          const struct kgr_ks_nksk_event *event, const struct step *step,
                          struct kgr_diag *diag);

static void made(struct kgr_ks_challenge_job *job, enum kgr_error err)
{
    struct making *m = (struct making *)job;
    struct kgr_diag diag = {{0}};
    struct kgr_ks_nksk_event event = {
        .type = err == KGR_OK ? KGR_KS_NKSK_MADE : KGR_KS_NKSK_FAILED,
        .request = &m->request,
        .nonce_ks = job->chal.nonce_ks,
        .transcript = job->chal.proof,
    };
    struct step step = {.made = &job->chal};

    if (kgr_ks_begin(job->ks) == KGR_OK)
        kgr_ks_end(job->ks, act(job->ks, job->node, &event, &step, &diag), &diag);
}

static enum kgr_error begin_making(struct kgr_ks *ks, struct kgr_ks_node *node,
                                   const struct kgr_nksk_req *request)
{
    const struct kgr_ks_nksk_request *making = &node->renewal.making;
    const struct kgr_ks_challenge_wish wish = {
        .labels = &kgr_labels_nksk,
        .xid = making->xid,
        .hash = making->hash,
        .nonce_n = request->nonce_n,
        .topic2 = request->topic2,
        .suite = making->suite,
        .custody = making->custody,
        .custodies = making->custodies,
    };
    struct making *m = kgr_ks_challenge_job_new(sizeof *m, ks, node, &wish);
    enum kgr_error err = m == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK && request->storage.len != 0)
        err = kgr_tpm_public_set(&m->job.chal.storage, request->storage);
    if (err != KGR_OK) {
        free(m);
        return err;
    }
    m->job.made = made;
    m->request = *making;
    kgr_ks_challenge_job_start(&m->job);
    return KGR_OK;
}

/* What the machine says */

static void fill_row(struct kgr_ks_nksk_row *out, const struct kgr_ks_node *node)
{
    memset(out, 0, sizeof *out);
    out->nid = node->r.nid;
    out->born_s = node->nksk_born_s;
    out->wanted = node->rekey;
    out->state = node->renewal.s;
}

static enum kgr_error send_stored(struct kgr_ks *ks, struct kgr_ks_node *node,
                                  struct kgr_ks_key *key, uint8_t type, struct kgr_diag *diag)
{
    uint8_t *body = NULL;
    size_t len = 0;
    enum kgr_error err = kgr_ks_nksk_body(ks->db, &node->r.nid, &body, &len, diag);

    if (err == KGR_OK)
        err = kgr_ks_frames_send(ks, key, type, node->renewal.s.request.xid, kgr_slice(body, len),
                                 NULL);
    free(body);
    return err;
}

/* receive puts the NKSK that is to come beside the one in force. */
static enum kgr_error receive(struct kgr_ks *ks, struct kgr_ks_node *node,
                              const struct kgr_ks_nksk_row *row)
{
    enum kgr_error err;

    kgr_ks_node_drop_next(ks, node);
    err = kgr_ks_key_new_nksk(&node->next_nksk, row->key_id,
                              (enum kgr_suite)row->state.request.suite, &row->blobs,
                              &ks->id.storage, ks->id.root, ks->next_slot_id, kgr_clock_boot_ms());
    ks->next_slot_id += 2;
    if (err != KGR_OK)
        return err;
    node->next_nksk->node = node;
    memcpy(node->next_topic1, row->topic1, sizeof node->next_topic1);
    kgr_ks_keys_add(&ks->keys, node->next_nksk);
    return KGR_OK;
}

static enum kgr_error keep(struct kgr_ks *ks, struct kgr_ks_node *node,
                           const struct kgr_ks_challenge *chal, struct kgr_diag *diag)
{
    struct kgr_slice body = kgr_slice(chal->body, chal->body_len);
    struct kgr_ks_nksk_row *row = malloc(sizeof *row);
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        fill_row(row, node);
        memcpy(row->topic1, chal->topic1, sizeof row->topic1);
        memcpy(row->topic2, chal->topic2, sizeof row->topic2);
        memcpy(row->key_id, chal->key_id, sizeof row->key_id);
        row->blobs = chal->nksk;
        if (row->state.request.storage)
            row->storage = chal->storage;
        ks->erased = ks->erased || node->next_nksk != NULL;
        if (node->next_nksk != NULL)
            err = kgr_ks_window_erase(ks->db, node->next_nksk->key_id, diag);
    }
    if (err == KGR_OK)
        err = kgr_ks_nksk_save(ks->db, row, &body, diag);
    if (err == KGR_OK)
        err = receive(ks, node, row);
    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, row->topic1));
    if (err == KGR_OK)
        err = send_stored(ks, node, node->nksk, KGR_FRAME_NKSK_CHAL, diag);
    free(row);
    return err;
}

/* change makes what the row holds the NKSK, topics and storage key in force; *row loses them. */
static enum kgr_error change(struct kgr_ks *ks, struct kgr_ks_node *node,
                             struct kgr_ks_nksk_row *row, struct kgr_diag *diag)
{
    const struct kgr_ks_nksk_request *request = &node->renewal.s.request;
    struct kgr_ks_record *r = &node->r;
    enum kgr_error err = kgr_ks_window_erase(ks->db, r->nksk_key_id, diag);

    if (err == KGR_OK && row->storage.len != 0) {
        r->storage = row->storage;
        err = kgr_tpm_public_hash(node->reg.s.storage, &r->storage);
    }
    if (err != KGR_OK)
        return err;
    node->reg.s.suite = request->suite;
    node->reg.s.custody = request->custody;
    r->suites = request->suites;
    r->custodies = request->custodies;
    memcpy(r->topic1, row->topic1, sizeof r->topic1);
    memcpy(r->topic2, row->topic2, sizeof r->topic2);
    memcpy(r->nksk_key_id, row->key_id, sizeof r->nksk_key_id);
    r->nksk = row->blobs;
    fill_row(row, node);
    ks->erased = true;
    return kgr_ks_node_save(ks, node, diag);
}

/* swap does in memory what change did on disk. */
static void swap(struct kgr_ks *ks, struct kgr_ks_node *node, const uint8_t *old_topic1)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, old_topic1));
    kgr_ks_keys_take(&ks->keys, node->nksk);
    kgr_ks_key_release(ks, node->nksk);
    node->nksk = node->next_nksk;
    node->next_nksk = NULL;
}

static bool satisfies(bool storage, uint8_t wanted)
{
    return storage || (wanted & KGR_REKEY_STORAGE) == 0;
}

static enum kgr_error promote(struct kgr_ks *ks, struct kgr_ks_node *node,
                              const struct kgr_ks_frame *frame, struct kgr_diag *diag)
{
    const struct kgr_ks_nksk_state *s = &node->renewal.s;
    struct kgr_ks_nksk_row *row = malloc(sizeof *row);
    uint8_t done[512], old_topic1[KGR_TOPIC_LEN];
    uint8_t *chal = NULL;
    size_t chal_len = 0, done_len = 0;
    struct kgr_slice body;
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    memcpy(old_topic1, node->r.topic1, sizeof old_topic1);
    if (err == KGR_OK)
        err = kgr_ks_nksk_load(ks->db, row, &node->r.nid, diag);
    if (err == KGR_OK)
        err = kgr_ks_nksk_body(ks->db, &node->r.nid, &chal, &chal_len, diag);
    if (err == KGR_OK)
        err = kgr_ks_challenge_done(done, sizeof done, &done_len, kgr_slice(chal, chal_len),
                                    &kgr_labels_nksk, s->request.xid, s->proof, frame->body);
    node->nksk_born_s = kgr_ks_now_s(ks);
    if (satisfies(s->request.storage, node->rekey))
        node->rekey = 0;
    if (err == KGR_OK)
        err = change(ks, node, row, diag);
    body = kgr_slice(done, done_len);
    if (err == KGR_OK)
        err = kgr_ks_nksk_save(ks->db, row, &body, diag);
    if (err == KGR_OK) {
        const struct kgr_audit_event event = {
            .what = KGR_AUDIT_RENEWAL,
            .subject = node->r.nid.s,
            .text = s->request.storage ? "NKSK and storage key" : "NKSK",
        };

        swap(ks, node, old_topic1);
        ks->stats.nksk_renewals++;
        err = kgr_ks_audit(ks, &event, diag);
        kgr_info("nksk", "node=%s state=renewed storage_key=%s", node->r.nid.s,
                 s->request.storage ? "new" : "kept");
    }
    if (err == KGR_OK)
        err = kgr_ks_exchanges_rekeyed(ks, &node->r.nid, diag);
    /* Their duplicates are for a storage key that the node is about to evict. */
    if (err == KGR_OK && s->request.storage)
        err = kgr_ks_exchanges_abort(ks, &node->r.nid, diag);
    if (err == KGR_OK)
        err = send_stored(ks, node, node->nksk, KGR_FRAME_NKSK_DONE, diag);
    free(chal);
    free(row);
    return err;
}

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_node *node,
                          const struct kgr_ks_nksk_event *event, const struct step *step,
                          struct kgr_diag *diag)
{
    uint8_t reason = 0;
    enum kgr_error err = KGR_OK;

    if (!kgr_ks_node_ready(node)) /* revoked while the TPM was at work */
        return KGR_OK;
    switch (kgr_ks_nksk_step(&node->renewal, event, &reason)) {
    case KGR_KS_NKSK_DO_NOTHING:
        break;
    case KGR_KS_NKSK_DO_CHALLENGE:
        err = begin_making(ks, node, step->request);
        break;
    case KGR_KS_NKSK_DO_KEEP:
        err = keep(ks, node, step->made, diag);
        break;
    case KGR_KS_NKSK_DO_SEND_CHAL:
        err = send_stored(ks, node, node->nksk, KGR_FRAME_NKSK_CHAL, diag);
        break;
    case KGR_KS_NKSK_DO_PROMOTE:
        err = promote(ks, node, step->frame, diag);
        break;
    case KGR_KS_NKSK_DO_SEND_DONE:
        err = send_stored(ks, node, node->nksk, KGR_FRAME_NKSK_DONE, diag);
        break;
    case KGR_KS_NKSK_DO_NACK:
        err = kgr_ks_frames_nack(ks, step->frame, reason, 0);
        break;
    case KGR_KS_NKSK_DO_IGNORE:
        kgr_debug("frame-ignored", "node=%s phase=%d", node->r.nid.s, (int)node->renewal.s.phase);
        break;
    }
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of our own rows, not of the frame */
}

/* Frames */

static enum kgr_error is_wellformed(struct kgr_ks *ks, const struct kgr_ks_node *node,
                                    const struct kgr_nksk_req *request, const uint8_t *hash,
                                    bool *out, uint8_t *out_suites, struct kgr_diag *diag)
{
    const struct kgr_ks_nksk_state *s = &node->renewal.s;
    struct kgr_tpm_public storage = node->r.storage;
    bool known = false;
    enum kgr_error err = KGR_OK;

    /* The topic of a request that stands is known from it. */
    if (s->phase != KGR_KS_NKSK_CHALLENGED || memcmp(s->request.hash, hash, KGR_DIGEST_LEN) != 0)
        err = kgr_ks_topic_known(ks->db, &known, request->topic2, diag);
    *out = !known;
    if (request->storage.len != 0 && (kgr_tpm_public_set(&storage, request->storage) != KGR_OK ||
                                      kgr_tpm_check_storage(&storage) != KGR_OK))
        *out = false;
    *out_suites = request->suites & kgr_tpm_storage_suites(&storage);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

enum kgr_error kgr_ks_nksk_request(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                   struct kgr_diag *diag)
{
    struct kgr_ks_node *node = frame->node;
    struct kgr_ks_nksk_request request = {.sequence = frame->sequence};
    struct kgr_ks_nksk_event event = {
        .type = KGR_KS_NKSK_REQ,
        .request = &request,
        .own_suites = ks->custody.suites,
        .own_custodies = kgr_ks_custody_own(&ks->custody),
    };
    struct kgr_nksk_req body;
    struct step step = {.frame = frame, .request = &body};
    enum kgr_error err = kgr_nksk_req_decode(&body, frame->body);

    if (err != KGR_OK || kgr_nid_cmp(&body.node, &node->r.nid) != 0)
        return KGR_ERR_CORRUPT;
    memcpy(request.xid, frame->xid, sizeof request.xid);
    request.storage = body.storage.len != 0;
    request.custodies = body.custodies;
    err = kgr_sha256(request.hash, &frame->body, 1);
    if (err == KGR_OK)
        err =
            is_wellformed(ks, node, &body, request.hash, &event.wellformed, &request.suites, diag);
    if (err == KGR_OK && !event.wellformed)
        kgr_warn("nksk",
                 "node=%s state=refused reason=\"no storage key by template, or a known "
                 "topic\"",
                 node->r.nid.s);
    return err == KGR_OK ? act(ks, node, &event, &step, diag) : err;
}

enum kgr_error kgr_ks_nksk_proof(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                 struct kgr_diag *diag)
{
    struct kgr_reg_proof proof;
    struct kgr_ks_nksk_event event = {
        .type = KGR_KS_NKSK_PROOF,
        .xid = frame->xid,
        .nonce_ks = proof.nonce,
        .transcript = proof.transcript,
    };
    struct step step = {.frame = frame};

    if (kgr_reg_proof_decode(&proof, frame->body) != KGR_OK ||
        kgr_nid_cmp(&proof.node, &frame->node->r.nid) != 0)
        return KGR_ERR_CORRUPT;
    return act(ks, frame->node, &event, &step, diag);
}

/* Rows */

enum kgr_error kgr_ks_nksk_born(struct kgr_ks *ks, struct kgr_ks_node *node, struct kgr_diag *diag)
{
    struct kgr_ks_nksk_row *row = malloc(sizeof *row);
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_ks_node_drop_next(ks, node);
    node->renewal = (struct kgr_ks_nksk){0};
    node->nksk_born_s = kgr_ks_now_s(ks);
    node->rekey = 0;
    if (err == KGR_OK)
        err = kgr_ks_nksk_erase(ks->db, &node->r.nid, diag);
    if (err == KGR_OK) {
        fill_row(row, node);
        err = kgr_ks_nksk_save(ks->db, row, NULL, diag);
    }
    if (err == KGR_OK)
        err = kgr_ks_exchanges_rekeyed(ks, &node->r.nid, diag);
    free(row);
    return err;
}

enum kgr_error kgr_ks_nksk_order(struct kgr_ks *ks, struct kgr_ks_node *node, bool storage,
                                 struct kgr_diag *diag)
{
    struct kgr_ks_nksk_row *row = malloc(sizeof *row);
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_ks_nksk_load(ks->db, row, &node->r.nid, diag);
    if (err == KGR_ERR_NO_KEY) {
        fill_row(row, node);
        err = KGR_OK;
    }
    if (err == KGR_OK) {
        row->wanted |= (uint8_t)(KGR_REKEY_WANTED | (storage ? KGR_REKEY_STORAGE : 0));
        err = kgr_ks_nksk_save(ks->db, row, NULL, diag);
    }
    if (err == KGR_OK)
        node->rekey = row->wanted;
    free(row);
    return err;
}

enum kgr_error kgr_ks_nksk_restore(struct kgr_ks *ks, struct kgr_ks_node *node,
                                   struct kgr_diag *diag)
{
    struct kgr_ks_nksk_row *row = malloc(sizeof *row);
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_ks_nksk_load(ks->db, row, &node->r.nid, diag);
    if (err == KGR_OK) {
        kgr_ks_nksk_restart(&node->renewal, &row->state);
        node->nksk_born_s = row->born_s;
        node->rekey = row->wanted;
        if (row->state.phase == KGR_KS_NKSK_CHALLENGED && kgr_ks_node_ready(node))
            err = receive(ks, node, row);
        if (err == KGR_OK && node->next_nksk != NULL)
            err = kgr_ks_window_load(ks->db, &node->next_nksk->window, row->key_id, diag);
    }
    free(row);
    return err == KGR_ERR_NO_KEY ? KGR_OK : err; /* not registered yet */
}
