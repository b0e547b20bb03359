/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/gate.h"
#include "agent/audit/schedule.h"
#include "agent/audit/signature.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/auth.h"
#include "agent/node/node.h"
#include "agent/node/service/service.h"
#include "agent/tpm/sign.h"
#include "agent/tpm/worker.h"

struct waiter {
    struct waiter *next;
    kgr_node_audit_done *done;
    void *arg;
};

struct kgr_node_audit {
    struct kgr_audit_log log;
    struct kgr_audit_schedule schedule;
    struct kgr_tpm_blob key;   /* pub.len 0: none */
    struct kgr_tpm_auth *auth; /* owned, of the key */
    struct kgr_audit_gate uids[KGR_AUDIT_GATES_LOCAL];
    struct kgr_audit_gate pairs[KGR_AUDIT_GATES_LOCAL];
    uint64_t records;
    uint64_t lost;
    uint32_t untold; /* of those lost */
    struct waiter *waiters;
};

/* Opening */

static enum kgr_error load_blob(struct kgr_db *db, struct kgr_tpm_blob *out, struct kgr_diag *diag)
{
    size_t pub_len = 0, priv_len = 0;
    enum kgr_error err = kgr_meta_get(db, KGR_META_AUDIT_PUBLIC, out->pub.bytes,
                                      sizeof out->pub.bytes, &pub_len, diag);

    if (err == KGR_OK)
        err = kgr_meta_get(db, KGR_META_AUDIT_PRIVATE, out->priv.bytes, sizeof out->priv.bytes,
                           &priv_len, diag);
    if (err == KGR_OK) {
        out->pub.len = (uint16_t)pub_len;
        out->priv.len = (uint16_t)priv_len;
    }
    return err;
}

static enum kgr_error make_key(struct kgr_node *node, struct kgr_node_audit *audit,
                               struct kgr_diag *diag)
{
    struct kgr_tpm_blob *key = &audit->key;
    enum kgr_error err = kgr_tpm_signing_make(node->tpm, key, audit->auth, diag);

    if (err == KGR_OK)
        err = kgr_db_begin(node->db, diag);
    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_AUDIT_PUBLIC, kgr_slice(key->pub.bytes, key->pub.len),
                           diag);
    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_AUDIT_PRIVATE,
                           kgr_slice(key->priv.bytes, key->priv.len), diag);
    if (err == KGR_OK)
        err = kgr_db_commit(node->db, diag);
    kgr_db_rollback(node->db);
    return err;
}

enum kgr_error kgr_node_audit_open(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_node_audit *audit = calloc(1, sizeof *audit);
    struct kgr_audit_last last;
    enum kgr_error err;

    if (audit == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    node->audit = audit;
    audit->log.db = node->db;
    audit->log.keep = KGR_NODE_AUDIT_KEPT;
    err = kgr_auth_derive(node->anchor.root, &audit->auth, "audit", kgr_slice(NULL, 0));
    if (err == KGR_OK)
        err = load_blob(node->db, &audit->key, diag);
    if (err == KGR_ERR_NO_KEY)
        err = node->tpm != NULL && node->anchor.storage->handle != 0 ? make_key(node, audit, diag)
                                                                     : KGR_OK;
    if (err == KGR_OK && audit->key.pub.len != 0)
        err = kgr_tpm_public_hash(audit->log.id, &audit->key.pub);
    if (err == KGR_OK)
        err = kgr_audit_log_last(&audit->log, &last, diag);
    if (err == KGR_OK)
        audit->schedule.newest = audit->schedule.head = last.id;
    return err;
}

void kgr_node_audit_close(struct kgr_node *node)
{
    struct kgr_node_audit *audit = node->audit;

    if (audit == NULL)
        return;
    while (audit->waiters != NULL) {
        struct waiter *w = audit->waiters;

        audit->waiters = w->next;
        free(w);
    }
    kgr_secret_free(audit->auth);
    free(audit);
    node->audit = NULL;
}

/* Records */

static uint64_t wall_s(void)
{
    int64_t now = kgr_clock_wall_s();

    return now < 0 ? 0 : (uint64_t)now;
}

static uint64_t boot_s(void)
{
    return kgr_clock_boot_ms() / 1000 + 1;
}

static enum kgr_error append(struct kgr_node *node, const struct kgr_audit_event *event,
                             struct kgr_diag *diag)
{
    struct kgr_node_audit *audit = node->audit;
    uint64_t id = 0;
    enum kgr_error err = kgr_audit_log_append(&audit->log, event, wall_s(), &id, diag);

    if (err != KGR_OK)
        return err;
    audit->records++;
    kgr_audit_schedule_added(&audit->schedule, id, event->what == KGR_AUDIT_HEAD,
                             kgr_clock_boot_ms());
    return KGR_OK;
}

enum kgr_error kgr_node_audit_within(struct kgr_node *node, const struct kgr_audit_event *event,
                                     struct kgr_diag *diag)
{
    const struct kgr_audit_event lost = {
        .what = KGR_AUDIT_SERVICE,
        .status = KGR_ERR_IO,
        .count = node->audit == NULL ? 0 : node->audit->untold,
        .text = "records could not be written",
    };
    enum kgr_error err = KGR_OK;

    if (node->audit == NULL) /* enrolling, or a test without a log */
        return KGR_OK;
    if (lost.count != 0)
        err = append(node, &lost, diag);
    return err == KGR_OK ? append(node, event, diag) : err;
}

static void lose(struct kgr_node_audit *audit, uint32_t count)
{
    audit->lost += count;
    audit->untold = audit->untold > UINT32_MAX - count ? UINT32_MAX : audit->untold + count;
}

void kgr_node_audit(struct kgr_node *node, const struct kgr_audit_event *event)
{
    struct kgr_node_audit *audit = node->audit;
    struct kgr_diag diag = {{0}};
    uint32_t told;
    enum kgr_error err;

    if (audit == NULL)
        return;
    told = audit->untold;
    if (kgr_db_in_transaction(node->db)) {
        if (kgr_node_audit_within(node, event, &diag) != KGR_OK)
            lose(audit, 1);
        return;
    }
    err = kgr_node_begin(node);
    if (err == KGR_OK) {
        err = kgr_node_audit_within(node, event, &diag);
        if (err != KGR_OK)
            kgr_node_rollback(node, "audit", err, &diag);
        else
            err = kgr_node_commit(node);
    }
    if (err == KGR_OK)
        audit->untold -= told;
    else
        lose(audit, event->count == 0 ? 1 : event->count);
}

void kgr_node_audit_refusal(struct kgr_node *node, uint32_t uid, uint16_t op, const char *peer,
                            const char *why)
{
    char text[KGR_AUDIT_TEXT_MAX + 1], user[16];
    struct kgr_audit_event event = {
        .what = KGR_AUDIT_ACCESS,
        .kind = (uint8_t)op,
        .status = KGR_ERR_ACCESS,
        .subject = peer,
        .text = text,
    };

    if (node->audit == NULL)
        return;
    (void)snprintf(user, sizeof user, "%" PRIu32, uid);
    (void)snprintf(text, sizeof text, "uid %s: %s", user, why);
    event.count = kgr_audit_gate_count(kgr_audit_gate_of(node->audit->uids, user),
                                       KGR_AUDIT_GATE_LOCAL, boot_s());
    if (event.count != 0)
        kgr_node_audit(node, &event);
}

enum kgr_error kgr_node_audit_pair(struct kgr_node *node, const struct kgr_pair *pair,
                                   uint64_t generation, enum kgr_error status, const char *text,
                                   struct kgr_diag *diag)
{
    struct kgr_audit_event event = {
        .what = KGR_AUDIT_EXCHANGE,
        .number = generation,
        .status = status,
        .subject = pair->ex.s.peer.s,
        .text = text,
    };

    if (node->audit == NULL)
        return KGR_OK;
    event.count = kgr_audit_gate_count(kgr_audit_gate_of(node->audit->pairs, event.subject),
                                       KGR_AUDIT_GATE_LOCAL, boot_s());
    return event.count == 0 ? KGR_OK : kgr_node_audit_within(node, &event, diag);
}

/* Heads */

struct signing {
    struct kgr_node *node;
    struct kgr_audit_last last;
    uint8_t signature[KGR_SIGNATURE_LEN];
};

static void answer_waiters(struct kgr_node_audit *audit, enum kgr_error err)
{
    struct waiter *list = audit->waiters;

    audit->waiters = NULL;
    while (list != NULL) {
        struct waiter *w = list;

        list = w->next;
        w->done(w->arg, err);
        free(w);
    }
}

static enum kgr_error run_signing(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct signing *s = ctx;
    const struct kgr_node_audit *audit = s->node->audit; /* what is read of it never changes */
    uint8_t digest[KGR_DIGEST_LEN];
    enum kgr_error err = kgr_audit_head_digest(digest, audit->log.id, s->last.id, s->last.hash);

    return err == KGR_OK
               ? kgr_tpm_signing_use(tpm, &audit->key, audit->auth, s->signature, digest, diag)
               : err;
}

static enum kgr_error add_head(struct kgr_node *node, const struct signing *s)
{
    char text[KGR_AUDIT_SIGNATURE_TEXT + 1], hex[2 * KGR_DIGEST_LEN + 1];
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_HEAD,
        .number = s->last.id,
        .text = kgr_audit_signature_text(text, s->signature),
    };
    uint64_t lost = node->audit->lost;

    kgr_node_audit(node, &event);
    if (node->audit->lost != lost)
        return KGR_ERR_IO;
    /* Where the journal is kept elsewhere, it witnesses what the log held. */
    kgr_info("audit_head", "record=%" PRIu64 " hash=%s", s->last.id,
             kgr_hex(hex, s->last.hash, sizeof s->last.hash));
    return KGR_OK;
}

static void signing_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct signing *s = ctx;
    struct kgr_node_audit *audit = s->node->audit;

    audit->schedule.busy = false;
    if (err != KGR_OK && err != KGR_ERR_STATE)
        kgr_error_log("audit_not_signed", "reason=\"%s\"", kgr_diag_text(diag, err));
    if (err == KGR_OK && audit->schedule.newest - s->last.id >= KGR_AUDIT_HEAD_REACH)
        err = KGR_ERR_BUSY; /* too much happened meanwhile */
    if (err == KGR_OK && !s->node->stopping)
        err = add_head(s->node, s);
    if (err != KGR_OK)
        kgr_audit_schedule_failed(&audit->schedule, kgr_clock_boot_ms());
    answer_waiters(audit, err);
    free(s);
}

static void sign(struct kgr_node *node, uint64_t now_ms)
{
    struct kgr_node_audit *audit = node->audit;
    struct signing *s = calloc(1, sizeof *s);
    struct kgr_diag diag = {{0}};
    enum kgr_error err =
        s == NULL ? KGR_ERR_NO_MEMORY : kgr_audit_log_last(&audit->log, &s->last, &diag);

    if (err == KGR_OK) {
        s->node = node;
        err = kgr_tpm_worker_submit(
            node->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_signing, .done = signing_done, .ctx = s});
    }
    if (err == KGR_OK) {
        audit->schedule.busy = true;
        return;
    }
    free(s);
    kgr_audit_schedule_failed(&audit->schedule, now_ms);
    answer_waiters(audit, err);
}

static bool can_sign(const struct kgr_node *node)
{
    return node->audit != NULL && node->audit->key.pub.len != 0 && node->worker != NULL &&
           node->revoked == 0;
}

uint64_t kgr_node_audit_deadline(const struct kgr_node *node)
{
    return can_sign(node) ? kgr_audit_schedule_due(&node->audit->schedule) : UINT64_MAX;
}

void kgr_node_audit_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    if (kgr_node_audit_deadline(node) <= now_ms)
        sign(node, now_ms);
}

void kgr_node_audit_sign(struct kgr_node *node, kgr_node_audit_done *done, void *arg)
{
    struct waiter *w;

    if (!can_sign(node)) {
        done(arg, KGR_ERR_STATE);
        return;
    }
    if (node->audit->schedule.newest <= node->audit->schedule.head && !node->audit->schedule.busy) {
        done(arg, KGR_OK);
        return;
    }
    w = malloc(sizeof *w);
    if (w == NULL) {
        done(arg, KGR_ERR_NO_MEMORY);
        return;
    }
    *w = (struct waiter){.next = node->audit->waiters, .done = done, .arg = arg};
    node->audit->waiters = w;
    if (!node->audit->schedule.busy)
        sign(node, kgr_clock_boot_ms());
}

enum kgr_error kgr_node_audit_page(struct kgr_node *node, struct kgr_wr *wr, size_t max,
                                   const struct kgr_audit_query *query, struct kgr_diag *diag)
{
    const struct kgr_node_audit *audit = node->audit;

    if (audit == NULL)
        return kgr_diag_set(diag, KGR_ERR_STATE, "there is no audit log");
    kgr_wr_vec16(wr, kgr_slice(audit->key.pub.bytes, audit->key.pub.len));
    return kgr_audit_log_page(&audit->log, wr, max, query, diag);
}

void kgr_node_audit_stats(const struct kgr_node *node, struct kgr_node_audit_stats *out)
{
    const struct kgr_node_audit *audit = node->audit;

    *out = (struct kgr_node_audit_stats){0};
    if (audit == NULL)
        return;
    out->records = audit->records;
    out->lost = audit->lost;
    out->unsigned_n = audit->schedule.newest - audit->schedule.head;
}
