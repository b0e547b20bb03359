/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/log.h"

#include <string.h>

#include "agent/audit/signature.h"

/* A record is kept as the bytes that travel, with its number, its time and its hash beside them. */
enum kgr_error kgr_audit_log_last(const struct kgr_audit_log *log, struct kgr_audit_last *out,
                                  struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err =
        kgr_db_stmt(&stmt, log->db, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", diag);

    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    out->id = 0;
    memcpy(out->hash, log->id, sizeof out->hash);
    if (step == KGR_STEP_ROW) {
        out->id = (uint64_t)kgr_stmt_int(stmt, 0);
        err = kgr_stmt_blob_exact(out->hash, sizeof out->hash, stmt, 1, diag);
        kgr_stmt_reset(stmt);
    }
    return err;
}

static enum kgr_error prune(const struct kgr_audit_log *log, uint64_t newest, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err;

    if (newest <= log->keep)
        return KGR_OK;
    err = kgr_db_stmt(&stmt, log->db, "DELETE FROM audit WHERE id <= ?", diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)(newest - log->keep));
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error insert(const struct kgr_audit_log *log, const struct kgr_audit_entry *entry,
                             struct kgr_slice bytes, const struct kgr_audit_last *before,
                             struct kgr_diag *diag)
{
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_audit_hash(hash, before->hash, bytes);

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, log->db,
                          "INSERT INTO audit (id, time, before, entry, hash)"
                          " VALUES (?, ?, ?, ?, ?)",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)entry->id);
    kgr_stmt_bind_int(stmt, 2, (int64_t)entry->time_s);
    kgr_stmt_bind_blob(stmt, 3, kgr_slice(before->hash, sizeof before->hash));
    kgr_stmt_bind_blob(stmt, 4, bytes);
    kgr_stmt_bind_blob(stmt, 5, kgr_slice(hash, sizeof hash));
    return kgr_stmt_run(stmt, diag);
}

static struct kgr_slice cut(const char *text, size_t max)
{
    return text == NULL ? kgr_slice(NULL, 0) : kgr_slice(text, strnlen(text, max));
}

enum kgr_error kgr_audit_log_append(const struct kgr_audit_log *log,
                                    const struct kgr_audit_event *event, uint64_t time_s,
                                    uint64_t *out_id, struct kgr_diag *diag)
{
    uint8_t bytes[KGR_AUDIT_ENTRY_MAX];
    struct kgr_audit_entry entry = {
        .time_s = time_s,
        .what = event->what,
        .kind = event->kind,
        .number = event->number,
        .status = (uint32_t)event->status,
        .count = event->count == 0 ? 1 : event->count,
        .subject = cut(event->subject, KGR_AUDIT_SUBJECT_MAX),
        .text = cut(event->text, KGR_AUDIT_TEXT_MAX),
    };
    struct kgr_audit_last last;
    struct kgr_wr wr;
    enum kgr_error err = kgr_audit_log_last(log, &last, diag);

    if (err != KGR_OK)
        return err;
    entry.id = last.id + 1;
    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_audit_entry_write(&wr, &entry);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_TOO_LARGE;
    err = insert(log, &entry, kgr_wr_slice(&wr), &last, diag);
    if (err == KGR_OK)
        err = prune(log, entry.id, diag);
    if (err == KGR_OK && out_id != NULL)
        *out_id = entry.id;
    return err;
}

static enum kgr_error write_entries(struct kgr_wr *wr, size_t max, struct kgr_stmt *stmt,
                                    struct kgr_audit_head *head, struct kgr_diag *diag)
{
    enum kgr_step step;
    enum kgr_error err = kgr_stmt_step(&step, stmt, diag);

    while (err == KGR_OK && step == KGR_STEP_ROW) {
        struct kgr_slice entry = kgr_stmt_blob(stmt, 1), hash = kgr_stmt_blob(stmt, 2);

        if (wr->len + entry.len + hash.len > max || head->num == UINT16_MAX) {
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
    return err;
}

enum kgr_error kgr_audit_log_page(const struct kgr_audit_log *log, struct kgr_wr *wr, size_t max,
                                  const struct kgr_audit_query *query, struct kgr_diag *diag)
{
    struct kgr_audit_head head = {0};
    uint8_t *place = kgr_wr_reserve(wr, KGR_AUDIT_HEAD_LEN);
    struct kgr_audit_last last;
    struct kgr_stmt *stmt;
    struct kgr_wr front;
    enum kgr_error err;

    if (query->from > INT64_MAX || query->since_s > INT64_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "there are no records that late");
    if (place == NULL)
        return KGR_ERR_TOO_LARGE;
    err = kgr_audit_log_last(log, &last, diag);
    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, log->db,
                          "SELECT before, entry, hash FROM audit WHERE id >= ? AND time >= ?"
                          " ORDER BY id",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)query->from);
    kgr_stmt_bind_int(stmt, 2, (int64_t)query->since_s);
    head.newest = last.id;
    err = write_entries(wr, max, stmt, &head, diag);
    kgr_wr_init(&front, place, KGR_AUDIT_HEAD_LEN);
    kgr_audit_head_write(&front, &head);
    return err;
}
