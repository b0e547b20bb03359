/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/page.h"

/*
 * A database file that belongs to one process: SQLite in WAL mode, every commit on the disk before it
 * returns (synchronous FULL), deleted rows overwritten, opened exclusively. One thread.
 *
 * Errors: KGR_ERR_IO when the disk fails or is full, KGR_ERR_CORRUPT when the file is damaged,
 * KGR_ERR_BUSY when another process has it, KGR_ERR_EXISTS when a UNIQUE or PRIMARY KEY constraint
 * is violated, KGR_ERR_CONFIG when the file is not this user's alone, KGR_ERR_NO_MEMORY, and KGR_ERR_FAILED for the rest (a wrong statement). After
 * KGR_ERR_IO, KGR_ERR_CORRUPT and KGR_ERR_NO_MEMORY an open transaction has been rolled back.
 */
struct kgr_db;
struct kgr_stmt;

/*
 * The tables of an owner. migrations[i] is an SQL script that leads from version i to i + 1; version 0
 * is the empty file. Scripts are never changed once released, only added.
 */
struct kgr_db_schema {
    uint32_t application_id; /* of this kind of file, not 0 */
    const char *const *migrations;
    size_t num_migrations;
};

/*
 * kgr_db_open opens path, creating it with mode 0600 unless it is there, and brings it to the newest
 * version, each step in its own transaction. A file of a newer version is KGR_ERR_VERSION, a file of
 * another kind KGR_ERR_CORRUPT, and neither is touched.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_open(struct kgr_db **out, const char *path,
                                          const struct kgr_db_schema *schema,
                                          struct kgr_diag *diag);
/*
 * kgr_db_open_sealed is kgr_db_open of a file in which every page is sealed by cipher, which the caller keeps until
 * kgr_db_close. What is there and does not open with it is KGR_ERR_CORRUPT.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_open_sealed(struct kgr_db **out, const char *path,
                                                 const struct kgr_db_schema *schema,
                                                 const struct kgr_page_cipher *cipher,
                                                 struct kgr_diag *diag);
/* kgr_db_close rolls back what is open, truncates the WAL and frees; accepts NULL. */
void kgr_db_close(struct kgr_db *db);

/* Transactions do not nest: a second begin is KGR_ERR_STATE. They take the write lock at once. */
KGR_MUST_CHECK enum kgr_error kgr_db_begin(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_db_commit: after any error nothing of the transaction stands, and none is open. */
KGR_MUST_CHECK enum kgr_error kgr_db_commit(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_db_rollback without a transaction does nothing, so that error paths need not know. */
void kgr_db_rollback(struct kgr_db *db);
bool kgr_db_in_transaction(const struct kgr_db *db);

/* kgr_db_exec runs a script without results. */
KGR_MUST_CHECK enum kgr_error kgr_db_exec(struct kgr_db *db, const char *sql,
                                          struct kgr_diag *diag);
/* kgr_db_checkpoint moves the WAL into the file and truncates it, so that erased rows are gone from both. */
KGR_MUST_CHECK enum kgr_error kgr_db_checkpoint(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_db_changes: rows inserted, updated or deleted by the last statement that did so. */
int64_t kgr_db_changes(const struct kgr_db *db);
/* kgr_db_last_id: the rowid of the last row inserted. */
int64_t kgr_db_last_id(const struct kgr_db *db);

/*
 * kgr_db_stmt returns the statement for sql, reset and without bindings. It is prepared once, found again
 * by the text, and owned by db; two users of one text at the same time are a bug.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_stmt(struct kgr_stmt **out, struct kgr_db *db, const char *sql,
                                          struct kgr_diag *diag);

/* Parameters count from 1. The bytes are copied. A failure is kept and returned by step or run. */
void kgr_stmt_bind_int(struct kgr_stmt *stmt, int param, int64_t value);
/* text NULL binds NULL. */
void kgr_stmt_bind_text(struct kgr_stmt *stmt, int param, const char *text);
/* An empty slice binds an empty blob, not NULL. */
void kgr_stmt_bind_blob(struct kgr_stmt *stmt, int param, struct kgr_slice blob);
void kgr_stmt_bind_null(struct kgr_stmt *stmt, int param);
/* kgr_stmt_bind_blob_if binds NULL where the value is not there. */
void kgr_stmt_bind_blob_if(struct kgr_stmt *stmt, int param, bool there, struct kgr_slice blob);

enum kgr_step { KGR_STEP_ROW, KGR_STEP_DONE };

/* kgr_stmt_step goes to the next row. At KGR_STEP_DONE and after an error the statement is reset. */
KGR_MUST_CHECK enum kgr_error kgr_stmt_step(enum kgr_step *out, struct kgr_stmt *stmt,
                                            struct kgr_diag *diag);
/* kgr_stmt_run steps a statement that returns no rows to its end, and resets it. */
KGR_MUST_CHECK enum kgr_error kgr_stmt_run(struct kgr_stmt *stmt, struct kgr_diag *diag);
/* kgr_stmt_reset ends a statement before KGR_STEP_DONE; needed then, harmless otherwise. */
void kgr_stmt_reset(struct kgr_stmt *stmt);

/* Columns of the present row count from 0. Borrowed bytes last until the next step or reset. */
int64_t kgr_stmt_int(struct kgr_stmt *stmt, int column);
const char *kgr_stmt_text(struct kgr_stmt *stmt, int column); /* NULL for NULL */
struct kgr_slice kgr_stmt_blob(struct kgr_stmt *stmt, int column);
/*
 * kgr_stmt_blob_exact copies a blob that must be exactly len bytes long; KGR_ERR_CORRUPT with diag, and
 * out zeroed, when it is not.
 */
KGR_MUST_CHECK enum kgr_error kgr_stmt_blob_exact(void *out, size_t len, struct kgr_stmt *stmt,
                                                  int column, struct kgr_diag *diag);
bool kgr_stmt_is_null(struct kgr_stmt *stmt, int column);
