/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/revoke.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/audit.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/node/service/service.h"
#include "agent/node/store/store.h"
#include "agent/tpm/remove.h"
#include "agent/tpm/slots.h"
#include "agent/tpm/worker.h"
#include "agent/wire/body_notice.h"
#include "agent/node/mirror/mirror.h"

#include <stdlib.h>

/* How long a revoked node keeps NKSK, to acknowledge a notice that the KS repeats. */
#define FAREWELL_MS 10000u

/* Pairs */

static enum kgr_error record(struct kgr_node *node, const struct kgr_pair *pair,
                             struct kgr_diag *diag)
{
    static const char *const words[] = {"not named any more", "allowed", "revoked", "denied"};
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_NODE,
        .subject = pair->ex.s.peer.s,
        .text = words[pair->status],
    };

    return kgr_node_audit_within(node, &event, diag);
}

enum kgr_error kgr_revoke_hear(struct kgr_node *node, struct kgr_pair *pair,
                               enum kgr_pair_status status, uint64_t word, uint64_t floor,
                               bool *out_changed, struct kgr_diag *diag)
{
    enum kgr_pair_status before = pair->status;
    struct kgr_pair_row row;
    enum kgr_error err;

    *out_changed = false;
    if (word < pair->word || (word == pair->word && status == before))
        return KGR_OK;
    pair->status = status;
    pair->word = word;
    if (floor > pair->floor)
        pair->floor = floor;
    kgr_pair_row_of(pair, &row);
    err = kgr_pair_save(node->db, &row, diag);
    if (err == KGR_OK && status != before)
        err = record(node, pair, diag);
    if (status != before)
        kgr_renewal_look(pair); /* what was not allowed before may be due */
    if (err == KGR_OK && status != before)
        kgr_info("pair_status", "peer=%s status=%d", pair->ex.s.peer.s, (int)status);
    *out_changed = err == KGR_OK;
    return err;
}

/* condemned: up to which generation the keys of a pair are to be destroyed. */
static uint64_t condemned(const struct kgr_pair *pair)
{
    return pair->status == KGR_PAIR_REVOKED ? UINT64_MAX : pair->floor;
}

static bool holds(const struct kgr_node *node, const struct kgr_pair *pair, uint64_t up_to)
{
    for (size_t place = 0; place < KGR_RING_NUM_PLACES; place++) {
        const struct kgr_ring_key *key =
            kgr_ring_at(node->pairs.ring, &pair->ex.s.peer, (enum kgr_ring_place)place);

        if (key != NULL && key->generation <= up_to)
            return true;
    }
    /* The pair itself is revoked: nothing may go on either. */
    return up_to == UINT64_MAX &&
           (pair->ex.job != KGR_EXCHANGE_JOB_NONE ||
            (pair->ex.s.phase != KGR_EXCHANGE_IDLE && pair->ex.s.phase != KGR_EXCHANGE_FAILED));
}

enum kgr_error kgr_revoke_apply(struct kgr_node *node, struct kgr_pair *pair)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_REVOKED, .generation = condemned(pair)};

    return holds(node, pair, event.generation) ? kgr_exchange_run(node, pair, &event, NULL)
                                               : KGR_OK;
}

enum kgr_error kgr_revoke_apply_all(struct kgr_node *node)
{
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < node->pairs.num && err == KGR_OK; i++)
        err = kgr_revoke_apply(node, node->pairs.list[i]);
    return err;
}

/* Notices */

static void ack(struct kgr_node *node, const uint8_t *xid, uint64_t word)
{
    uint8_t body[8];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, body, sizeof(body));
    err = kgr_notice_ack_encode(&wr, word);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NKSK, node->topic1, KGR_FRAME_NOTICE_ACK,
                              xid, kgr_wr_slice(&wr), NULL);
    if (err != KGR_OK) /* the KS repeats the notice */
        kgr_warn("frame_not_sent", "type=%d reason=\"%s\"", KGR_FRAME_NOTICE_ACK,
                 kgr_strerror(err));
}

static enum kgr_error on_pair(struct kgr_node *node, const struct kgr_notice *notice)
{
    struct kgr_diag diag = {{0}};
    struct kgr_pair *pair;
    bool changed = false;
    enum kgr_error err = kgr_pairs_ensure(&node->pairs, &pair, &notice->peer, false);

    if (err == KGR_OK)
        err = kgr_node_begin(node);
    if (err != KGR_OK)
        return err;
    err = kgr_revoke_hear(node, pair, (enum kgr_pair_status)notice->kind, notice->word,
                          notice->floor, &changed, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "notice", err, &diag);
        return err;
    }
    err = kgr_node_commit(node);
    if (err == KGR_OK)
        err = kgr_revoke_apply(node, pair);
    if (err == KGR_OK && changed && node->service != NULL)
        kgr_service_pair_changed(node->service, pair);
    return err;
}

/* The end of this node */

static enum kgr_error mark(struct kgr_node *node, uint64_t word, struct kgr_diag *diag)
{
    const struct kgr_audit_event event = {.what = KGR_AUDIT_NODE,
                                          .subject = node->self.s,
                                          .text = "this node was revoked: keys destroyed"};
    enum kgr_error err = kgr_meta_set_u64(node->db, KGR_META_REVOKED, word, diag);

    if (err == KGR_OK)
        err = kgr_node_audit_within(node, &event, diag);
    return err == KGR_OK ? kgr_node_store_drop_pairs(node->db, diag) : err;
}

static enum kgr_error on_end(struct kgr_node *node, uint64_t word)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err != KGR_OK)
        return err;
    err = mark(node, word, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "revocation", err, &diag);
        return err;
    }
    err = kgr_node_commit(node);
    if (err != KGR_OK)
        return err;
    if (kgr_db_checkpoint(node->db, &diag) != KGR_OK)
        kgr_warn("checkpoint_failed", "reason=\"%s\"", kgr_diag_text(&diag, KGR_ERR_IO));
    for (size_t i = 0; i < node->pairs.num; i++)
        node->pairs.list[i]->status = KGR_PAIR_REVOKED;
    kgr_revoke_resume(node, word);
    err = kgr_revoke_apply_all(node);
    for (size_t i = 0; i < node->pairs.num; i++)
        kgr_service_pair_changed(node->service, node->pairs.list[i]);
    kgr_mirrors_end(node->mirrors);
    return err;
}

void kgr_revoke_resume(struct kgr_node *node, uint64_t word)
{
    if (node->revoked == 0)
        kgr_node_alarm(node, "this node was revoked: its keys are destroyed; to start anew: "
                             "kgr-agent wipe, init, enroll");
    node->revoked = word;
    node->farewell_ms = kgr_clock_boot_ms() + FAREWELL_MS;
}

enum kgr_error kgr_revoke_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_notice notice;
    enum kgr_error err = kgr_notice_decode(&notice, frame->body);

    if (err != KGR_OK)
        return err;
    if (notice.kind == KGR_NOTICE_NODE_REVOKED)
        err = node->revoked != 0 ? KGR_OK : on_end(node, notice.word);
    else if (node->revoked == 0)
        err = on_pair(node, &notice);
    if (err != KGR_OK)
        kgr_error_log("notice_failed", "kind=%u peer=%s reason=\"%s\"", notice.kind, notice.peer.s,
                      kgr_strerror(err)); /* the KS repeats it */
    else {
        /* Nothing begins on the workers any more under what the KS shall believe is gone. */
        if (node->service != NULL)
            kgr_service_publish(node->service);
        ack(node, frame->header->xid, notice.word);
    }
    return err;
}

void kgr_revoke_on_ready(struct kgr_node *node)
{
    uint8_t xid[KGR_XID_LEN];

    if (node->farewell_ms == UINT64_MAX)
        return; /* and no key to speak with */
    kgr_random(xid, sizeof(xid));
    ack(node, xid, node->revoked);
}

/* The storage keys go out of the TPM: whatever blob of a key still exists somewhere is dead then. */
struct evict_job {
    struct kgr_node *node;
    struct kgr_tpm_remains remains[KGR_ANCHOR_REMAINS];
    size_t num;
};

static enum kgr_error run_evict(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct evict_job *job = ctx;

    kgr_tpm_flush_keys(tpm);
    return kgr_tpm_remove_all(tpm, job->remains, job->num, diag);
}

static void erase_state(struct kgr_node *node)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err != KGR_OK)
        return; /* logged; the next start does it */
    err = kgr_node_store_drop_all(node->db, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "revocation", err, &diag);
        return;
    }
    err = kgr_node_commit(node);
    if (err == KGR_OK && kgr_db_checkpoint(node->db, &diag) == KGR_OK)
        kgr_info("keys_destroyed", "node=%s", node->self.s);
}

static void done_evict(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct evict_job *job = ctx;
    struct kgr_node *node = job->node;

    free(job);
    if (err == KGR_OK) {
        erase_state(node);
        return;
    }
    if (err != KGR_ERR_STATE) /* the worker is stopping */
        kgr_error_log("not_destroyed", "what=storage reason=\"%s\"", kgr_diag_text(diag, err));
    node->farewell_ms = kgr_clock_boot_ms() + FAREWELL_MS; /* again */
}

static enum kgr_error evict(struct kgr_node *node, struct kgr_diag *diag)
{
    struct evict_job *job = calloc(1, sizeof(*job));
    enum kgr_error err = job == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK) {
        job->node = node;
        err = kgr_anchor_remains(job->remains, &job->num, node->db, diag);
    }
    if (err == KGR_OK)
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_BULK,
            &(struct kgr_tpm_job){.run = run_evict, .done = done_evict, .ctx = job});
    if (err != KGR_OK)
        free(job);
    return err;
}

void kgr_revoke_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (now_ms < node->farewell_ms)
        return;
    node->farewell_ms = UINT64_MAX;
    kgr_frames_drop(&node->frames, KGR_FRAME_NKSK);
    kgr_frames_drop(&node->frames, KGR_FRAME_NEXT);
    err = node->worker != NULL ? evict(node, &diag) : KGR_OK;
    if (err != KGR_OK) {
        kgr_error_log("not_destroyed", "what=storage reason=\"%s\"", kgr_diag_text(&diag, err));
        node->farewell_ms = now_ms + FAREWELL_MS;
    }
}

enum kgr_error kgr_revoke_load(struct kgr_db *db, uint64_t *out_word, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_meta_get_u64(db, KGR_META_REVOKED, out_word, diag);

    if (err == KGR_ERR_NO_KEY) {
        *out_word = 0;
        return KGR_OK;
    }
    return err;
}
