/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/audit.h"

#include <string.h>

#include "agent/base/log.h"
#include "agent/seal/digest.h"
#include "agent/server/ks.h"
#include "agent/wire/order.h"

/* The last record; none is number 0 with the hash that names this KS. */
struct last {
    uint64_t id;
    uint8_t hash[KGR_DIGEST_LEN];
};

/* A record is kept as the bytes that travel, with its number, its time and its hash beside them. */
static enum kgr_error load_last(struct kgr_ks *ks, struct last *out, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err =
        kgr_db_stmt(&stmt, ks->db, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", diag);

    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    out->id = 0;
    memcpy(out->hash, ks->id.ks, sizeof out->hash);
    if (step == KGR_STEP_ROW) {
        out->id = (uint64_t)kgr_stmt_int(stmt, 0);
        err = kgr_stmt_blob_exact(out->hash, sizeof out->hash, stmt, 1, diag);
        kgr_stmt_reset(stmt);
    }
    return err;
}

/* The oldest records go when there are too many. Only records of the AC's own orders can be so many. */
static enum kgr_error prune(struct kgr_ks *ks, uint64_t newest, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err;

    if (newest <= KGR_AUDIT_KEPT)
        return KGR_OK;
    err = kgr_db_stmt(&stmt, ks->db, "DELETE FROM audit WHERE id <= ?", diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)(newest - KGR_AUDIT_KEPT));
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error insert(struct kgr_ks *ks, const struct kgr_audit_entry *entry,
                             const struct kgr_wr *wr, const struct last *before,
                             struct kgr_diag *diag)
{
    const struct kgr_slice parts[] = {
        kgr_slice(KGR_LABEL_AUDIT, strlen(KGR_LABEL_AUDIT)),
        kgr_slice(before->hash, sizeof before->hash),
        kgr_wr_slice(wr),
    };
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_sha256(hash, parts, KGR_ARRAY_LEN(parts));

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, ks->db,
                          "INSERT INTO audit (id, time, before, entry, hash)"
                          " VALUES (?, ?, ?, ?, ?)",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)entry->id);
    kgr_stmt_bind_int(stmt, 2, (int64_t)entry->time_s);
    kgr_stmt_bind_blob(stmt, 3, kgr_slice(before->hash, sizeof before->hash));
    kgr_stmt_bind_blob(stmt, 4, kgr_wr_slice(wr));
    kgr_stmt_bind_blob(stmt, 5, kgr_slice(hash, sizeof hash));
    return kgr_stmt_run(stmt, diag);
}

static struct kgr_slice cut(const char *text, size_t max)
{
    return text == NULL ? kgr_slice(NULL, 0) : kgr_slice(text, strnlen(text, max));
}

enum kgr_error kgr_ks_audit(struct kgr_ks *ks, const struct kgr_ks_audit_event *event,
                            struct kgr_diag *diag)
{
    uint8_t bytes[KGR_AUDIT_ENTRY_MAX];
    struct kgr_audit_entry entry = {
        .time_s = kgr_ks_now_s(ks),
        .what = event->what,
        .kind = event->kind,
        .number = event->number,
        .status = (uint32_t)event->status,
        .count = event->count == 0 ? 1 : event->count,
        .subject = cut(event->subject, KGR_AUDIT_SUBJECT_MAX),
        .text = cut(event->text, KGR_AUDIT_TEXT_MAX),
    };
    struct kgr_wr wr;
    struct last last;
    enum kgr_error err = load_last(ks, &last, diag);

    if (err != KGR_OK)
        return err;
    entry.id = last.id + 1;
    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_audit_entry_write(&wr, &entry);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_TOO_LARGE;
    err = insert(ks, &entry, &wr, &last, diag);
    return err != KGR_OK ? err : prune(ks, entry.id, diag);
}

enum kgr_error kgr_ks_audit_node(struct kgr_ks *ks, const char *nid, enum kgr_error status,
                                 const char *text, struct kgr_diag *diag)
{
    struct kgr_ks_audit_event event = {
        .what = KGR_AUDIT_NODE,
        .status = status,
        .count = 1,
        .subject = nid,
        .text = text,
    };

    /* A node that is taken in was ordered; a refusal may be provoked by a stranger. */
    if (status != KGR_OK)
        event.count = kgr_audit_gate_count(&ks->node_gate, kgr_ks_now_s(ks));
    return event.count == 0 ? KGR_OK : kgr_ks_audit(ks, &event, diag);
}

void kgr_ks_audit_refusal(struct kgr_ks *ks, enum kgr_orders_reason reason, uint8_t kind,
                          uint64_t number, const char *subject)
{
    struct kgr_ks_audit_event event = {
        .what = KGR_AUDIT_REFUSED,
        .kind = kind,
        .number = number,
        .status = kgr_orders_error(reason),
        .count = kgr_audit_gate_count(&ks->audit_gates[reason], kgr_ks_now_s(ks)),
        .subject = subject,
        .text = kgr_orders_word(reason),
    };
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (event.count == 0)
        return;
    kgr_warn("order-refused", "reason=\"%s\" count=%u", kgr_orders_word(reason), event.count);
    if (kgr_ks_begin(ks) != KGR_OK)
        return;
    err = kgr_ks_audit(ks, &event, &diag);
    kgr_ks_end(ks, err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err, &diag);
}

static enum kgr_error write_entries(struct kgr_wr *wr, struct kgr_stmt *stmt,
                                    struct kgr_audit_head *head, struct kgr_diag *diag)
{
    enum kgr_step step;
    enum kgr_error err = kgr_stmt_step(&step, stmt, diag);

    while (err == KGR_OK && step == KGR_STEP_ROW) {
        struct kgr_slice entry = kgr_stmt_blob(stmt, 1), hash = kgr_stmt_blob(stmt, 2);

        if (wr->len + entry.len + hash.len > KGR_RESULT_BODY_MAX) {
            kgr_stmt_reset(stmt);
            break;
        }
        if (head->num++ == 0) {
            err = kgr_stmt_blob_exact(head->before, sizeof head->before, stmt, 0, diag);
            if (err != KGR_OK) {
                kgr_stmt_reset(stmt);
                return err;
            }
        }
        kgr_wr_bytes(wr, entry.p, entry.len);
        kgr_wr_bytes(wr, hash.p, hash.len);
        err = kgr_stmt_step(&step, stmt, diag);
    }
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

enum kgr_error kgr_ks_audit_list(struct kgr_ks *ks, struct kgr_wr *wr, struct kgr_slice body,
                                 struct kgr_diag *diag)
{
    struct kgr_audit_query query;
    struct kgr_audit_head head = {0};
    uint8_t *place = kgr_wr_reserve(wr, KGR_AUDIT_HEAD_LEN);
    struct kgr_wr front;
    struct kgr_stmt *stmt;
    struct last last;
    enum kgr_error err;

    if (kgr_audit_query_decode(&query, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    if (query.from > INT64_MAX || query.since_s > INT64_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "there are no records that late");
    err = load_last(ks, &last, diag);
    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, ks->db,
                          "SELECT before, entry, hash FROM audit WHERE id >= ? AND time >= ?"
                          " ORDER BY id",
                          diag);
    if (err != KGR_OK)
        return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)query.from);
    kgr_stmt_bind_int(stmt, 2, (int64_t)query.since_s);
    head.newest = last.id;
    err = write_entries(wr, stmt, &head, diag);
    if (err != KGR_OK)
        return err;
    kgr_wr_init(&front, place, KGR_AUDIT_HEAD_LEN);
    kgr_audit_head_write(&front, &head);
    return KGR_OK;
}
