/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/handle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct kgr_stmt *find(const struct kgr_db *db, const char *sql)
{
    for (struct kgr_stmt *stmt = db->stmts; stmt != NULL; stmt = stmt->next)
        if (strcmp(stmt->sql, sql) == 0)
            return stmt;
    return NULL;
}

static enum kgr_error prepare(struct kgr_stmt **out, struct kgr_db *db, const char *sql,
                              struct kgr_diag *diag)
{
    struct kgr_stmt *stmt = calloc(1, sizeof(*stmt));
    int rc;

    if (stmt == NULL)
        return KGR_ERR_NO_MEMORY;
    stmt->sql = strdup(sql);
    if (stmt->sql == NULL) {
        free(stmt);
        return KGR_ERR_NO_MEMORY;
    }
    rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (rc != SQLITE_OK || stmt->handle == NULL) {
        free(stmt->sql);
        free(stmt);
        return kgr_db_fail(db, rc != SQLITE_OK ? rc : SQLITE_MISUSE, diag);
    }
    stmt->db = db;
    stmt->next = db->stmts;
    db->stmts = stmt;
    *out = stmt;
    return KGR_OK;
}

enum kgr_error kgr_db_stmt(struct kgr_stmt **out, struct kgr_db *db, const char *sql,
                           struct kgr_diag *diag)
{
    struct kgr_stmt *stmt = find(db, sql);
    enum kgr_error err;

    if (stmt == NULL) {
        err = prepare(&stmt, db, sql, diag);
        if (err != KGR_OK)
            return err;
    }
    kgr_stmt_reset(stmt);
    (void)sqlite3_clear_bindings(stmt->handle); /* always SQLITE_OK */
    stmt->bind_rc = SQLITE_OK;
    *out = stmt;
    return KGR_OK;
}

void kgr_stmt_free_all(struct kgr_db *db)
{
    struct kgr_stmt *stmt, *next;

    for (stmt = db->stmts; stmt != NULL; stmt = next) {
        next = stmt->next;
        (void)sqlite3_finalize(stmt->handle); /* repeats the error of the last step */
        free(stmt->sql);
        free(stmt);
    }
    db->stmts = NULL;
}

static void bound(struct kgr_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void kgr_stmt_bind_int(struct kgr_stmt *stmt, int param, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(stmt->handle, param, value));
}

void kgr_stmt_bind_text(struct kgr_stmt *stmt, int param, const char *text)
{
    bound(stmt, sqlite3_bind_text(stmt->handle, param, text, -1, SQLITE_TRANSIENT));
}

void kgr_stmt_bind_blob(struct kgr_stmt *stmt, int param, struct kgr_slice blob)
{
    /* To SQLite a NULL pointer is NULL, whatever the length. */
    bound(stmt, sqlite3_bind_blob64(stmt->handle, param, blob.len > 0 ? (const void *)blob.p : "",
                                    blob.len, SQLITE_TRANSIENT));
}

void kgr_stmt_bind_null(struct kgr_stmt *stmt, int param)
{
    bound(stmt, sqlite3_bind_null(stmt->handle, param));
}

void kgr_stmt_bind_blob_if(struct kgr_stmt *stmt, int param, bool there, struct kgr_slice blob)
{
    if (there)
        kgr_stmt_bind_blob(stmt, param, blob);
    else
        kgr_stmt_bind_null(stmt, param);
}

enum kgr_error kgr_stmt_step(enum kgr_step *out, struct kgr_stmt *stmt, struct kgr_diag *diag)
{
    enum kgr_error err;
    int rc = stmt->bind_rc;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt->handle);
    switch (rc) {
    case SQLITE_ROW:
        *out = KGR_STEP_ROW;
        return KGR_OK;
    case SQLITE_DONE:
        kgr_stmt_reset(stmt);
        *out = KGR_STEP_DONE;
        return KGR_OK;
    default:
        /* The text of the error is gone after the reset; the rollback needs no statement under way. */
        err = kgr_db_fail(stmt->db, rc, diag);
        kgr_stmt_reset(stmt);
        return err;
    }
}

enum kgr_error kgr_stmt_run(struct kgr_stmt *stmt, struct kgr_diag *diag)
{
    enum kgr_step step;
    enum kgr_error err = kgr_stmt_step(&step, stmt, diag);

    if (err == KGR_OK && step != KGR_STEP_DONE) {
        kgr_stmt_reset(stmt);
        err = kgr_diag_set(diag, KGR_ERR_FAILED, "%s: a statement without results had one",
                           stmt->db->path);
    }
    return err;
}

void kgr_stmt_reset(struct kgr_stmt *stmt)
{
    (void)sqlite3_reset(stmt->handle); /* repeats the error of the last step */
}

int64_t kgr_stmt_int(struct kgr_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

const char *kgr_stmt_text(struct kgr_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->handle, column);
}

struct kgr_slice kgr_stmt_blob(struct kgr_stmt *stmt, int column)
{
    const void *p = sqlite3_column_blob(stmt->handle, column);
    int len = sqlite3_column_bytes(stmt->handle, column);

    return p != NULL && len > 0 ? kgr_slice(p, (size_t)len) : kgr_slice(NULL, 0);
}

enum kgr_error kgr_stmt_blob_exact(void *out, size_t len, struct kgr_stmt *stmt, int column,
                                   struct kgr_diag *diag)
{
    struct kgr_slice blob = kgr_stmt_blob(stmt, column);

    if (blob.len != len || sqlite3_column_type(stmt->handle, column) != SQLITE_BLOB) {
        memset(out, 0, len);
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: %s is %zu bytes long instead of %zu",
                            stmt->db->path, sqlite3_column_name(stmt->handle, column), blob.len,
                            len);
    }
    kgr_copy(out, blob.p, len);
    return KGR_OK;
}

bool kgr_stmt_is_null(struct kgr_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}
