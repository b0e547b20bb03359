/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/token_store.h"

#include "agent/base/text.h"
#include "agent/store/foreign.h"
#include "agent/store/handle.h"
#include "agent/store/token_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOWEST_SCHEMA  8
#define HIGHEST_SCHEMA 9

struct kgr_token_store {
    char path[PATH_MAX]; /* of the database */
    struct kgr_token_lock lock;
    struct kgr_db *db; /* owned; NULL: not opened yet */
    bool made;         /* the file is ours, and empty yet */
    bool empty;        /* it has no tables yet */
    char scratch[PATH_MAX];
};

/* What is made where nothing is. A library that wants a newer schema makes it of this one by itself. */
static const char tables[] =
    "CREATE TABLE tokens(id INTEGER PRIMARY KEY,pid INTEGER NOT NULL,label TEXT UNIQUE,"
    "config TEXT NOT NULL,FOREIGN KEY (pid) REFERENCES pobjects(id) ON DELETE CASCADE);"
    "CREATE TABLE sealobjects(id INTEGER PRIMARY KEY,tokid INTEGER NOT NULL,userpub BLOB,"
    "userpriv BLOB,userauthsalt TEXT,sopub BLOB NOT NULL,sopriv BLOB NOT NULL,"
    "soauthsalt TEXT NOT NULL,FOREIGN KEY (tokid) REFERENCES tokens(id) ON DELETE CASCADE);"
    "CREATE TABLE pobjects(id INTEGER PRIMARY KEY,hierarchy TEXT NOT NULL,config TEXT NOT NULL,"
    "objauth TEXT NOT NULL);"
    "CREATE TABLE tobjects(id INTEGER PRIMARY KEY,tokid INTEGER NOT NULL,attrs TEXT NOT NULL,"
    "FOREIGN KEY (tokid) REFERENCES tokens(id) ON DELETE CASCADE);"
    "CREATE TABLE schema(id INTEGER PRIMARY KEY,schema_version INTEGER NOT NULL);"
    "CREATE TRIGGER limit_tokens\nBEFORE INSERT ON tokens\nBEGIN\n    SELECT CASE WHEN\n"
    "        (SELECT COUNT (*) FROM tokens) >= 255\n    THEN\n"
    "        RAISE(FAIL, \"Maximum token count of 255 reached.\")\n    END;\nEND;\n"
    "REPLACE INTO schema (id, schema_version) VALUES (1, 8);";

/* Opening */

/* A column more, and that library refuses to start; a column less, and this one does not know what it reads. */
static enum kgr_error check_columns(struct kgr_db *db, struct kgr_diag *diag)
{
    static const char sql[] =
        "SELECT count(*) FROM (SELECT 'tokens' AS t, group_concat(name) AS c FROM"
        " pragma_table_info('tokens') UNION ALL SELECT 'sealobjects', group_concat(name) FROM"
        " pragma_table_info('sealobjects') UNION ALL SELECT 'pobjects', group_concat(name) FROM"
        " pragma_table_info('pobjects') UNION ALL SELECT 'tobjects', group_concat(name) FROM"
        " pragma_table_info('tobjects')) WHERE t || ':' || c IN ('tokens:id,pid,label,config',"
        " 'sealobjects:id,tokid,userpub,userpriv,userauthsalt,sopub,sopriv,soauthsalt',"
        " 'pobjects:id,hierarchy,config,objauth', 'tobjects:id,tokid,attrs')";
    int64_t num = 0;
    enum kgr_error err = kgr_db_query_int(&num, db, sql, diag);

    if (err == KGR_OK && num != 4)
        err = kgr_diag_set(diag, KGR_ERR_VERSION, "%s: its tables are not those of tpm2-pkcs11",
                           db->path);
    return err;
}

static enum kgr_error check_schema(struct kgr_token_store *store, struct kgr_diag *diag)
{
    int64_t num = 0, version = 0;
    enum kgr_error err =
        kgr_db_query_int(&num, store->db, "SELECT count(*) FROM sqlite_schema", diag);

    if (err == KGR_OK && num == 0) {
        store->empty = true;
        return KGR_OK;
    }
    if (err == KGR_OK)
        err = kgr_db_query_int(&num, store->db,
                               "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name"
                               " = 'schema'",
                               diag);
    if (err == KGR_OK && num == 1)
        err = kgr_db_query_int(&version, store->db,
                               "SELECT coalesce(max(schema_version), 0) FROM schema", diag);
    if (err == KGR_OK && (version < LOWEST_SCHEMA || version > HIGHEST_SCHEMA))
        err = kgr_diag_set(diag, KGR_ERR_VERSION,
                           "%s: schema %lld; this agent knows %d and %d of tpm2-pkcs11",
                           store->path, (long long)version, LOWEST_SCHEMA, HIGHEST_SCHEMA);
    return err == KGR_OK ? check_columns(store->db, diag) : err;
}

/* Where an upgrade of the store was cut off, that library refuses it as well. */
static enum kgr_error check_remains(struct kgr_token_store *store, struct kgr_diag *diag)
{
    static const char *const ends[] = {"old", "bak"};

    for (size_t i = 0; i < KGR_ARRAY_LEN(ends); i++) {
        int n = snprintf(store->scratch, sizeof(store->scratch), "%s.%s", store->path, ends[i]);

        if (n > 0 && (size_t)n < sizeof(store->scratch) && access(store->scratch, F_OK) == 0)
            return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                                "%s is there: an upgrade of the store by tpm2-pkcs11 was cut off;"
                                " see its DB_UPGRADE.md",
                                store->scratch);
    }
    return KGR_OK;
}

/* SQLite would open for reading only what it may not write, and fail later. */
static enum kgr_error check_file(struct kgr_token_store *store, bool create, struct kgr_diag *diag)
{
    int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    struct stat st;
    int fd = open(store->path, flags);

    if (fd < 0 && errno == ENOENT && !create)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "%s: there is no store", store->path);
    if (fd < 0 && errno == ENOENT) {
        fd = open(store->path, flags | O_CREAT | O_EXCL, 0660);
        store->made = fd >= 0;
        if (fd >= 0 && fchmod(fd, 0660) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO,
                            "%s: %s; user %u, who runs the agent, must be able to"
                            " write it",
                            store->path, strerror(errno), (unsigned)geteuid());
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: not a file", store->path);
    }
    (void)close(fd);
    return KGR_OK;
}

enum kgr_error kgr_token_store_open(struct kgr_token_store **out, const char *folder,
                                    unsigned int wait_ms, bool create, struct kgr_diag *diag)
{
    struct kgr_token_store *store = calloc(1, sizeof(*store));
    enum kgr_error err = KGR_OK;
    int n;

    if (store == NULL)
        return KGR_ERR_NO_MEMORY;
    store->lock = KGR_TOKEN_LOCK_INIT;
    n = snprintf(store->path, sizeof(store->path), "%s/" KGR_TOKEN_STORE_FILE, folder);
    if (n < 0 || (size_t)n + sizeof(".lock") > sizeof(store->path))
        err = kgr_diag_set(diag, KGR_ERR_INVALID, "the name of the store is too long");
    if (err == KGR_OK)
        err = kgr_token_lock_take(&store->lock, store->path, wait_ms, diag);
    if (err == KGR_OK)
        err = check_remains(store, diag);
    if (err == KGR_OK)
        err = check_file(store, create, diag);
    if (err == KGR_OK)
        err = kgr_db_open_foreign(&store->db, store->path, wait_ms, diag);
    if (err == KGR_OK)
        err = check_schema(store, diag);
    if (err == KGR_OK && store->empty && !create)
        err = kgr_diag_set(diag, KGR_ERR_NO_KEY, "%s: the store is empty", store->path);
    if (err != KGR_OK) {
        kgr_token_store_close(store);
        return err;
    }
    *out = store;
    return KGR_OK;
}

void kgr_token_store_close(struct kgr_token_store *store)
{
    if (store == NULL)
        return;
    kgr_db_close(store->db);
    if (store->made)
        (void)unlink(store->path);
    kgr_token_lock_release(&store->lock);
    free(store);
}

enum kgr_error kgr_token_store_begin(struct kgr_token_store *store, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(store->db, diag);

    if (err == KGR_OK && store->empty)
        err = kgr_db_exec(store->db, tables, diag);
    return err;
}

enum kgr_error kgr_token_store_commit(struct kgr_token_store *store, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_commit(store->db, diag);

    if (err == KGR_OK) {
        store->made = false;
        store->empty = false;
    }
    return err;
}

/* Tokens */

/* The configuration of a persistent primary object, as that library's tool writes it: in store->scratch. */
static const char *primary_config(struct kgr_token_store *store,
                                  const struct kgr_token_primary *primary)
{
    static const char head[] = "---\n!!map {\n  ? !!str \"esys-tr\"\n  : !!str \"";
    static const char tail[] = "\",\n  ? !!str \"transient\"\n  : !!bool \"false\",\n}\n";
    size_t hex_len = primary->esys_tr.len * 2;
    char *p = store->scratch;

    if (sizeof(head) + hex_len + sizeof(tail) > sizeof(store->scratch))
        return NULL;
    memcpy(p, head, sizeof(head));
    p += sizeof(head) - 1;
    (void)kgr_hex(p, primary->esys_tr.p, primary->esys_tr.len);
    memcpy(p + hex_len, tail, sizeof(tail));
    return store->scratch;
}

/* The reference of a key is long and has its Name in it: where it stands, it is this key. */
static bool is_primary(struct kgr_token_store *store, const char *config,
                       const struct kgr_token_primary *primary)
{
    if (config == NULL || primary->esys_tr.len == 0 ||
        primary->esys_tr.len * 2 + 1 > sizeof(store->scratch))
        return false;
    return strstr(config, kgr_hex(store->scratch, primary->esys_tr.p, primary->esys_tr.len)) !=
           NULL;
}

enum kgr_error kgr_token_store_find(struct kgr_token_store *store, struct kgr_token *out,
                                    const char *label, const struct kgr_token_primary *primary,
                                    struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err;

    if (store->empty)
        return KGR_ERR_NO_KEY;
    err = kgr_db_stmt(&stmt, store->db,
                      "SELECT tokens.id, pobjects.config FROM tokens LEFT JOIN pobjects"
                      " ON pobjects.id = tokens.pid WHERE tokens.label = ?1",
                      diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, label);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    out->id = kgr_stmt_int(stmt, 0);
    out->ours = is_primary(store, kgr_stmt_text(stmt, 1), primary);
    kgr_stmt_reset(stmt);
    return KGR_OK;
}

/* The row of this primary object, which other tokens may share. */
static enum kgr_error ensure_primary(struct kgr_token_store *store, int64_t *out_id,
                                     const struct kgr_token_primary *primary, struct kgr_diag *diag)
{
    const char *config = primary_config(store, primary);
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = config == NULL ? KGR_ERR_INVALID : KGR_OK;

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, store->db,
                          "SELECT id FROM pobjects WHERE config = ?1 AND objauth = ?2", diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, config);
    kgr_stmt_bind_text(stmt, 2, primary->auth);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err == KGR_OK && step == KGR_STEP_ROW) {
        *out_id = kgr_stmt_int(stmt, 0);
        kgr_stmt_reset(stmt);
        return KGR_OK;
    }
    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, store->db,
                          "INSERT INTO pobjects (hierarchy, config, objauth) VALUES ('o', ?1, ?2)",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, config);
    kgr_stmt_bind_text(stmt, 2, primary->auth);
    err = kgr_stmt_run(stmt, diag);
    *out_id = kgr_db_last_id(store->db);
    return err;
}

static enum kgr_error add_seals(struct kgr_token_store *store, int64_t token,
                                const struct kgr_token_seal *user, const struct kgr_token_seal *so,
                                struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, store->db,
        "INSERT INTO sealobjects (tokid, userpub, userpriv, userauthsalt, sopub, sopriv,"
        " soauthsalt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, token);
    kgr_stmt_bind_blob(stmt, 2, user->pub);
    kgr_stmt_bind_blob(stmt, 3, user->priv);
    kgr_stmt_bind_text(stmt, 4, user->salt);
    kgr_stmt_bind_blob(stmt, 5, so->pub);
    kgr_stmt_bind_blob(stmt, 6, so->priv);
    kgr_stmt_bind_text(stmt, 7, so->salt);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_token_store_add(struct kgr_token_store *store, int64_t *out_id,
                                   const char *label, const struct kgr_token_primary *primary,
                                   const struct kgr_token_seal *user,
                                   const struct kgr_token_seal *so, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    int64_t pid = 0;
    enum kgr_error err = ensure_primary(store, &pid, primary, diag);

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, store->db,
                          "INSERT INTO tokens (pid, label, config) VALUES (?1, ?2, '---\n!!map {\n"
                          "  ? !!str \"token-init\"\n  : !!bool \"true\",\n}\n')",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, pid);
    kgr_stmt_bind_text(stmt, 2, label);
    err = kgr_stmt_run(stmt, diag);
    if (err != KGR_OK)
        return err;
    *out_id = kgr_db_last_id(store->db);
    return add_seals(store, *out_id, user, so, diag);
}

enum kgr_error kgr_token_store_user_seal(struct kgr_token_store *store, int64_t id,
                                         enum kgr_error (*fn)(void *arg,
                                                              const struct kgr_token_seal *seal,
                                                              struct kgr_diag *diag),
                                         void *arg, struct kgr_diag *diag)
{
    struct kgr_token_seal seal;
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, store->db,
        "SELECT userpub, userpriv, userauthsalt FROM sealobjects WHERE tokid = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, id);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE || kgr_stmt_is_null(stmt, 0) || kgr_stmt_is_null(stmt, 1) ||
        kgr_stmt_text(stmt, 2) == NULL) {
        kgr_stmt_reset(stmt);
        return kgr_diag_set(diag, KGR_ERR_STATE, "the token has no PIN of a user");
    }
    seal.pub = kgr_stmt_blob(stmt, 0);
    seal.priv = kgr_stmt_blob(stmt, 1);
    seal.salt = kgr_stmt_text(stmt, 2);
    err = fn(arg, &seal, diag);
    kgr_stmt_reset(stmt);
    return err;
}

static enum kgr_error delete_by(struct kgr_token_store *store, const char *sql, int64_t first,
                                int64_t second, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, store->db, sql, diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, first);
    if (second != 0)
        kgr_stmt_bind_int(stmt, 2, second);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_token_store_remove(struct kgr_token_store *store, int64_t id,
                                      struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    int64_t pid = 0;
    enum kgr_error err =
        kgr_db_stmt(&stmt, store->db, "SELECT pid FROM tokens WHERE id = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, id);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK || step == KGR_STEP_DONE)
        return err;
    pid = kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    err = delete_by(store, "DELETE FROM tobjects WHERE tokid = ?1", id, 0, diag);
    if (err == KGR_OK)
        err = delete_by(store, "DELETE FROM sealobjects WHERE tokid = ?1", id, 0, diag);
    if (err == KGR_OK)
        err = delete_by(store, "DELETE FROM tokens WHERE id = ?1", id, 0, diag);
    if (err == KGR_OK)
        err = delete_by(store,
                        "DELETE FROM pobjects WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tokens"
                        " WHERE pid = ?1)",
                        pid, 0, diag);
    return err;
}

/* Objects */

enum kgr_error kgr_token_store_each(struct kgr_token_store *store, int64_t token,
                                    enum kgr_error (*fn)(void *arg, int64_t row, const char *attrs,
                                                         struct kgr_diag *diag),
                                    void *arg, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, store->db, "SELECT id, attrs FROM tobjects WHERE tokid = ?1 ORDER BY id", diag);

    if (err == KGR_OK)
        kgr_stmt_bind_int(stmt, 1, token);
    while (err == KGR_OK) {
        const char *attrs;

        err = kgr_stmt_step(&step, stmt, diag);
        if (err != KGR_OK || step == KGR_STEP_DONE)
            return err;
        attrs = kgr_stmt_text(stmt, 1);
        err = attrs == NULL ? kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: an object has no attributes",
                                           store->path)
                            : fn(arg, kgr_stmt_int(stmt, 0), attrs, diag);
        if (err != KGR_OK)
            kgr_stmt_reset(stmt);
    }
    return err;
}

enum kgr_error kgr_token_store_put(struct kgr_token_store *store, int64_t token, const char *attrs,
                                   struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, store->db, "INSERT INTO tobjects (tokid, attrs) VALUES (?1, ?2)", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, token);
    kgr_stmt_bind_text(stmt, 2, attrs);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_token_store_erase(struct kgr_token_store *store, int64_t token, int64_t row,
                                     struct kgr_diag *diag)
{
    return delete_by(store, "DELETE FROM tobjects WHERE tokid = ?1 AND id = ?2", token, row, diag);
}
