/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/enrolment.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/server/orders/audit.h"
#include "agent/server/protocol/challenge_job.h"
#include "agent/server/protocol/nksk_glue.h"
#include "agent/server/orders/topic0.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/frame.h"

static const char *const phases[] = {
    [KGR_REGISTRY_ISSUED] = "issued",         [KGR_REGISTRY_CHALLENGED] = "challenged",
    [KGR_REGISTRY_REGISTERED] = "registered", [KGR_REGISTRY_REVOKED] = "revoked",
    [KGR_REGISTRY_EXPIRED] = "expired",       [KGR_REGISTRY_REMOVED] = "removed",
};

/* The sources of a step; NULL where the event has none. */
struct step {
    const struct kgr_ks_frame *frame;
    const struct kgr_reg_req *request;
    struct kgr_ks_challenge *made;
};

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_node *node,
                          const struct kgr_registry_event *event, const struct step *step,
                          struct kgr_diag *diag);

static void step_alone(struct kgr_ks *ks, struct kgr_ks_node *node,
                       const struct kgr_registry_event *event, const struct step *step)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_ks_begin(ks);

    if (err == KGR_OK)
        kgr_ks_end(ks, act(ks, node, event, step, &diag), &diag);
}

static void made(struct kgr_ks_challenge_job *job, enum kgr_error err)
{
    struct kgr_registry_event event = {
        .type = err == KGR_OK ? KGR_REGISTRY_MADE : KGR_REGISTRY_FAILED,
        .now_s = kgr_ks_now_s(job->ks),
        .request = job->chal.request,
        .nonce_ks = job->chal.nonce_ks,
        .transcript = job->chal.proof,
    };
    struct step step = {.made = &job->chal};

    step_alone(job->ks, job->node, &event, &step);
}

static enum kgr_error begin_making(struct kgr_ks *ks, struct kgr_ks_node *node,
                                   const struct kgr_reg_req *request)
{
    const struct kgr_registry_state *reg = &node->reg.s;
    const struct kgr_ks_challenge_wish wish = {
        .labels = &kgr_labels_registration,
        .xid = reg->xid,
        .hash = reg->request,
        .nonce_n = request->nonce_n,
        .topic2 = request->topic2,
        .suite = reg->suite,
        .custody = reg->custody,
        .custodies = node->r.custodies,
    };
    struct kgr_ks_challenge_job *job = kgr_ks_challenge_job_new(sizeof *job, ks, node, &wish);

    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    job->made = made;
    kgr_ks_challenge_job_start(job);
    return KGR_OK;
}

/* keep makes the challenge that was made the one that stands. */
static enum kgr_error keep(struct kgr_ks *ks, struct kgr_ks_node *node,
                           const struct kgr_ks_challenge *chal, struct kgr_diag *diag)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err;

    if (node->r.has_topics)
        kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, node->r.topic1));
    node->r.has_topics = true;
    memcpy(node->r.topic1, chal->topic1, sizeof node->r.topic1);
    memcpy(node->r.topic2, chal->topic2, sizeof node->r.topic2);
    node->r.has_nksk = true;
    memcpy(node->r.nksk_key_id, chal->key_id, sizeof node->r.nksk_key_id);
    node->r.nksk = chal->nksk;
    err = kgr_ks_node_save(ks, node, diag);
    if (err == KGR_OK)
        err = kgr_ks_chal_save(ks->db, &node->r.nid, kgr_slice(chal->body, chal->body_len), diag);
    if (err == KGR_OK)
        err = kgr_ks_node_rekey(ks, node);
    if (err == KGR_OK)
        err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, node->r.topic1));
    return err;
}

static enum kgr_error send_stored(struct kgr_ks *ks, struct kgr_ks_node *node,
                                  struct kgr_ks_key *key, uint8_t type, struct kgr_diag *diag)
{
    uint8_t *body = NULL;
    size_t len = 0;
    enum kgr_error err;

    if (key == NULL)
        return KGR_OK;
    err = kgr_ks_chal_load(ks->db, &node->r.nid, &body, &len, diag);
    if (err == KGR_OK)
        err = kgr_ks_frames_send(ks, key, type, node->reg.s.xid, kgr_slice(body, len), NULL);
    free(body);
    return err;
}

/* The NTAG and its key go; the body of reg_done takes the place of that of reg_chal. */
static enum kgr_error erase_ntag(struct kgr_ks *ks, struct kgr_ks_node *node,
                                 const struct kgr_ks_frame *proof, struct kgr_diag *diag)
{
    uint8_t done[512];
    uint8_t *chal = NULL;
    size_t chal_len = 0, done_len = 0;
    enum kgr_error err = KGR_OK;

    if (node->reg.s.phase == KGR_REGISTRY_REGISTERED && proof != NULL) {
        err = kgr_ks_chal_load(ks->db, &node->r.nid, &chal, &chal_len, diag);
        if (err == KGR_OK)
            err = kgr_ks_challenge_done(done, sizeof done, &done_len, kgr_slice(chal, chal_len),
                                        &kgr_labels_registration, node->reg.s.xid,
                                        node->reg.s.proof, proof->body);
        if (err == KGR_OK)
            err = kgr_ks_nksk_born(ks, node, diag);
        free(chal);
    }
    if (err == KGR_OK)
        err = kgr_ks_chal_save(ks->db, &node->r.nid, kgr_slice(done, done_len), diag);
    if (err == KGR_OK && node->r.has_ntag)
        err = kgr_ks_window_erase(ks->db, node->r.ntag_key_id, diag);
    node->r.has_ntag = false;
    kgr_ks_topic0_release(ks, node->r.topic0);
    kgr_cleanse(&node->r.ntag, sizeof node->r.ntag);
    if (node->reg.s.phase == KGR_REGISTRY_EXPIRED)
        node->r.has_nksk = false;
    if (err == KGR_OK)
        err = kgr_ks_node_save(ks, node, diag);
    if (err == KGR_OK)
        err = kgr_ks_node_rekey(ks, node);
    ks->erased = true;
    return err;
}

static enum kgr_error nack(struct kgr_ks *ks, struct kgr_ks_node *node, const struct step *step,
                           uint8_t reason)
{
    if (step->frame == NULL)
        return KGR_OK;
    if (!node->r.has_topics && step->request != NULL)
        memcpy(node->r.topic2, step->request->topic2, sizeof node->r.topic2);
    return kgr_ks_frames_nack(ks, step->frame, reason, 0);
}

static enum kgr_error act(struct kgr_ks *ks, struct kgr_ks_node *node,
                          const struct kgr_registry_event *event, const struct step *step,
                          struct kgr_diag *diag)
{
    struct kgr_registry_actions actions;
    enum kgr_error err = KGR_OK;

    kgr_registry_step(&node->reg, event, &actions);
    for (size_t i = 0; i < actions.num && err == KGR_OK; i++) {
        switch (actions.list[i].type) {
        case KGR_REGISTRY_DO_PERSIST:
            err = kgr_ks_node_save(ks, node, diag);
            break;
        case KGR_REGISTRY_DO_CHALLENGE:
            err = begin_making(ks, node, step->request);
            break;
        case KGR_REGISTRY_DO_KEEP:
            err = keep(ks, node, step->made, diag);
            break;
        case KGR_REGISTRY_DO_SEND_CHAL:
            err = send_stored(ks, node, node->ntag, KGR_FRAME_REG_CHAL, diag);
            break;
        case KGR_REGISTRY_DO_SEND_DONE:
            err = send_stored(ks, node, node->nksk, KGR_FRAME_REG_DONE, diag);
            break;
        case KGR_REGISTRY_DO_SEND_NACK:
            err = nack(ks, node, step, actions.list[i].reason);
            break;
        case KGR_REGISTRY_DO_ERASE_NTAG:
            err = erase_ntag(ks, node, step->frame, diag);
            break;
        case KGR_REGISTRY_DO_ALARM:
            kgr_ks_alarm(ks, "another TPM used the credential of %s", node->r.nid.s);
            err = kgr_ks_audit_node(ks, node->r.nid.s, KGR_ERR_NOT_AUTHORIZED,
                                    "another TPM used its credential", diag);
            break;
        case KGR_REGISTRY_DO_UNPROVEN:
            kgr_ks_alarm(ks, "%s was refused: nobody vouches for its TPM", node->r.nid.s);
            err = kgr_ks_audit_node(ks, node->r.nid.s, KGR_ERR_NOT_AUTHORIZED,
                                    "nobody vouches for its TPM", diag);
            break;
        case KGR_REGISTRY_DO_REPORT:
            kgr_info("node", "node=%s state=%s", node->r.nid.s, phases[node->reg.s.phase]);
            err = kgr_ks_audit_node(ks, node->r.nid.s, KGR_OK, phases[node->reg.s.phase], diag);
            break;
        case KGR_REGISTRY_DO_IGNORED:
            kgr_debug("frame-ignored", "node=%s state=%s", node->r.nid.s,
                      phases[node->reg.s.phase]);
            break;
        }
    }
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of our own rows, not of the frame */
}

static bool is_template(struct kgr_tpm_public *out, struct kgr_slice bytes,
                        enum kgr_error (*check)(const struct kgr_tpm_public *))
{
    return kgr_tpm_public_set(out, bytes) == KGR_OK && check(out) == KGR_OK;
}

/* is_new: nobody else uses these topic bytes. */
static enum kgr_error is_new(struct kgr_ks *ks, const struct kgr_ks_node *node,
                             const uint8_t *topic, bool *out, struct kgr_diag *diag)
{
    bool known = false;
    enum kgr_error err;

    if (node->r.has_topics && memcmp(node->r.topic2, topic, sizeof node->r.topic2) == 0) {
        *out = true;
        return KGR_OK;
    }
    err = kgr_ks_topic_known(ks->db, &known, topic, diag);
    *out = !known;
    return err;
}

/* is_certified: a maker that this KS trusts says that the EK is one of a TPM. */
static bool is_certified(struct kgr_ks *ks, const struct kgr_ks_node *node,
                         const struct kgr_reg_req *request, const struct kgr_tpm_public *ek)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (ks->ek_ca == NULL)
        return false;
    err = kgr_ek_ca_check(ks->ek_ca, request->ek_cert, ek, &diag);
    if (err != KGR_OK)
        kgr_info("ek-unproven", "node=%s reason=\"%s\"", node->r.nid.s, kgr_diag_text(&diag, err));
    return err == KGR_OK;
}

enum kgr_error kgr_ks_enrolment_request(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                        struct kgr_diag *diag)
{
    struct kgr_ks_node *node = frame->node;
    struct kgr_registry_event event = {
        .type = KGR_REGISTRY_REQ,
        .now_s = kgr_ks_now_s(ks),
        .xid = frame->xid,
        .own_suites = ks->custody.suites,
        .own_custodies = kgr_ks_custody_own(&ks->custody),
    };
    uint8_t request_hash[32], ek_hash[32] = {0}, storage_hash[32] = {0};
    struct kgr_tpm_public ek, storage;
    struct kgr_reg_req request;
    struct step step = {.frame = frame, .request = &request};
    bool new_topic = false;
    enum kgr_error err = kgr_reg_req_decode(&request, frame->body);

    if (err != KGR_OK || kgr_nid_cmp(&request.node, &node->r.nid) != 0)
        return KGR_ERR_CORRUPT;
    err = kgr_sha256(request_hash, &frame->body, 1);
    if (err == KGR_OK)
        err = is_new(ks, node, request.topic2, &new_topic, diag);
    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    event.wellformed = is_template(&ek, request.ek, kgr_tpm_check_ek) &&
                       is_template(&storage, request.storage, kgr_tpm_check_storage) && new_topic;
    if (event.wellformed && (kgr_tpm_public_hash(ek_hash, &ek) != KGR_OK ||
                             kgr_tpm_public_hash(storage_hash, &storage) != KGR_OK))
        return KGR_ERR_FAILED;
    event.certified = event.wellformed && is_certified(ks, node, &request, &ek);
    event.only_proven = ks->settings.only_proven;
    event.request = request_hash;
    event.ek = ek_hash;
    event.storage = storage_hash;
    event.suites = request.suites & kgr_tpm_storage_suites(&storage);
    event.custodies = request.custodies;
    if (event.wellformed && !node->reg.s.bound) {
        /* If the machine binds them, they are saved with it. */
        node->r.ek = ek;
        node->r.storage = storage;
        node->r.suites = request.suites;
        node->r.custodies = request.custodies;
    }
    return act(ks, node, &event, &step, diag);
}

enum kgr_error kgr_ks_enrolment_proof(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                      struct kgr_diag *diag)
{
    struct kgr_reg_proof proof;
    struct kgr_registry_event event = {
        .type = KGR_REGISTRY_PROOF,
        .now_s = kgr_ks_now_s(ks),
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

void kgr_ks_enrolment_expire(struct kgr_ks *ks)
{
    struct kgr_registry_event event = {.type = KGR_REGISTRY_TIMER, .now_s = kgr_ks_now_s(ks)};
    struct step none = {0};

    for (struct kgr_ks_node *node = ks->nodes; node != NULL && !ks->failed; node = node->next)
        if (node->r.has_ntag && event.now_s >= node->reg.s.expires_s)
            step_alone(ks, node, &event, &none);
}
