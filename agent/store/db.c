/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/db.h"

#include "agent/base/log.h"
#include "agent/store/handle.h"
#include "agent/store/sealed_vfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kgr_error translate(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID:
        return KGR_ERR_EXISTS;
    case SQLITE_IOERR_NOMEM:
        return KGR_ERR_NO_MEMORY;
    case SQLITE_IOERR_DATA:
        return KGR_ERR_CORRUPT;
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return KGR_ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return KGR_ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KGR_ERR_CORRUPT;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return KGR_ERR_IO;
    default:
        return KGR_ERR_FAILED;
    }
}

/* refused tells that a page did not open, and says which. */
static bool refused(const struct kgr_db *db, struct kgr_diag *diag)
{
    uint32_t page = db->vfs == NULL ? 0 : kgr_sealed_vfs_refused(db->vfs);

    if (page != 0)
        kgr_diag_set(diag, KGR_ERR_CORRUPT,
                     "%s: page %u does not open: it was changed by another hand, or put back from"
                     " another start",
                     db->path, (unsigned)page);
    return page != 0;
}

enum kgr_error kgr_db_fail(struct kgr_db *db, int rc, struct kgr_diag *diag)
{
    enum kgr_error err = translate(rc);

    if (err != KGR_ERR_CORRUPT || !refused(db, diag))
        kgr_diag_set(diag, err, "%s: %s (SQLite %d)", db->path,
                     rc == sqlite3_extended_errcode(db->handle) ? sqlite3_errmsg(db->handle)
                                                                : sqlite3_errstr(rc),
                     rc);
    if (err == KGR_ERR_IO || err == KGR_ERR_CORRUPT || err == KGR_ERR_NO_MEMORY)
        kgr_db_rollback(db);
    return err;
}

enum kgr_error kgr_db_exec(struct kgr_db *db, const char *sql, struct kgr_diag *diag)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? KGR_OK : kgr_db_fail(db, rc, diag);
}

/* Transactions */

bool kgr_db_in_transaction(const struct kgr_db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

enum kgr_error kgr_db_begin(struct kgr_db *db, struct kgr_diag *diag)
{
    if (kgr_db_in_transaction(db))
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s: a transaction is open already", db->path);
    return kgr_db_exec(db, "BEGIN IMMEDIATE", diag);
}

enum kgr_error kgr_db_commit(struct kgr_db *db, struct kgr_diag *diag)
{
    enum kgr_error err;

    if (!kgr_db_in_transaction(db))
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s: no transaction is open", db->path);
    err = kgr_db_exec(db, "COMMIT", diag);
    if (err != KGR_OK)
        kgr_db_rollback(db); /* a COMMIT that fails can leave it open */
    return err;
}

void kgr_db_rollback(struct kgr_db *db)
{
    int rc;

    if (!kgr_db_in_transaction(db))
        return;
    rc = sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    if (rc != SQLITE_OK) /* SQLite then ends the transaction by itself, or at the next opening */
        kgr_error_log("store", "call=rollback code=%d error=%s", rc, sqlite3_errmsg(db->handle));
}

enum kgr_error kgr_db_checkpoint(struct kgr_db *db, struct kgr_diag *diag)
{
    int rc;

    if (kgr_db_in_transaction(db))
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s: a transaction is open", db->path);
    rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? KGR_OK : kgr_db_fail(db, rc, diag);
}

int64_t kgr_db_changes(const struct kgr_db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t kgr_db_last_id(const struct kgr_db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

/* Opening */

/* SQLite would create the file with 0644 and follow a link. Its WAL takes the mode of the file. */
static enum kgr_error prepare_file(const char *path, struct kgr_diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, S_IRUSR | S_IWUSR);

    if (fd < 0)
        return kgr_diag_set(diag, errno == EACCES || errno == ELOOP ? KGR_ERR_CONFIG : KGR_ERR_IO,
                            "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: not a file", path);
    }
    (void)close(fd);
    if (st.st_uid != geteuid())
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: belongs to uid %u, but this process runs as uid %u", path,
                            (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "%s: others may use it (mode %04o), chmod it to 0600", path,
                            (unsigned)(st.st_mode & 07777));
    return KGR_OK;
}

enum kgr_error kgr_db_query_int(int64_t *out, struct kgr_db *db, const char *sql,
                                struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err;

    err = kgr_db_stmt(&stmt, db, sql, diag);
    if (err != KGR_OK)
        return err;
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step != KGR_STEP_ROW)
        return kgr_diag_set(diag, KGR_ERR_FAILED, "%s: no answer to %s", db->path, sql);
    *out = kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    return KGR_OK;
}

/* The file is empty, or ours and not from the future. Reads only. */
static enum kgr_error check_kind(int64_t *out_version, struct kgr_db *db,
                                 const struct kgr_db_schema *schema, struct kgr_diag *diag)
{
    int64_t id = 0, version = 0, num_tables = 0;
    enum kgr_error err;

    err = kgr_db_query_int(&id, db, "PRAGMA application_id", diag);
    if (err == KGR_OK)
        err = kgr_db_query_int(&version, db, "PRAGMA user_version", diag);
    if (err == KGR_OK)
        err = kgr_db_query_int(&num_tables, db, "SELECT count(*) FROM sqlite_schema", diag);
    if (err != KGR_OK)
        return err;
    if (id == 0 && version == 0 && num_tables == 0) {
        *out_version = 0;
        return KGR_OK;
    }
    if (id != (int32_t)schema->application_id || version < 1)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: a database of another kind", db->path);
    if (version > (int64_t)schema->num_migrations)
        return kgr_diag_set(diag, KGR_ERR_VERSION,
                            "%s: version %lld was written by a newer program, this one knows %zu",
                            db->path, (long long)version, schema->num_migrations);
    *out_version = version;
    return KGR_OK;
}

enum kgr_error kgr_db_check_integrity(struct kgr_db *db, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err;
    const char *text;

    err = kgr_db_stmt(&stmt, db, "PRAGMA quick_check(1)", diag);
    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    text = step == KGR_STEP_ROW ? kgr_stmt_text(stmt, 0) : NULL;
    if (text == NULL || strcmp(text, "ok") != 0)
        err = refused(db, diag) ? KGR_ERR_CORRUPT
                                : kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: damaged: %.100s",
                                               db->path, text != NULL ? text : "?");
    kgr_stmt_reset(stmt);
    return err;
}

static enum kgr_error migrate(struct kgr_db *db, int64_t version,
                              const struct kgr_db_schema *schema, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;
    char sql[96];

    for (; err == KGR_OK && version < (int64_t)schema->num_migrations; version++) {
        err = kgr_db_begin(db, diag);
        if (err == KGR_OK)
            err = kgr_db_exec(db, schema->migrations[version], diag);
        (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %ld; PRAGMA user_version = %lld",
                       (long)(int32_t)schema->application_id, (long long)version + 1);
        if (err == KGR_OK)
            err = kgr_db_exec(db, sql, diag);
        if (err == KGR_OK)
            err = kgr_db_commit(db, diag);
    }
    kgr_db_rollback(db);
    return err;
}

/* The room at the end of a page for what sealing adds; has an effect before the first page is written. */
static enum kgr_error reserve(struct kgr_db *db, struct kgr_diag *diag)
{
    int bytes = (int)KGR_PAGE_RESERVED;
    int rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);

    return rc == SQLITE_OK ? kgr_db_exec(db, "PRAGMA page_size = 4096", diag)
                           : kgr_db_fail(db, rc, diag);
}

static enum kgr_error configure(struct kgr_db *db, const struct kgr_db_schema *schema,
                                struct kgr_diag *diag)
{
    int64_t version = 0;
    enum kgr_error err;

    /* Until the file is known as ours, closing must leave its WAL alone too. */
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_busy_timeout(db->handle, 0);
    /* Exclusive before the first access: no shared memory file, no second process. */
    err = kgr_db_exec(db,
                      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;"
                      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
                      diag);
    if (err == KGR_OK)
        err = check_kind(&version, db, schema, diag);
    if (err == KGR_OK)
        err = kgr_db_check_integrity(db, diag);
    if (err != KGR_OK)
        return err;
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    /* A new file becomes one with a log by a transaction of its own, whose journal must not touch the disk. */
    if (version == 0 && db->vfs != NULL)
        err = reserve(db, diag);
    if (err == KGR_OK && version == 0)
        err = kgr_db_exec(db, "PRAGMA journal_mode = MEMORY", diag);
    if (err == KGR_OK)
        err = kgr_db_exec(db,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON",
                          diag);
    if (err == KGR_OK)
        err = migrate(db, version, schema, diag);
    return err;
}

static enum kgr_error open_handle(struct kgr_db *db, struct kgr_diag *diag)
{
    int rc = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             db->vfs == NULL ? NULL : kgr_sealed_vfs_name(db->vfs));

    if (rc != SQLITE_OK)
        return kgr_diag_set(diag, translate(rc), "%s: %s (SQLite %d)", db->path, sqlite3_errstr(rc),
                            rc);
    (void)sqlite3_extended_result_codes(db->handle, 1);
    return KGR_OK;
}

static enum kgr_error open_db(struct kgr_db **out, const char *path,
                              const struct kgr_db_schema *schema,
                              const struct kgr_page_cipher *cipher, struct kgr_diag *diag)
{
    struct kgr_db *db;
    enum kgr_error err;

    assert(schema->application_id != 0 && schema->num_migrations > 0);
    err = prepare_file(path, diag);
    if (err != KGR_OK)
        return err;
    db = calloc(1, sizeof(*db));
    if (db == NULL)
        return KGR_ERR_NO_MEMORY;
    db->path = strdup(path);
    if (db->path == NULL)
        err = KGR_ERR_NO_MEMORY;
    if (err == KGR_OK && cipher != NULL)
        err = kgr_sealed_vfs_new(&db->vfs, cipher);
    if (err == KGR_OK)
        err = open_handle(db, diag);
    if (err == KGR_OK)
        err = configure(db, schema, diag);
    if (err != KGR_OK) {
        kgr_db_close(db);
        return err;
    }
    *out = db;
    return KGR_OK;
}

enum kgr_error kgr_db_open(struct kgr_db **out, const char *path,
                           const struct kgr_db_schema *schema, struct kgr_diag *diag)
{
    return open_db(out, path, schema, NULL, diag);
}

enum kgr_error kgr_db_open_sealed(struct kgr_db **out, const char *path,
                                  const struct kgr_db_schema *schema,
                                  const struct kgr_page_cipher *cipher, struct kgr_diag *diag)
{
    return open_db(out, path, schema, cipher, diag);
}

void kgr_db_close(struct kgr_db *db)
{
    int rc;

    if (db == NULL)
        return;
    kgr_stmt_free_all(db);
    if (db->handle != NULL)
        kgr_db_rollback(db);
    rc = sqlite3_close(
        db->handle); /* the last connection moves the WAL into the file and removes it */
    assert(rc == SQLITE_OK);
    (void)rc;
    kgr_sealed_vfs_free(db->vfs);
    free(db->path);
    free(db);
}
