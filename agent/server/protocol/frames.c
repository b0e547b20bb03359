/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/frames.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/server/protocol/enrolment.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/protocol/nksk_glue.h"
#include "agent/server/protocol/reception.h"
#include "agent/server/protocol/notify.h"
#include "agent/server/orders/revoke.h"
#include "agent/server/protocol/synchro.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/frame.h"

/* Frames at the worker at a time: the rest of its queue is for what the KS itself must do. */
#define RECEIVING_MAX 32
/* A node that was heard is written down so often at most. */
#define HEARD_EVERY_S 60u

static const char *const causes[KGR_KS_NUM_CAUSES] = {
    [KGR_KS_SIZE] = "size", [KGR_KS_VERSION] = "version", [KGR_KS_KEY] = "key",
    [KGR_KS_TYPE] = "type", [KGR_KS_RATE] = "rate",       [KGR_KS_REPLAY] = "replay",
    [KGR_KS_TAG] = "tag",   [KGR_KS_BODY] = "body",       [KGR_KS_QUEUE] = "queue",
};

static void refuse(struct kgr_ks *ks, enum kgr_ks_cause cause, const struct kgr_ks_node *node)
{
    ks->refused[cause]++;
    if (kgr_bucket_take(&ks->log_bucket, kgr_clock_boot_ms()))
        kgr_info("frame-refused", "cause=%s node=%s count=%" PRIu64, causes[cause],
                 node != NULL ? node->r.nid.s : "-", ks->refused[cause]);
}

/* One frame on its way through the worker. */
struct receipt {
    struct kgr_ks *ks;
    struct kgr_ks_key *key; /* a reference */
    struct kgr_frame frame; /* borrows bytes */
    uint8_t *bytes;
    uint8_t *plain;
    size_t plain_len;
    bool authentic;
};

static void free_receipt(struct receipt *r)
{
    free(r->plain);
    free(r->bytes);
    free(r);
}

static enum kgr_error run_receipt(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct receipt *r = ctx;
    const struct kgr_frame *frame = &r->frame;
    struct kgr_ks_crypt crypt;
    enum kgr_error err =
        kgr_ks_crypt_open(&crypt, r->key, &r->ks->id.storage, r->ks->id.root, tpm, diag);

    if (err != KGR_OK)
        return err;
    err = kgr_seal_verify(&crypt.seal, frame->iv, frame->aad, frame->body, frame->tag);
    if (err == KGR_OK) {
        r->authentic = true;
        err =
            kgr_seal_decrypt_verified(&crypt.seal, r->plain, &r->plain_len, frame->iv, frame->body);
    }
    kgr_ks_crypt_close(&crypt);
    return err;
}

/* A node that is gone is told so, whatever it says. */
static enum kgr_error send_off(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                               struct kgr_diag *diag)
{
    return frame->type == KGR_FRAME_SYNC_REQ ? kgr_ks_notify_heard(ks, frame->node, diag)
                                             : kgr_ks_frames_nack(ks, frame, KGR_REASON_REVOKED, 0);
}

static enum kgr_error handle(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                             struct kgr_diag *diag)
{
    if (frame->type == KGR_FRAME_NOTICE_ACK)
        return kgr_ks_notify_ack(ks, frame, diag);
    if (kgr_ks_node_gone(frame->node))
        return send_off(ks, frame, diag);
    switch (frame->type) {
    case KGR_FRAME_ORDER:
        return kgr_ks_reception_frame(ks, frame);
    case KGR_FRAME_REG_REQ:
        return kgr_ks_enrolment_request(ks, frame, diag);
    case KGR_FRAME_REG_PROOF:
        return kgr_ks_enrolment_proof(ks, frame, diag);
    case KGR_FRAME_NKSK_REQ:
        return kgr_ks_nksk_request(ks, frame, diag);
    case KGR_FRAME_NKSK_PROOF:
        return kgr_ks_nksk_proof(ks, frame, diag);
    case KGR_FRAME_SYNC_REQ:
        return kgr_ks_synchro_request(ks, frame, diag);
    default:
        return kgr_ks_exchanges_frame(ks, frame, diag);
    }
}

/* The window and what the frame causes are one transaction. */
static void accept_frame(struct kgr_ks *ks, const struct kgr_ks_frame *frame)
{
    struct kgr_window before = frame->key->window;
    struct kgr_diag diag = {{0}};
    uint64_t now_s = (uint64_t)kgr_clock_wall_s();
    enum kgr_error err;

    if (kgr_ks_keys_find(&ks->keys, frame->key->key_id) != frame->key) {
        refuse(ks, KGR_KS_KEY, frame->node); /* replaced while the frame was at the worker */
        return;
    }
    if (kgr_window_accept(&frame->key->window, frame->sequence) != KGR_OK) {
        refuse(ks, KGR_KS_REPLAY, frame->node);
        return;
    }
    err = kgr_ks_begin(ks);
    if (err != KGR_OK)
        return;
    err = kgr_ks_window_save(ks->db, frame->key->key_id, &frame->key->window, &diag);
    if (err == KGR_OK && !frame->node->is_ac && now_s >= frame->node->r.heard_s + HEARD_EVERY_S) {
        frame->node->r.heard_s = now_s;
        err = kgr_ks_node_save(ks, frame->node, &diag);
    }
    if (err == KGR_OK)
        err = handle(ks, frame, &diag);
    else if (err == KGR_ERR_CORRUPT)
        err = KGR_ERR_FAILED; /* the database, not the frame */
    if (err == KGR_ERR_CORRUPT) {
        frame->key->window = before;
        refuse(ks, KGR_KS_BODY, frame->node);
    }
    kgr_ks_end(ks, err, &diag);
}

static void receipt_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct receipt *r = ctx;
    struct kgr_ks *ks = r->ks;

    ks->receiving--;
    if (err == KGR_OK) {
        struct kgr_ks_frame frame = {
            .key = r->key,
            .node = r->key->node,
            .type = r->frame.header.type,
            .xid = r->frame.header.xid,
            .sequence = kgr_frame_sequence(&r->frame.header),
            .body = kgr_slice(r->plain, r->plain_len),
        };
        accept_frame(ks, &frame);
    } else if (err == KGR_ERR_CORRUPT) {
        refuse(ks, r->authentic ? KGR_KS_BODY : KGR_KS_TAG, r->key->node);
    } else if (err != KGR_ERR_STATE) {
        kgr_warn("frame-check-failed", "node=%s reason=\"%s\"", r->key->node->r.nid.s,
                 kgr_diag_text(diag, err));
    }
    kgr_ks_key_release(ks, r->key);
    free_receipt(r);
}

static void submit_receipt(struct kgr_ks *ks, struct kgr_ks_key *key, struct kgr_slice payload)
{
    struct receipt *r = calloc(1, sizeof *r);

    if (r == NULL)
        return;
    r->ks = ks;
    r->key = key;
    r->bytes = malloc(payload.len);
    r->plain = malloc(payload.len);
    if (r->bytes == NULL || r->plain == NULL) {
        free_receipt(r);
        return;
    }
    kgr_copy(r->bytes, payload.p, payload.len);
    if (kgr_frame_parse(&r->frame, r->bytes, payload.len) != KGR_FRAME_FINE ||
        ks->receiving >= RECEIVING_MAX ||
        kgr_tpm_worker_submit(
            ks->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_receipt, .done = receipt_done, .ctx = r}) != KGR_OK) {
        refuse(ks, KGR_KS_QUEUE, key->node);
        free_receipt(r);
        return;
    }
    ks->receiving++;
    kgr_ks_key_ref(key);
}

/* expected: types that the AC or a node may send with this key in its present state. */
static bool expected(const struct kgr_ks_key *key, const struct kgr_frame_header *header)
{
    enum kgr_registry_phase phase = key->node->reg.s.phase;

    if (key->node->is_ac)
        return header->role == KGR_ROLE_AC && header->suite == key->suite &&
               header->type == KGR_FRAME_ORDER;
    if (header->role != KGR_ROLE_NODE || header->suite != key->suite)
        return false;
    if (key->is_ntag)
        return header->type == KGR_FRAME_REG_REQ;
    if (key == key->node->next_nksk)
        return header->type == KGR_FRAME_NKSK_PROOF && phase == KGR_REGISTRY_REGISTERED;
    switch (header->type) {
    case KGR_FRAME_REG_PROOF:
        return phase == KGR_REGISTRY_CHALLENGED || phase == KGR_REGISTRY_REGISTERED;
    case KGR_FRAME_SYNC_REQ:
    case KGR_FRAME_KEY_REQ:
    case KGR_FRAME_ADV_ANS:
    case KGR_FRAME_CONF_ANS:
    case KGR_FRAME_NOTICE_ACK:
        return phase == KGR_REGISTRY_REGISTERED || kgr_ks_node_gone(key->node);
    case KGR_FRAME_NACK:
    case KGR_FRAME_NKSK_REQ:
    case KGR_FRAME_NKSK_PROOF:
        return phase == KGR_REGISTRY_REGISTERED;
    default:
        return false;
    }
}

void kgr_ks_frames_receive(struct kgr_ks *ks, struct kgr_slice payload)
{
    struct kgr_frame frame;
    struct kgr_ks_key *key;

    switch (kgr_frame_parse(&frame, payload.p, payload.len)) {
    case KGR_FRAME_FINE:
        break;
    case KGR_FRAME_BAD_SIZE:
        refuse(ks, KGR_KS_SIZE, NULL);
        return;
    case KGR_FRAME_BAD_VERSION:
        refuse(ks, KGR_KS_VERSION, NULL);
        return;
    }
    key = kgr_ks_keys_find(&ks->keys, frame.header.key_id);
    if (key == NULL)
        refuse(ks, KGR_KS_KEY, NULL);
    else if (!expected(key, &frame.header))
        refuse(ks, KGR_KS_TYPE, key->node);
    else if (kgr_window_check(&key->window, kgr_frame_sequence(&frame.header)) != KGR_OK)
        refuse(ks, KGR_KS_REPLAY, key->node);
    else if (!kgr_bucket_take(&key->bucket, kgr_clock_boot_ms()))
        refuse(ks, KGR_KS_RATE, key->node);
    else
        submit_receipt(ks, key, payload);
}

/* One frame on its way out. */
struct dispatch {
    struct kgr_ks_after after;
    struct kgr_ks *ks;
    struct kgr_ks_key *key; /* a reference */
    struct kgr_frame_header header;
    uint8_t topic[KGR_TOPIC_LEN];
    uint8_t iv[KGR_IV_LEN];
    struct kgr_wr wr; /* over bytes */
    uint8_t *bytes;
    uint8_t *plain;
    size_t plain_len;
};

static void free_dispatch(struct dispatch *d)
{
    free(d->bytes);
    free(d->plain);
    free(d);
}

static enum kgr_error run_dispatch(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct dispatch *d = ctx;
    struct kgr_frame_layout layout;
    struct kgr_ks_crypt crypt;
    enum kgr_error err = kgr_frame_layout(&layout, &d->wr, &d->header, d->plain_len);

    if (err == KGR_OK)
        err = kgr_ks_crypt_open(&crypt, d->key, &d->ks->id.storage, d->ks->id.root, tpm, diag);
    if (err != KGR_OK)
        return err;
    memcpy(layout.iv, d->iv, sizeof d->iv);
    err = kgr_seal_encrypt(&crypt.seal, layout.body, layout.tag, layout.iv, layout.aad,
                           kgr_slice(d->plain, d->plain_len));
    kgr_ks_crypt_close(&crypt);
    return err;
}

static void dispatch_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct dispatch *d = ctx;
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    if (err == KGR_OK)
        err = kgr_mqtt_publish(d->ks->mqtt, kgr_topic_text(topic, d->topic), kgr_wr_slice(&d->wr));
    /* Lost like any frame that the broker loses: whoever needs it asks again. */
    if (err != KGR_OK && err != KGR_ERR_STATE)
        kgr_info("frame-lost", "type=%u node=%s reason=\"%s\"", d->header.type,
                 d->key->node->r.nid.s, kgr_diag_text(diag, err));
    kgr_ks_key_release(d->ks, d->key);
    free_dispatch(d);
}

static void start_dispatch(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct dispatch *d = (struct dispatch *)self;

    if (kgr_mqtt_is_ready(ks->mqtt) &&
        kgr_tpm_worker_submit(
            ks->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_dispatch, .done = dispatch_done, .ctx = d}) == KGR_OK)
        return;
    kgr_ks_key_release(ks, d->key);
    free_dispatch(d);
}

static void drop_dispatch(struct kgr_ks_after *self)
{
    struct dispatch *d = (struct dispatch *)self;

    kgr_ks_key_release(d->ks, d->key);
    free_dispatch(d);
}

enum kgr_error kgr_ks_frames_send(struct kgr_ks *ks, struct kgr_ks_key *key, uint8_t type,
                                  const uint8_t *xid, struct kgr_slice body, uint64_t *out_sequence)
{
    size_t len = KGR_FRAME_HEADER_LEN + KGR_IV_LEN + kgr_suite_ciphertext_len(body.len) +
                 kgr_suite_tag_len(key->suite);
    struct dispatch *d = calloc(1, sizeof *d);

    if (d == NULL)
        return KGR_ERR_NO_MEMORY;
    d->bytes = malloc(len);
    d->plain = malloc(body.len + 1);
    if (d->bytes == NULL || d->plain == NULL) {
        free_dispatch(d);
        return KGR_ERR_NO_MEMORY;
    }
    if (key->counter == UINT32_MAX) { /* 4,294,967,295 frames under one key in one start */
        free_dispatch(d);
        return KGR_ERR_QUOTA;
    }
    kgr_wr_init(&d->wr, d->bytes, len);
    kgr_copy(d->plain, body.p, body.len);
    d->plain_len = body.len;
    d->ks = ks;
    d->key = key;
    kgr_ks_key_ref(key);
    d->header = (struct kgr_frame_header){
        .type = type,
        .suite = (uint8_t)key->suite,
        .role = KGR_ROLE_KS,
        .epoch = ks->epoch,
        .counter = ++key->counter,
    };
    memcpy(d->header.key_id, key->key_id, sizeof d->header.key_id);
    memcpy(d->header.xid, xid, sizeof d->header.xid);
    memcpy(d->topic, key->node->r.topic2, sizeof d->topic);
    kgr_random(d->iv, sizeof d->iv);
    if (out_sequence != NULL)
        *out_sequence = kgr_frame_sequence(&d->header);
    d->after.start = start_dispatch;
    d->after.drop = drop_dispatch;
    kgr_ks_later(ks, &d->after);
    return KGR_OK;
}

enum kgr_error kgr_ks_frames_nack(struct kgr_ks *ks, const struct kgr_ks_frame *frame,
                                  uint8_t reason, uint32_t retry_after_s)
{
    struct kgr_nack nack = {
        .type = frame->type,
        .sequence = frame->sequence,
        .reason = reason,
        .retry_after_s = retry_after_s,
    };
    uint8_t body[64];
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, body, sizeof body);
    err = kgr_nack_encode(&wr, &nack);
    if (err != KGR_OK)
        return err;
    return kgr_ks_frames_send(ks, frame->key, KGR_FRAME_NACK, frame->xid, kgr_wr_slice(&wr), NULL);
}
