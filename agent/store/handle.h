/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/store/db.h"

#include <sqlite3.h>

/* What db.c and stmt.c share. Within agent/store only. */
struct kgr_stmt {
    struct kgr_db *db;    /* borrowed */
    sqlite3_stmt *handle; /* owned */
    char *sql;            /* owned */
    int bind_rc;          /* the first failure of a bind, or SQLITE_OK */
    struct kgr_stmt *next;
};

struct kgr_sealed_vfs;

struct kgr_db {
    sqlite3 *handle;            /* owned */
    struct kgr_sealed_vfs *vfs; /* owned; NULL: the file is in clear */
    char *path;                 /* owned */
    struct kgr_stmt *stmts;     /* owned */
};

/*
 * kgr_db_fail translates a result of SQLite's, puts its text into diag, and rolls back where SQLite left the
 * transaction in doubt.
 */
enum kgr_error kgr_db_fail(struct kgr_db *db, int rc, struct kgr_diag *diag);
/* kgr_db_check_integrity: KGR_ERR_CORRUPT unless every page of the file is what it should be. */
KGR_MUST_CHECK enum kgr_error kgr_db_check_integrity(struct kgr_db *db, struct kgr_diag *diag);
/* kgr_db_query_int: the first column of the first row; KGR_ERR_FAILED when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_db_query_int(int64_t *out, struct kgr_db *db, const char *sql,
                                               struct kgr_diag *diag);
/* kgr_stmt_free_all finalizes every statement of db. */
void kgr_stmt_free_all(struct kgr_db *db);
