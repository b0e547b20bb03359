/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/nksk_glue.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/service/service.h"
#include "agent/wire/body_exchange.h"

#include <stdlib.h>
#include <string.h>

/* Half of the counters of an epoch: a fresh key_id begins again at 1 (docs/protocol.md, section 3.2). */
#define COUNTERS_LOW (UINT32_MAX / 2)

/* Sending */

static void note_sent(enum kgr_error err, int type)
{
    if (err != KGR_OK)
        kgr_warn("frame_not_sent", "type=%d reason=\"%s\"", type, kgr_strerror(err));
}

static void send_req(struct kgr_node *node)
{
    uint8_t body[KGR_NKSK_REQ_MAX];
    size_t len = 0;
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_meta_get(node->db, KGR_META_NKSK_REQ, body, sizeof(body), &len, &diag);

    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NKSK, node->topic1, KGR_FRAME_NKSK_REQ,
                              node->renewal.s.exchange, kgr_slice(body, len), NULL);
    note_sent(err, KGR_FRAME_NKSK_REQ);
}

static void send_proof(struct kgr_node *node)
{
    const struct kgr_nksk_state *s = &node->renewal.s;
    uint8_t body[KGR_CHALLENGE_PROOF_MAX];
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    struct kgr_wr wr;
    enum kgr_error err = kgr_mqtt_subscribe(node->mqtt, kgr_topic_text(topic, s->topic2));

    kgr_wr_init(&wr, body, sizeof(body));
    if (err == KGR_OK)
        err = kgr_challenge_encode_proof(&wr, &node->self, s->nonce_ks, s->proof);
    if (err == KGR_OK)
        err = kgr_frames_send(&node->frames, KGR_FRAME_NEXT, s->topic1, KGR_FRAME_NKSK_PROOF,
                              s->exchange, kgr_wr_slice(&wr), NULL);
    note_sent(err, KGR_FRAME_NKSK_PROOF);
}

/* On disk */

static enum kgr_error save_state(struct kgr_node *node, struct kgr_diag *diag)
{
    uint8_t bytes[KGR_NKSK_STATE_BYTES_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_nksk_state_encode(&wr, &node->renewal.s);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    return kgr_meta_set(node->db, KGR_META_RENEWAL, kgr_wr_slice(&wr), diag);
}

/* What goes to disk beside the state. */
typedef enum kgr_error write_fn(struct kgr_node *node, const void *arg, struct kgr_diag *diag);

static enum kgr_error persist(struct kgr_node *node, write_fn *fn, const void *arg)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err != KGR_OK)
        return err;
    err = save_state(node, &diag);
    if (err == KGR_OK && fn != NULL)
        err = fn(node, arg, &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "renewal of NKSK", err, &diag);
        return err;
    }
    return kgr_node_commit(node);
}

static void checkpoint(struct kgr_node *node)
{
    struct kgr_diag diag = {{0}};

    /* A destroyed key shall not stay readable in the log of the database. */
    if (kgr_db_checkpoint(node->db, &diag) != KGR_OK)
        kgr_warn("checkpoint_failed", "reason=\"%s\"", kgr_diag_text(&diag, KGR_ERR_IO));
}

static enum kgr_error write_request(struct kgr_node *node, const void *arg, struct kgr_diag *diag)
{
    const struct kgr_nksk_making *making = arg;
    enum kgr_error err =
        kgr_meta_set(node->db, KGR_META_NKSK_REQ, kgr_slice(making->body, making->body_len), diag);

    if (err == KGR_OK && making->storage)
        err = kgr_anchor_save_next(node->db, &making->blob.pub, making->handle, diag);
    return err;
}

static enum kgr_error write_keys(struct kgr_node *node, const void *arg, struct kgr_diag *diag)
{
    const struct kgr_challenge *challenge = arg;

    return kgr_nksk_save(node->db, &challenge->row, diag);
}

static enum kgr_error write_switch(struct kgr_node *node, const void *arg, struct kgr_diag *diag)
{
    return kgr_nksk_save_switch(node, arg, diag);
}

static enum kgr_error write_abandon(struct kgr_node *node, const void *arg, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_meta_erase(node->db, KGR_META_NKSK_REQ, diag);

    (void)arg;
    return err == KGR_OK ? kgr_anchor_save_drop(node->db, diag) : err;
}

/* What the machine says */

static enum kgr_error store(struct kgr_node *node, struct kgr_nksk_making *making)
{
    enum kgr_error err = persist(node, write_request, making);

    if (err != KGR_OK)
        return err;
    if (making->storage) {
        kgr_nksk_place(making);
        return KGR_OK;
    }
    free(making);
    send_req(node);
    return KGR_OK;
}

static void on_worked(struct kgr_node *node, const struct kgr_challenge *challenge,
                      enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_diag why = diag != NULL ? *diag : (struct kgr_diag){{0}};
    struct kgr_nksk_event refused = {.type = KGR_NKSK_REFUSED};

    if (err == KGR_OK) {
        struct kgr_nksk_source source = {.challenge = challenge};
        struct kgr_nksk_event event = {
            .type = KGR_NKSK_ACCEPTED,
            .nonce_ks = challenge->chal.nonce_ks,
            .topic1 = challenge->chal.topic1,
            .key_id = challenge->chal.key_id,
            .proof = challenge->proof,
            .done = challenge->done,
        };

        err = kgr_nksk_run(node, &event, &source);
    }
    if (err != KGR_OK) {
        if (!node->stopping)
            kgr_node_alarm(node, "renewal of NKSK: %s", kgr_diag_text(&why, err));
        (void)kgr_nksk_run(node, &refused, NULL); /* changes only the machine */
    }
}

static enum kgr_error work(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    const struct kgr_challenge_args args = {
        .labels = &kgr_labels_nksk,
        .parent = node->renewal.s.storage ? node->anchor.next : node->anchor.storage,
        .xid = frame->header->xid,
        .req_hash = node->renewal.s.req_hash,
        .body = frame->body,
        .done = on_worked,
    };

    return args.parent != NULL ? kgr_challenge_work(node, &args) : KGR_ERR_STATE;
}

static enum kgr_error load_next(struct kgr_node *node, const struct kgr_nksk_row *row,
                                struct kgr_diag *diag)
{
    const struct kgr_tpm_object *parent =
        node->renewal.s.storage ? node->anchor.next : node->anchor.storage;
    struct kgr_keyset *key = NULL;
    enum kgr_error err = kgr_node_make_nksk(node, &key, row, parent);

    if (err == KGR_OK)
        err = kgr_frames_set_keys(&node->frames, KGR_FRAME_NEXT, row->key_id, key, diag);
    if (err != KGR_OK)
        kgr_keyset_free(key);
    return err;
}

static enum kgr_error accept(struct kgr_node *node, const struct kgr_challenge *challenge)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = persist(node, write_keys, challenge);

    if (err != KGR_OK)
        return err;
    err = load_next(node, &challenge->row, &diag);
    if (err != KGR_OK) {
        /* On disk it stands: the next start proves it. */
        kgr_error_log("nksk_not_loaded", "reason=\"%s\"", kgr_diag_text(&diag, err));
        return KGR_OK;
    }
    send_proof(node);
    return KGR_OK;
}

static enum kgr_error finish(struct kgr_node *node, const struct kgr_nksk_state *before)
{
    enum kgr_error err = persist(node, write_switch, before);

    if (err != KGR_OK)
        return err;
    checkpoint(node);
    kgr_nksk_switch(node, before);
    kgr_info("nksk_renewed", "node=%s storage_key=%s", node->self.s,
             before->storage ? "new" : "kept");
    node->nksk_due_ms = UINT64_MAX; /* sync_ans says its age */
    kgr_service_rekeyed(node->service, before->storage, KGR_OK, NULL);
    /* What was under way under the old one is lost; and after a new storage key everything is to be told anew. */
    if (kgr_mqtt_is_ready(node->mqtt))
        kgr_sync_on_ready(node);
    return KGR_OK;
}

static enum kgr_error abandon(struct kgr_node *node)
{
    enum kgr_error err = persist(node, write_abandon, NULL);

    if (err != KGR_OK)
        return err;
    kgr_anchor_drop(&node->anchor);
    if (node->anchor.burying)
        kgr_nksk_evict(node);
    return KGR_OK;
}

static enum kgr_error prepare(struct kgr_node *node)
{
    struct kgr_nksk_renewal *renewal = &node->renewal;
    bool storage = (renewal->s.wanted & KGR_REKEY_STORAGE) != 0;
    enum kgr_error err = persist(node, NULL, NULL);

    if (err != KGR_OK)
        return err;
    if (storage && node->anchor.burying) { /* one storage key at a time is on its way out */
        kgr_nksk_evict(node);
        renewal->busy = false;
        renewal->deadline_ms = kgr_clock_boot_ms() + kgr_retry_delay_ms(&renewal->retry, 0);
        return KGR_OK;
    }
    kgr_nksk_prepare(node, storage);
    return KGR_OK;
}

static enum kgr_error act(struct kgr_node *node, enum kgr_nksk_action action,
                          const struct kgr_nksk_state *before, const struct kgr_nksk_source *source)
{
    switch (action) {
    case KGR_NKSK_DO_NOTHING:
        break;
    case KGR_NKSK_DO_PERSIST:
        return persist(node, NULL, NULL);
    case KGR_NKSK_DO_PREPARE:
        return prepare(node);
    case KGR_NKSK_DO_PLACE:
    case KGR_NKSK_DO_STORE:
        return store(node, source->making);
    case KGR_NKSK_DO_SEND_REQ:
        send_req(node);
        break;
    case KGR_NKSK_DO_WORK:
        return work(node, source->frame);
    case KGR_NKSK_DO_ACCEPT:
        return accept(node, source->challenge);
    case KGR_NKSK_DO_SEND_PROOF:
        send_proof(node);
        break;
    case KGR_NKSK_DO_FINISH:
        return finish(node, before);
    case KGR_NKSK_DO_ABANDON:
        return abandon(node);
    case KGR_NKSK_DO_IGNORE:
        kgr_debug("frame_ignored", "phase=%d", (int)node->renewal.s.phase);
        if (source != NULL)
            free(source->making);
        break;
    }
    return KGR_OK;
}

enum kgr_error kgr_nksk_run(struct kgr_node *node, struct kgr_nksk_event *event,
                            const struct kgr_nksk_source *source)
{
    struct kgr_nksk_renewal before = node->renewal;
    enum kgr_error err;

    event->now_ms = kgr_clock_boot_ms();
    kgr_random(&event->jitter, sizeof(event->jitter));
    err = act(node, kgr_nksk_step(&node->renewal, event), &before.s, source);
    if (err != KGR_OK) {
        uint64_t again_ms = event->now_ms + KGR_RETRY_MAX_MS;

        node->renewal = before;
        node->renewal.busy = false;
        if (node->renewal.deadline_ms > again_ms || node->renewal.deadline_ms <= event->now_ms)
            node->renewal.deadline_ms = again_ms;
    }
    return err;
}

void kgr_nksk_fail(struct kgr_node *node, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_nksk_event event = {.type = KGR_NKSK_FAILED};

    if (node->stopping) /* the next start goes on */
        return;
    kgr_node_alarm(node, "renewal of NKSK: %s", kgr_diag_text(diag, err));
    (void)kgr_nksk_run(node, &event, NULL); /* logged */
    kgr_service_rekeyed(node->service, true, err, kgr_diag_text(diag, err));
}

/* Events of the node */

static void happen(struct kgr_node *node, enum kgr_nksk_event_type type)
{
    struct kgr_nksk_event event = {.type = type};

    (void)kgr_nksk_run(node, &event, NULL); /* logged; the timer comes again */
}

enum kgr_error kgr_nksk_want(struct kgr_node *node, bool storage)
{
    struct kgr_nksk_event event = {
        .type = KGR_NKSK_WANT,
        .wanted = (uint8_t)(KGR_REKEY_WANTED | (storage ? KGR_REKEY_STORAGE : 0)),
    };

    return kgr_nksk_run(node, &event, NULL);
}

void kgr_nksk_on_ready(struct kgr_node *node)
{
    happen(node, KGR_NKSK_CONNECTED);
}

void kgr_nksk_on_lost(struct kgr_node *node)
{
    happen(node, KGR_NKSK_LOST);
}

void kgr_nksk_on_synced(struct kgr_node *node, uint32_t age_s, uint8_t ordered)
{
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint64_t due_s;

    if (kgr_meta_get_exact(node->db, KGR_META_NKSK_KEY_ID, key_id, sizeof(key_id), NULL) != KGR_OK)
        return; /* the next start says what is damaged */
    due_s = kgr_nksk_due_s(key_id, node->settings->nksk_lifetime_s);
    node->nksk_due_ms = kgr_clock_boot_ms() + (due_s > age_s ? due_s - age_s : 0) * 1000;
    happen(node, KGR_NKSK_SYNCED);
    if (ordered != 0)
        (void)kgr_nksk_want(node, (ordered & KGR_REKEY_STORAGE) != 0); /* said again by each sync */
}

void kgr_nksk_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    bool low = kgr_frames_count(&node->frames, KGR_FRAME_NKSK) >= COUNTERS_LOW;

    if (node->renewal.deadline_ms <= now_ms)
        happen(node, KGR_NKSK_TIMER);
    if (now_ms >= node->nksk_due_ms || (low && node->renewal.s.phase == KGR_NKSK_IDLE)) {
        node->nksk_due_ms = UINT64_MAX;
        (void)kgr_nksk_want(node, false); /* the next synchronisation looks at the age again */
    }
}

uint64_t kgr_nksk_deadline(const struct kgr_node *node)
{
    return node->renewal.deadline_ms < node->nksk_due_ms ? node->renewal.deadline_ms
                                                         : node->nksk_due_ms;
}

/* Frames */

static enum kgr_error on_challenge(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_reg_chal chal;
    struct kgr_nksk_source source = {.frame = frame};
    struct kgr_nksk_event event = {.type = KGR_NKSK_CHALLENGE, .exchange = frame->header->xid};
    enum kgr_error err = kgr_reg_chal_decode(&chal, frame->body);

    if (err != KGR_OK || kgr_nid_cmp(&chal.node, &node->self) != 0)
        return KGR_ERR_CORRUPT;
    event.nonce_n = chal.nonce_n;
    return kgr_nksk_run(node, &event, &source);
}

static enum kgr_error on_done(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_reg_proof done;
    struct kgr_nksk_event event = {.type = KGR_NKSK_DONE, .exchange = frame->header->xid};

    if (kgr_reg_proof_decode(&done, frame->body) != KGR_OK ||
        kgr_nid_cmp(&done.node, &node->self) != 0)
        return KGR_ERR_CORRUPT;
    event.nonce_n = done.nonce;
    event.transcript = done.transcript;
    return kgr_nksk_run(node, &event, NULL);
}

enum kgr_error kgr_nksk_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    node->sync.answer_ms = kgr_clock_boot_ms();
    return frame->header->type == KGR_FRAME_NKSK_CHAL ? on_challenge(node, frame)
                                                      : on_done(node, frame);
}

void kgr_nksk_heard(struct kgr_node *node)
{
    happen(node, KGR_NKSK_HEARD);
}

bool kgr_nksk_on_nack(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    struct kgr_nack nack;
    struct kgr_nksk_event event = {.type = KGR_NKSK_NACK, .exchange = frame->header->xid};
    struct kgr_diag diag = {{0}};

    if (kgr_nack_decode(&nack, frame->body) != KGR_OK || nack.type != KGR_FRAME_NKSK_REQ ||
        node->renewal.s.phase != KGR_NKSK_ASKING ||
        memcmp(frame->header->xid, node->renewal.s.exchange, KGR_XID_LEN) != 0)
        return false;
    (void)kgr_nksk_run(node, &event,
                       NULL); /* logged; the request is sent again and refused again */
    (void)kgr_diag_set(&diag, KGR_ERR_UNSUPPORTED, "the KS refused it (reason %u)", nack.reason);
    kgr_node_alarm(node, "renewal of NKSK: %s", kgr_diag_text(&diag, KGR_ERR_UNSUPPORTED));
    kgr_service_rekeyed(node->service, true, KGR_ERR_UNSUPPORTED,
                        kgr_diag_text(&diag, KGR_ERR_UNSUPPORTED));
    return true;
}

/* Opening */

static enum kgr_error load_state(struct kgr_node *node, struct kgr_nksk_state *out,
                                 struct kgr_diag *diag)
{
    uint8_t bytes[KGR_NKSK_STATE_BYTES_MAX];
    size_t len = 0;
    enum kgr_error err = kgr_meta_get(node->db, KGR_META_RENEWAL, bytes, sizeof(bytes), &len, diag);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err == KGR_OK && kgr_nksk_state_decode(out, kgr_slice(bytes, len)) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: the renewal of NKSK is damaged");
    return err;
}

enum kgr_error kgr_nksk_open(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_nksk_state state = {.phase = KGR_NKSK_IDLE};
    struct kgr_nksk_row *row = malloc(sizeof(*row));
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : load_state(node, &state, diag);

    node->nksk_due_ms = UINT64_MAX;
    if (err == KGR_OK)
        err = kgr_anchor_open_next(&node->anchor, node->tpm, node->db, diag);
    if (err == KGR_OK)
        kgr_nksk_restart(&node->renewal, &state, node->anchor.next != NULL);
    if (err == KGR_OK && state.phase == KGR_NKSK_PROVING) {
        if (state.storage && node->anchor.next == NULL)
            err = kgr_diag_set(diag, KGR_ERR_CORRUPT,
                               "the TPM does not hold the new storage key of the state");
        if (err == KGR_OK)
            err = kgr_nksk_load(node->db, row, state.key_id, diag);
        if (err == KGR_OK)
            err = load_next(node, row, diag);
        if (err == KGR_ERR_NO_KEY)
            err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: the new NKSK is missing");
    }
    free(row);
    return err;
}
