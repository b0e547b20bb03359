/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/notice_rows.h"

#include <string.h>

enum kgr_error kgr_ks_notice_keep(struct kgr_db *db, const struct kgr_nid *nid,
                                  const struct kgr_notices_entry *entry, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db,
                                     "INSERT INTO notices (nid, word, kind, peer, xid, floor)"
                                     " VALUES (?, ?, ?, ?, ?, ?)",
                                     diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)entry->notice.word);
    kgr_stmt_bind_int(stmt, 3, entry->notice.kind);
    kgr_stmt_bind_text(stmt, 4, entry->notice.peer.s);
    kgr_stmt_bind_blob(stmt, 5, kgr_slice(entry->xid, sizeof entry->xid));
    kgr_stmt_bind_int(stmt, 6, (int64_t)entry->notice.floor);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_notice_erase(struct kgr_db *db, const struct kgr_nid *nid, uint64_t word,
                                   struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "DELETE FROM notices WHERE nid = ? AND word = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)word);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_notice_erase_all(struct kgr_db *db, const struct kgr_nid *nid,
                                       struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "DELETE FROM notices WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error read_notice(struct kgr_stmt *stmt, struct kgr_nid *nid,
                                  struct kgr_notices_entry *out, struct kgr_diag *diag)
{
    const char *text = kgr_stmt_text(stmt, 0), *peer = kgr_stmt_text(stmt, 3);
    int64_t kind = kgr_stmt_int(stmt, 2);
    bool ok = text != NULL && kgr_nid_set(nid, text, strlen(text)) == KGR_OK &&
              kind >= KGR_NOTICE_ALLOWED && kind <= KGR_NOTICE_NODE_REVOKED;

    *out = (struct kgr_notices_entry){.notice = {.word = (uint64_t)kgr_stmt_int(stmt, 1)}};
    if (ok && kind != KGR_NOTICE_NODE_REVOKED)
        ok = peer != NULL && kgr_nid_set(&out->notice.peer, peer, strlen(peer)) == KGR_OK;
    if (!ok)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of notices is damaged");
    out->notice.kind = (uint8_t)kind;
    out->notice.floor = (uint64_t)kgr_stmt_int(stmt, 5);
    return kgr_stmt_blob_exact(out->xid, sizeof out->xid, stmt, 4, diag);
}

enum kgr_error kgr_ks_notice_each(struct kgr_db *db, kgr_ks_notice_fn *fn, void *arg,
                                  struct kgr_diag *diag)
{
    struct kgr_notices_entry entry;
    struct kgr_stmt *stmt;
    struct kgr_nid nid;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "SELECT nid, word, kind, peer, xid, floor FROM notices ORDER BY nid, word",
        diag);

    if (err != KGR_OK)
        return err;
    while ((err = kgr_stmt_step(&step, stmt, diag)) == KGR_OK && step == KGR_STEP_ROW) {
        err = read_notice(stmt, &nid, &entry, diag);
        if (err == KGR_OK)
            err = fn(arg, &nid, &entry);
        if (err != KGR_OK)
            break;
    }
    kgr_stmt_reset(stmt);
    return err;
}
