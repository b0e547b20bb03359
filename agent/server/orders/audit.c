/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/signature.h"
#include "agent/base/log.h"
#include "agent/server/ks.h"
#include "agent/tpm/sign.h"
#include "agent/wire/order.h"

static struct kgr_audit_log log_of(const struct kgr_ks *ks)
{
    struct kgr_audit_log log = {.db = ks->db, .keep = KGR_KS_AUDIT_KEPT};

    memcpy(log.id, ks->id.ks, sizeof log.id);
    return log;
}

enum kgr_error kgr_ks_audit_load(struct kgr_ks *ks, struct kgr_diag *diag)
{
    struct kgr_audit_log log = log_of(ks);
    struct kgr_audit_last last;
    enum kgr_error err = kgr_audit_log_last(&log, &last, diag);

    if (err == KGR_OK)
        ks->audit.newest = ks->audit.head = last.id;
    return err;
}

enum kgr_error kgr_ks_audit(struct kgr_ks *ks, const struct kgr_audit_event *event,
                            struct kgr_diag *diag)
{
    struct kgr_audit_log log = log_of(ks);
    uint64_t id = 0;
    enum kgr_error err = kgr_audit_log_append(&log, event, kgr_ks_now_s(ks), &id, diag);

    if (err == KGR_OK)
        kgr_audit_schedule_added(&ks->audit, id, event->what == KGR_AUDIT_HEAD,
                                 kgr_clock_boot_ms());
    return err;
}

enum kgr_error kgr_ks_audit_node(struct kgr_ks *ks, const char *nid, enum kgr_error status,
                                 const char *text, struct kgr_diag *diag)
{
    struct kgr_audit_event event = {
        .what = KGR_AUDIT_NODE,
        .status = status,
        .count = 1,
        .subject = nid,
        .text = text,
    };

    /* A node that is taken in was ordered; a refusal may be provoked by a stranger. */
    if (status != KGR_OK)
        event.count = kgr_audit_gate_count(&ks->node_gate, KGR_AUDIT_GATE_NUM, kgr_ks_now_s(ks));
    return event.count == 0 ? KGR_OK : kgr_ks_audit(ks, &event, diag);
}

enum kgr_error kgr_ks_audit_exchange(struct kgr_ks *ks,
                                     const struct kgr_ks_audit_exchange *exchange,
                                     struct kgr_diag *diag)
{
    char subject[KGR_AUDIT_SUBJECT_MAX + 1];
    struct kgr_audit_event event = {
        .what = KGR_AUDIT_EXCHANGE,
        .number = exchange->generation,
        .status = exchange->status,
        .subject = subject,
        .text = exchange->text,
    };

    (void)snprintf(subject, sizeof subject, "%s %s", exchange->requester, exchange->destined);
    event.count = kgr_audit_gate_count(kgr_audit_gate_of(ks->pair_gates, subject),
                                       KGR_AUDIT_GATE_LOCAL, kgr_ks_now_s(ks));
    return event.count == 0 ? KGR_OK : kgr_ks_audit(ks, &event, diag);
}

static void add_alone(struct kgr_ks *ks, const struct kgr_audit_event *event)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (kgr_ks_begin(ks) != KGR_OK)
        return;
    err = kgr_ks_audit(ks, event, &diag);
    kgr_ks_end(ks, err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err, &diag);
}

void kgr_ks_audit_refusal(struct kgr_ks *ks, enum kgr_orders_reason reason, uint8_t kind,
                          uint64_t number, const char *subject)
{
    struct kgr_audit_event event = {
        .what = KGR_AUDIT_REFUSED,
        .kind = kind,
        .number = number,
        .status = kgr_orders_error(reason),
        .count =
            kgr_audit_gate_count(&ks->audit_gates[reason], KGR_AUDIT_GATE_NUM, kgr_ks_now_s(ks)),
        .subject = subject,
        .text = kgr_orders_word(reason),
    };

    ks->stats.orders_refused++;
    if (event.count == 0)
        return;
    kgr_warn("order-refused", "reason=\"%s\" count=%u", kgr_orders_word(reason), event.count);
    add_alone(ks, &event);
}

void kgr_ks_audit_alone(struct kgr_ks *ks, uint8_t what, enum kgr_error status, const char *text)
{
    const struct kgr_audit_event event = {.what = what, .status = status, .text = text};

    add_alone(ks, &event);
}

enum kgr_error kgr_ks_audit_list(struct kgr_ks *ks, struct kgr_wr *wr, struct kgr_slice body,
                                 struct kgr_diag *diag)
{
    struct kgr_audit_log log = log_of(ks);
    struct kgr_audit_query query;
    enum kgr_error err;

    if (kgr_audit_query_decode(&query, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    err = kgr_audit_log_page(&log, wr, KGR_RESULT_BODY_MAX, &query, diag);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

/* Heads */

struct signing {
    struct kgr_ks *ks;
    struct kgr_audit_last last;
    uint8_t signature[KGR_SIGNATURE_LEN];
};

static enum kgr_error run_signing(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct signing *s = ctx;
    uint8_t digest[KGR_DIGEST_LEN];
    enum kgr_error err = kgr_audit_head_digest(digest, s->ks->id.ks, s->last.id, s->last.hash);

    return err == KGR_OK ? kgr_tpm_sign(tpm, &s->ks->id.signing, s->signature, digest, diag) : err;
}

static void add_head(struct kgr_ks *ks, const struct signing *s)
{
    char text[KGR_AUDIT_SIGNATURE_TEXT + 1], hex[2 * KGR_DIGEST_LEN + 1];
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_HEAD,
        .number = s->last.id,
        .text = kgr_audit_signature_text(text, s->signature),
    };

    add_alone(ks, &event);
    /* Where the journal is kept elsewhere, it witnesses what the log held. */
    if (!ks->failed)
        kgr_info("audit_head", "record=%" PRIu64 " hash=%s", s->last.id,
                 kgr_hex(hex, s->last.hash, sizeof s->last.hash));
}

static void signing_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct signing *s = ctx;
    struct kgr_ks *ks = s->ks;

    ks->audit.busy = false;
    if (err != KGR_OK && err != KGR_ERR_STATE)
        kgr_error_log("audit_not_signed", "reason=\"%s\"", kgr_diag_text(diag, err));
    if (err != KGR_OK || ks->audit.newest - s->last.id >= KGR_AUDIT_HEAD_REACH)
        kgr_audit_schedule_failed(&ks->audit, kgr_clock_boot_ms());
    else if (!ks->failed)
        add_head(ks, s);
    free(s);
    if (!ks->failed)
        kgr_ks_arm(ks);
}

uint64_t kgr_ks_audit_deadline(const struct kgr_ks *ks)
{
    return kgr_audit_schedule_due(&ks->audit);
}

void kgr_ks_audit_timer(struct kgr_ks *ks)
{
    struct kgr_audit_log log = log_of(ks);
    struct kgr_diag diag = {{0}};
    struct signing *s;
    enum kgr_error err;

    if (ks->failed || kgr_audit_schedule_due(&ks->audit) > kgr_clock_boot_ms())
        return;
    s = calloc(1, sizeof *s);
    err = s == NULL ? KGR_ERR_NO_MEMORY : kgr_audit_log_last(&log, &s->last, &diag);
    if (err == KGR_OK) {
        s->ks = ks;
        err = kgr_tpm_worker_submit(
            ks->worker, KGR_TPM_CONTROL,
            &(struct kgr_tpm_job){.run = run_signing, .done = signing_done, .ctx = s});
    }
    if (err == KGR_OK) {
        ks->audit.busy = true;
        return;
    }
    kgr_audit_schedule_failed(&ks->audit, kgr_clock_boot_ms());
    free(s);
}
