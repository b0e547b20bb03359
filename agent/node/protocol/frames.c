/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/frames.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/keyset.h"
#include "agent/node/store/store.h"
#include "agent/seal/seal.h"
#include "agent/seal/software.h"
#include "agent/tpm/worker.h"

#include <stdlib.h>
#include <string.h>

/* What an attacker can make the TPM do (docs/protocol.md, section 3.1). */
#define FRAMES_PER_S 20u
#define FRAMES_BURST 40u
#define MAX_JOBS     32u

struct kgr_frame_key {
    unsigned refs;
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t suite;
    enum kgr_frame_set set;
    struct kgr_keyset *keys; /* owned; one of the two */
    struct kgr_software_key *software;
    struct kgr_window window;
    struct kgr_bucket bucket;
    uint32_t counter; /* last one sent in this epoch */
};

static const char *const causes[KGR_REFUSED_NUM_CAUSES] = {
    [KGR_REFUSED_SIZE] = "size", [KGR_REFUSED_VERSION] = "version", [KGR_REFUSED_KEY] = "key",
    [KGR_REFUSED_TYPE] = "type", [KGR_REFUSED_RATE] = "rate",       [KGR_REFUSED_REPLAY] = "replay",
    [KGR_REFUSED_TAG] = "tag",   [KGR_REFUSED_BODY] = "body",
};

static void key_free(struct kgr_frame_key *key)
{
    kgr_keyset_free(key->keys);
    kgr_software_key_free(key->software);
    free(key);
}

static enum kgr_error run_unload(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_frame_key *key = ctx;

    (void)diag;
    kgr_keyset_unload(key->keys, tpm);
    return KGR_OK;
}

static void done_unload(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    (void)err;
    (void)diag;
    key_free(ctx);
}

static void key_unref(struct kgr_frames *frames, struct kgr_frame_key *key)
{
    struct kgr_tpm_job job = {.run = run_unload, .done = done_unload, .ctx = key};

    if (key == NULL || --key->refs > 0)
        return;
    /* When the queue is full the slot cache pushes the key out by itself. */
    if (key->keys == NULL || frames->owner.worker == NULL ||
        kgr_tpm_worker_submit(frames->owner.worker, KGR_TPM_CONTROL, &job) != KGR_OK)
        key_free(key);
}

static struct kgr_frame_key *key_ref(struct kgr_frame_key *key)
{
    key->refs++;
    return key;
}

static void refuse(struct kgr_frames *frames, enum kgr_frame_cause cause)
{
    frames->refused[cause]++;
    if (kgr_bucket_take(&frames->log_bucket, kgr_clock_boot_ms()))
        kgr_warn("frame_refused", "cause=%s count=%llu", causes[cause],
                 (unsigned long long)frames->refused[cause]);
}

/* With the keys of a set, on the worker. */
static enum kgr_error with_key(const struct kgr_frame_key *key, struct kgr_tpm *tpm,
                               struct kgr_diag *diag,
                               enum kgr_error (*fn)(const struct kgr_seal_key *key, void *arg),
                               void *arg)
{
    struct kgr_keyset_use use = {.tpm = tpm, .key = key->keys, .diag = diag};
    struct kgr_seal_key seal =
        key->software != NULL ? kgr_software_key_seal(key->software) : kgr_keyset_use_seal(&use);

    return fn(&seal, arg);
}

/* In */

struct in_job {
    struct kgr_frames *frames;
    struct kgr_frame_key *key;
    struct kgr_frame frame; /* borrows bytes */
    bool verified;
    size_t plain_len;
    uint8_t *plain; /* in bytes, behind the frame */
    uint8_t bytes[];
};

static enum kgr_error open_frame(const struct kgr_seal_key *key, void *arg)
{
    struct in_job *job = arg;
    const struct kgr_frame *f = &job->frame;
    enum kgr_error err = kgr_seal_verify(key, f->iv, f->aad, f->body, f->tag);

    if (err != KGR_OK)
        return err;
    job->verified = true;
    return kgr_seal_decrypt_verified(key, job->plain, &job->plain_len, f->iv, f->body);
}

static enum kgr_error run_in(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct in_job *job = ctx;

    return with_key(job->key, tpm, diag, open_frame, job);
}

static void handle(struct kgr_frames *frames, struct in_job *job)
{
    struct kgr_frame_key *key = job->key;
    struct kgr_frame_in in = {
        .set = key->set,
        .header = &job->frame.header,
        .sequence = kgr_frame_sequence(&job->frame.header),
        .body = kgr_slice(job->plain, job->plain_len),
    };
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    frames->pending = key->window;
    /* A copy may have passed while this one was verified, and the set may have been dropped. */
    if (kgr_window_accept(&frames->pending, in.sequence) != KGR_OK ||
        frames->sets[key->set] != key) {
        refuse(frames, KGR_REFUSED_REPLAY);
        return;
    }
    frames->pending_key = key;
    frames->pending_saved = false;
    err = frames->owner.on_frame(frames->owner.arg, &in);
    frames->pending_key = NULL;
    if (err == KGR_ERR_CORRUPT) {
        refuse(frames, KGR_REFUSED_BODY);
        return;
    }
    if (!frames->pending_saved &&
        kgr_window_save(frames->owner.db, key->key_id, &frames->pending, &diag) != KGR_OK)
        kgr_error_log("state_not_written", "what=window reason=\"%s\"",
                      kgr_diag_text(&diag, KGR_ERR_IO));
    key->window = frames->pending;
}

static void done_in(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct in_job *job = ctx;
    struct kgr_frames *frames = job->frames;

    frames->num_jobs--;
    if (err == KGR_OK)
        handle(frames, job);
    else if (err == KGR_ERR_CORRUPT)
        refuse(frames, job->verified ? KGR_REFUSED_BODY : KGR_REFUSED_TAG);
    else if (err != KGR_ERR_STATE) /* the worker is stopping */
        kgr_error_log("tpm_failed", "what=frame reason=\"%s\"", kgr_diag_text(diag, err));
    key_unref(frames, job->key);
    free(job);
}

static struct kgr_frame_key *find(struct kgr_frames *frames, const uint8_t *key_id)
{
    for (size_t i = 0; i < KGR_FRAME_NUM_SETS; i++)
        if (frames->sets[i] != NULL && memcmp(frames->sets[i]->key_id, key_id, KGR_KEY_ID_LEN) == 0)
            return frames->sets[i];
    return NULL;
}

static bool expected(const struct kgr_frame_key *key, const struct kgr_frame_header *header)
{
    if (header->role != KGR_ROLE_KS)
        return false;
    if (key->set == KGR_FRAME_NTAG)
        return header->type == KGR_FRAME_REG_CHAL || header->type == KGR_FRAME_NACK;
    switch (header->type) {
    case KGR_FRAME_REG_DONE:
    case KGR_FRAME_SYNC_ANS:
    case KGR_FRAME_KEY_ANS:
    case KGR_FRAME_ADV_REQ:
    case KGR_FRAME_CONF_REQ:
    case KGR_FRAME_DONE:
    case KGR_FRAME_NACK:
    case KGR_FRAME_NKSK_DONE:
    case KGR_FRAME_NOTICE:
        return true;
    case KGR_FRAME_NKSK_CHAL:
        return key->set == KGR_FRAME_NKSK;
    default:
        return false;
    }
}

static bool admit(struct kgr_frames *frames, const struct kgr_frame *frame,
                  struct kgr_frame_key **out, uint64_t now_ms)
{
    struct kgr_frame_key *key = find(frames, frame->header.key_id);

    if (key == NULL || key->suite != frame->header.suite) {
        refuse(frames, KGR_REFUSED_KEY);
    } else if (!expected(key, &frame->header)) {
        refuse(frames, KGR_REFUSED_TYPE);
    } else if (kgr_window_check(&key->window, kgr_frame_sequence(&frame->header)) != KGR_OK) {
        refuse(frames, KGR_REFUSED_REPLAY);
    } else if (frames->num_jobs >= MAX_JOBS || !kgr_bucket_take(&key->bucket, now_ms)) {
        refuse(frames, KGR_REFUSED_RATE);
    } else {
        *out = key;
        return true;
    }
    return false;
}

void kgr_frames_receive(struct kgr_frames *frames, struct kgr_slice payload, uint64_t now_ms)
{
    struct kgr_frame frame;
    struct kgr_frame_key *key;
    struct in_job *job;
    enum kgr_frame_fault fault = kgr_frame_parse(&frame, payload.p, payload.len);

    if (fault != KGR_FRAME_FINE) {
        refuse(frames, fault == KGR_FRAME_BAD_SIZE ? KGR_REFUSED_SIZE : KGR_REFUSED_VERSION);
        return;
    }
    if (!admit(frames, &frame, &key, now_ms))
        return;
    job = malloc(sizeof(*job) + payload.len + frame.body.len);
    if (job == NULL) {
        refuse(frames, KGR_REFUSED_RATE);
        return;
    }
    *job = (struct in_job){.frames = frames, .key = key_ref(key)};
    memcpy(job->bytes, payload.p, payload.len);
    job->plain = job->bytes + payload.len;
    fault = kgr_frame_parse(&job->frame, job->bytes, payload.len);
    if (fault != KGR_FRAME_FINE ||
        kgr_tpm_worker_submit(frames->owner.worker, KGR_TPM_CONTROL,
                              &(struct kgr_tpm_job){.run = run_in, .done = done_in, .ctx = job}) !=
            KGR_OK) {
        refuse(frames, KGR_REFUSED_RATE);
        key_unref(frames, job->key);
        free(job);
        return;
    }
    frames->num_jobs++;
}

enum kgr_error kgr_frames_save_window(struct kgr_frames *frames, struct kgr_diag *diag)
{
    if (frames->pending_key == NULL)
        return KGR_OK;
    return kgr_window_save(frames->owner.db, frames->pending_key->key_id, &frames->pending, diag);
}

void kgr_frames_window_saved(struct kgr_frames *frames)
{
    frames->pending_saved = true;
}

/* Out */

struct out_job {
    struct kgr_frames *frames;
    struct kgr_frame_key *key;
    uint8_t topic[KGR_TOPIC_LEN];
    uint8_t type;
    struct kgr_frame_layout layout;
    struct kgr_slice plain; /* in bytes, behind the frame */
    size_t frame_len;
    uint8_t bytes[];
};

static enum kgr_error seal_frame(const struct kgr_seal_key *key, void *arg)
{
    struct out_job *job = arg;

    return kgr_seal_encrypt(key, job->layout.body, job->layout.tag, job->layout.iv, job->layout.aad,
                            job->plain);
}

static enum kgr_error run_out(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct out_job *job = ctx;

    return with_key(job->key, tpm, diag, seal_frame, job);
}

static void done_out(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct out_job *job = ctx;
    struct kgr_frames *frames = job->frames;

    if (err == KGR_OK) {
        err = frames->owner.publish(frames->owner.arg, job->topic,
                                    kgr_slice(job->bytes, job->frame_len));
        kgr_debug("frame_sent", "type=%u length=%zu result=%d", job->type, job->frame_len,
                  (int)err);
    } else if (err != KGR_ERR_STATE) {
        kgr_error_log("tpm_failed", "what=frame reason=\"%s\"", kgr_diag_text(diag, err));
    }
    key_unref(frames, job->key);
    free(job);
}

enum kgr_error kgr_frames_send(struct kgr_frames *frames, enum kgr_frame_set set,
                               const uint8_t topic[KGR_TOPIC_LEN], uint8_t type,
                               const uint8_t xid[KGR_XID_LEN], struct kgr_slice body,
                               uint64_t *out_sequence)
{
    struct kgr_frame_key *key = frames->sets[set];
    struct kgr_frame_header header = {.type = type, .role = KGR_ROLE_NODE};
    struct out_job *job;
    struct kgr_wr wr;
    size_t cap;
    enum kgr_error err;

    if (key == NULL)
        return KGR_ERR_STATE;
    if (key->counter == UINT32_MAX)
        return KGR_ERR_QUOTA;
    if (body.len > KGR_FRAME_PLAIN_MAX)
        return KGR_ERR_TOO_LARGE;
    cap = KGR_FRAME_HEADER_LEN + KGR_IV_LEN + kgr_suite_ciphertext_len(body.len) + KGR_TAG_MAX;
    job = malloc(sizeof(*job) + cap + body.len);
    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    *job = (struct out_job){.frames = frames, .key = key_ref(key), .type = type};
    memcpy(job->topic, topic, KGR_TOPIC_LEN);
    kgr_copy(job->bytes + cap, body.p, body.len);
    job->plain = kgr_slice(job->bytes + cap, body.len);
    header.suite = key->suite;
    header.epoch = frames->owner.epoch;
    header.counter = key->counter + 1;
    memcpy(header.key_id, key->key_id, KGR_KEY_ID_LEN);
    memcpy(header.xid, xid, KGR_XID_LEN);
    kgr_wr_init(&wr, job->bytes, cap);
    err = kgr_frame_layout(&job->layout, &wr, &header, body.len);
    if (err == KGR_OK) {
        kgr_random(job->layout.iv, KGR_IV_LEN);
        job->frame_len = kgr_wr_slice(&wr).len;
        err = kgr_tpm_worker_submit(
            frames->owner.worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_out, .done = done_out, .ctx = job});
    }
    if (err != KGR_OK) {
        key_unref(frames, key);
        free(job);
        return err;
    }
    key->counter++;
    if (out_sequence != NULL)
        *out_sequence = kgr_frame_sequence(&header);
    return KGR_OK;
}

/* Sets */

static enum kgr_error install(struct kgr_frames *frames, enum kgr_frame_set set, uint8_t suite,
                              const uint8_t *key_id, struct kgr_frame_key **out,
                              struct kgr_diag *diag)
{
    struct kgr_frame_key *key = calloc(1, sizeof(*key));
    enum kgr_error err;

    if (key == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    err = kgr_window_load(frames->owner.db, &key->window, key_id, diag);
    if (err != KGR_OK) {
        free(key);
        return err;
    }
    key->refs = 1;
    key->set = set;
    key->suite = suite;
    memcpy(key->key_id, key_id, KGR_KEY_ID_LEN);
    kgr_bucket_init(&key->bucket, FRAMES_PER_S, FRAMES_BURST, kgr_clock_boot_ms());
    key_unref(frames, frames->sets[set]);
    frames->sets[set] = key;
    *out = key;
    return KGR_OK;
}

enum kgr_error kgr_frames_set_keys(struct kgr_frames *frames, enum kgr_frame_set set,
                                   const uint8_t key_id[KGR_KEY_ID_LEN], struct kgr_keyset *keys,
                                   struct kgr_diag *diag)
{
    enum kgr_suite suite = kgr_keyset_suite(keys);
    struct kgr_frame_key *key;
    enum kgr_error err = install(frames, set, (uint8_t)suite, key_id, &key, diag);

    if (err == KGR_OK)
        key->keys = keys;
    return err;
}

enum kgr_error kgr_frames_set_software(struct kgr_frames *frames, enum kgr_frame_set set,
                                       uint8_t suite, const uint8_t key_id[KGR_KEY_ID_LEN],
                                       struct kgr_software_key *software, struct kgr_diag *diag)
{
    struct kgr_frame_key *key;
    enum kgr_error err = install(frames, set, suite, key_id, &key, diag);

    if (err == KGR_OK)
        key->software = software;
    return err;
}

void kgr_frames_drop(struct kgr_frames *frames, enum kgr_frame_set set)
{
    key_unref(frames, frames->sets[set]);
    frames->sets[set] = NULL;
}

void kgr_frames_promote(struct kgr_frames *frames)
{
    if (frames->sets[KGR_FRAME_NEXT] == NULL)
        return;
    key_unref(frames, frames->sets[KGR_FRAME_NKSK]);
    frames->sets[KGR_FRAME_NKSK] = frames->sets[KGR_FRAME_NEXT];
    frames->sets[KGR_FRAME_NKSK]->set = KGR_FRAME_NKSK;
    frames->sets[KGR_FRAME_NEXT] = NULL;
}

uint32_t kgr_frames_count(const struct kgr_frames *frames, enum kgr_frame_set set)
{
    return frames->sets[set] != NULL ? frames->sets[set]->counter : 0;
}

void kgr_frames_init(struct kgr_frames *out, const struct kgr_frames_owner *owner, uint64_t now_ms)
{
    *out = (struct kgr_frames){.owner = *owner};
    kgr_bucket_init(&out->log_bucket, 1, 10, now_ms);
}

void kgr_frames_deinit(struct kgr_frames *frames)
{
    frames->owner.worker = NULL;
    for (size_t i = 0; i < KGR_FRAME_NUM_SETS; i++)
        kgr_frames_drop(frames, (enum kgr_frame_set)i);
}

uint64_t kgr_frames_refused(const struct kgr_frames *frames)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < KGR_REFUSED_NUM_CAUSES; i++)
        sum += frames->refused[i];
    return sum;
}
