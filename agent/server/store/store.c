/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/store.h"

#include <stdio.h>
#include <string.h>

#include "agent/audit/log.h"

/* Steps that are here stay as they are: states that they made are out there. What changes is another step. */
static const char *const migrations[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE windows (key_id BLOB PRIMARY KEY, epoch INTEGER NOT NULL,"
    " counter INTEGER NOT NULL, seen BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE nodes (nid TEXT PRIMARY KEY, phase INTEGER NOT NULL, added INTEGER NOT NULL,"
    " heard INTEGER NOT NULL, expires INTEGER NOT NULL, suites INTEGER NOT NULL,"
    " custodies INTEGER NOT NULL, ek_hash BLOB, pinned INTEGER NOT NULL,"
    " proven INTEGER NOT NULL, ek BLOB, storage BLOB,"
    " topic1 BLOB UNIQUE, topic2 BLOB UNIQUE,"
    /* the credential: erased when it is spent */
    " ntag_key_id BLOB UNIQUE, ntag_pub BLOB, ntag_priv BLOB, topic0 BLOB, chal BLOB,"
    /* the challenge that stands */
    " xid BLOB, request BLOB, nonce_ks BLOB, proof BLOB,"
    " suite INTEGER NOT NULL, custody INTEGER NOT NULL,"
    " nksk_key_id BLOB UNIQUE, enc_pub BLOB, enc_priv BLOB, mac_pub BLOB, mac_priv BLOB);"
    /* How old a node's NKSK is, and its renewal; from topic1 on the NKSK that is to come. */
    "CREATE TABLE nksks (nid TEXT PRIMARY KEY, born INTEGER NOT NULL, wanted INTEGER NOT NULL,"
    " phase INTEGER NOT NULL, xid BLOB, request BLOB, sequence INTEGER NOT NULL,"
    " with_storage INTEGER NOT NULL, suites INTEGER NOT NULL, custodies INTEGER NOT NULL,"
    " suite INTEGER NOT NULL, custody INTEGER NOT NULL, nonce_ks BLOB, proof BLOB, body BLOB,"
    " topic1 BLOB UNIQUE, topic2 BLOB UNIQUE, storage BLOB, key_id BLOB UNIQUE, enc_pub BLOB,"
    " enc_priv BLOB, mac_pub BLOB, mac_priv BLOB);"
    "CREATE TABLE pairs (a TEXT NOT NULL, b TEXT NOT NULL, allowed INTEGER NOT NULL,"
    " min_suite INTEGER NOT NULL, min_custody INTEGER NOT NULL, highest INTEGER NOT NULL,"
    " seen_a INTEGER NOT NULL, seen_b INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " born INTEGER NOT NULL, lifetime INTEGER NOT NULL, suite INTEGER NOT NULL,"
    " custody INTEGER NOT NULL, current_a INTEGER NOT NULL, current_b INTEGER NOT NULL,"
    " word INTEGER NOT NULL, floor INTEGER NOT NULL,"
    " PRIMARY KEY (a, b)) WITHOUT ROWID;"
    "CREATE INDEX pairs_b ON pairs (b);"
    "CREATE TABLE exchanges (a TEXT NOT NULL, b TEXT NOT NULL, slot INTEGER NOT NULL,"
    " phase INTEGER NOT NULL, requester INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " suite INTEGER NOT NULL, custody INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " begun INTEGER NOT NULL, lifetime INTEGER NOT NULL, asked INTEGER NOT NULL,"
    " xid1 BLOB NOT NULL, xid2 BLOB NOT NULL, pxid BLOB NOT NULL, iv BLOB NOT NULL,"
    " topic3 BLOB NOT NULL, topic4 BLOB NOT NULL, kc1 BLOB NOT NULL, kc2 BLOB NOT NULL,"
    " PRIMARY KEY (a, b, slot)) WITHOUT ROWID;"
    "CREATE INDEX exchanges_topic3 ON exchanges (topic3);"
    "CREATE INDEX exchanges_topic4 ON exchanges (topic4);"
    /* The AC that this KS obeys, the one that comes next, and those that were before. */
    "CREATE TABLE ac (slot INTEGER PRIMARY KEY, file BLOB NOT NULL, key_id BLOB NOT NULL,"
    " topic1 BLOB NOT NULL, topic2 BLOB NOT NULL, enc_pub BLOB NOT NULL, enc_priv BLOB NOT NULL,"
    " mac_pub BLOB NOT NULL, mac_priv BLOB NOT NULL, granted BLOB NOT NULL);"
    "CREATE TABLE ac_former (id INTEGER PRIMARY KEY AUTOINCREMENT, file BLOB NOT NULL);"
    /* What the last orders of the AC led to, and what is told about all of them. */
    "CREATE TABLE results (number BLOB PRIMARY KEY, hash BLOB NOT NULL, kind INTEGER NOT NULL,"
    " status INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;" KGR_AUDIT_TABLE
    /* What nodes must be told until they acknowledge it. */
    "CREATE TABLE notices (nid TEXT NOT NULL, word INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " floor INTEGER NOT NULL, peer TEXT NOT NULL, xid BLOB NOT NULL, PRIMARY KEY (nid, word)) "
    "WITHOUT ROWID;"
    /* What a birth made for one side: two objects as the frame carries them. The KS cannot open them. */
    "CREATE TABLE duplicates (a TEXT NOT NULL, b TEXT NOT NULL, generation INTEGER NOT NULL,"
    " side INTEGER NOT NULL, objects BLOB NOT NULL, PRIMARY KEY (a, b, generation, side))"
    " WITHOUT ROWID;",
};

const struct kgr_db_schema kgr_ks_schema = {
    .application_id = 0x4b47526b, /* KGRk */
    .migrations = migrations,
    .num_migrations = KGR_ARRAY_LEN(migrations),
};

enum kgr_error kgr_ks_store_open(struct kgr_state *out, const char *dir,
                                 const struct kgr_page_keys *keys, uint64_t counter, bool create,
                                 struct kgr_diag *diag)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/ks.db", dir);

    if (n < 0 || (size_t)n >= sizeof path)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "the path of the state folder is too long");
    return kgr_state_open(out, path, &kgr_ks_schema, keys, counter, create, diag);
}

enum kgr_error kgr_ks_meta_get(struct kgr_db *db, const char *name, void *out, size_t cap,
                               size_t *out_len, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT value FROM meta WHERE name = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "the database holds no %s", name);
    struct kgr_slice value = kgr_stmt_blob(stmt, 0);
    if (value.len > cap) {
        err = kgr_diag_set(diag, KGR_ERR_SHORT_BUFFER, "the database's %s is too long", name);
    } else {
        kgr_copy(out, value.p, value.len);
        *out_len = value.len;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_meta_get_exact(struct kgr_db *db, const char *name, void *out, size_t len,
                                     struct kgr_diag *diag)
{
    size_t got = 0;
    enum kgr_error err = kgr_ks_meta_get(db, name, out, len, &got, diag);

    if (err == KGR_ERR_SHORT_BUFFER || (err == KGR_OK && got != len))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the database's %s is damaged", name);
    return err;
}

enum kgr_error kgr_ks_meta_set(struct kgr_db *db, const char *name, struct kgr_slice value,
                               struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    kgr_stmt_bind_blob(stmt, 2, value);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_meta_get_u64(struct kgr_db *db, const char *name, uint64_t *out,
                                   struct kgr_diag *diag)
{
    uint8_t bytes[8];
    struct kgr_rd rd;
    enum kgr_error err = kgr_ks_meta_get_exact(db, name, bytes, sizeof bytes, diag);

    if (err != KGR_OK)
        return err;
    kgr_rd_init(&rd, bytes, sizeof bytes);
    *out = kgr_rd_u64(&rd);
    return KGR_OK;
}

enum kgr_error kgr_ks_meta_set_u64(struct kgr_db *db, const char *name, uint64_t value,
                                   struct kgr_diag *diag)
{
    uint8_t bytes[8];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_wr_u64(&wr, value);
    return kgr_ks_meta_set(db, name, kgr_wr_slice(&wr), diag);
}

enum kgr_error kgr_ks_window_load(struct kgr_db *db, struct kgr_window *out,
                                  const uint8_t key_id[KGR_KS_KEY_ID_LEN], struct kgr_diag *diag)
{
    struct kgr_window window = {0};
    struct kgr_stmt *stmt;
    enum kgr_step step;
    uint8_t seen[8];
    struct kgr_rd rd;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "SELECT epoch, counter, seen FROM windows WHERE key_id = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KS_KEY_ID_LEN));
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_ROW) {
        err = kgr_stmt_blob_exact(seen, sizeof seen, stmt, 2, diag);
        window.epoch = (uint32_t)kgr_stmt_int(stmt, 0);
        window.highest = (uint32_t)kgr_stmt_int(stmt, 1);
        kgr_rd_init(&rd, seen, sizeof seen);
        window.seen = kgr_rd_u64(&rd);
        kgr_stmt_reset(stmt);
        if (err != KGR_OK)
            return err;
    }
    *out = window;
    return KGR_OK;
}

enum kgr_error kgr_ks_window_save(struct kgr_db *db, const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                  const struct kgr_window *window, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    uint8_t seen[8];
    struct kgr_wr wr;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT OR REPLACE INTO windows (key_id, epoch, counter, seen) VALUES (?, ?, ?, ?)", diag);

    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, seen, sizeof seen);
    kgr_wr_u64(&wr, window->seen);
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KS_KEY_ID_LEN));
    kgr_stmt_bind_int(stmt, 2, window->epoch);
    kgr_stmt_bind_int(stmt, 3, window->highest);
    kgr_stmt_bind_blob(stmt, 4, kgr_wr_slice(&wr));
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_window_erase(struct kgr_db *db, const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                   struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "DELETE FROM windows WHERE key_id = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KS_KEY_ID_LEN));
    return kgr_stmt_run(stmt, diag);
}
