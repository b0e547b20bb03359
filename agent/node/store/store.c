/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/store.h"

#include "agent/audit/log.h"
#include "agent/node/machines/exchange_state.h"
#include "agent/node/store/mirror_rows.h"
#include "agent/node/store/store_blobs.h"

#include <stdio.h>
#include <string.h>

#define APPLICATION_ID 0x4b475241u /* KGRA */

/* Steps that are here stay as they are: states that they made are out there. What changes is another step. */
static const char *const migrations[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE nksk (key_id BLOB PRIMARY KEY, suite INTEGER NOT NULL,"
    "  custody INTEGER NOT NULL, enc_public BLOB NOT NULL, enc_private BLOB NOT NULL,"
    "  mac_public BLOB NOT NULL, mac_private BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE windows (key_id BLOB PRIMARY KEY, epoch INTEGER NOT NULL,"
    "  highest INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE pairs (peer TEXT PRIMARY KEY, status INTEGER NOT NULL, word INTEGER NOT NULL,"
    "  floor INTEGER NOT NULL, state BLOB NOT NULL)"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE generations (peer TEXT NOT NULL, place INTEGER NOT NULL,"
    "  generation INTEGER NOT NULL, offer BLOB NOT NULL, enc_public BLOB NOT NULL,"
    "  enc_private BLOB NOT NULL, mac_public BLOB NOT NULL, mac_private BLOB NOT NULL,"
    "  send_ceiling INTEGER NOT NULL, recv_ceiling INTEGER NOT NULL, seen BLOB,"
    "  blocks INTEGER NOT NULL,"
    "  PRIMARY KEY (peer, place), UNIQUE (peer, generation)) STRICT, WITHOUT ROWID;",
    KGR_AUDIT_TABLE,
    KGR_MIRRORS_TABLE,
};

const struct kgr_db_schema kgr_node_schema = {
    .application_id = APPLICATION_ID,
    .migrations = migrations,
    .num_migrations = KGR_ARRAY_LEN(migrations),
};

enum kgr_error kgr_node_store_open(struct kgr_state *out, const char *dir,
                                   const struct kgr_page_keys *keys, uint64_t counter, bool create,
                                   struct kgr_diag *diag)
{
    char path[1100];
    int n = snprintf(path, sizeof(path), "%s/agent.db", dir);

    if (n < 0 || (size_t)n >= sizeof(path))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "state: the path is too long");
    return kgr_state_open(out, path, &kgr_node_schema, keys, counter, create, diag);
}

/* Meta */

enum kgr_error kgr_meta_get(struct kgr_db *db, const char *name, void *out, size_t cap,
                            size_t *out_len, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    struct kgr_slice value;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT value FROM meta WHERE name = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    value = kgr_stmt_blob(stmt, 0);
    if (value.len > cap) {
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: %s is too long", name);
    } else {
        kgr_copy(out, value.p, value.len);
        *out_len = value.len;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_meta_get_exact(struct kgr_db *db, const char *name, void *out, size_t len,
                                  struct kgr_diag *diag)
{
    uint8_t value[KGR_TPM_PUBLIC_MAX];
    size_t value_len = 0;
    enum kgr_error err = kgr_meta_get(db, name, value, sizeof(value), &value_len, diag);

    if (err != KGR_OK)
        return err;
    if (value_len != len)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: %s has a wrong length", name);
    memcpy(out, value, len);
    return KGR_OK;
}

enum kgr_error kgr_meta_get_u64(struct kgr_db *db, const char *name, uint64_t *out,
                                struct kgr_diag *diag)
{
    uint8_t bytes[8];
    struct kgr_rd rd;
    enum kgr_error err = kgr_meta_get_exact(db, name, bytes, sizeof(bytes), diag);

    if (err != KGR_OK)
        return err;
    kgr_rd_init(&rd, bytes, sizeof(bytes));
    *out = kgr_rd_u64(&rd);
    return KGR_OK;
}

enum kgr_error kgr_meta_set(struct kgr_db *db, const char *name, struct kgr_slice value,
                            struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db,
                                     "INSERT INTO meta (name, value) VALUES (?1, ?2)"
                                     " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                     diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    kgr_stmt_bind_blob(stmt, 2, value);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_meta_set_u64(struct kgr_db *db, const char *name, uint64_t value,
                                struct kgr_diag *diag)
{
    uint8_t bytes[8];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wr_u64(&wr, value);
    return kgr_meta_set(db, name, kgr_wr_slice(&wr), diag);
}

enum kgr_error kgr_meta_erase(struct kgr_db *db, const char *name, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "DELETE FROM meta WHERE name = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    return kgr_stmt_run(stmt, diag);
}

/* NKSK and windows */

void kgr_store_bind_blobs(struct kgr_stmt *stmt, int first, const struct kgr_key_blobs *blobs)
{
    kgr_stmt_bind_blob(stmt, first, kgr_slice(blobs->enc.pub.bytes, blobs->enc.pub.len));
    kgr_stmt_bind_blob(stmt, first + 1, kgr_slice(blobs->enc.priv.bytes, blobs->enc.priv.len));
    kgr_stmt_bind_blob(stmt, first + 2, kgr_slice(blobs->mac.pub.bytes, blobs->mac.pub.len));
    kgr_stmt_bind_blob(stmt, first + 3, kgr_slice(blobs->mac.priv.bytes, blobs->mac.priv.len));
}

static enum kgr_error read_blob(struct kgr_stmt *stmt, int column, uint8_t *out, size_t cap,
                                uint16_t *out_len, struct kgr_diag *diag)
{
    struct kgr_slice value = kgr_stmt_blob(stmt, column);

    if (value.len == 0 || value.len > cap)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: a key blob has a wrong length");
    kgr_copy(out, value.p, value.len);
    *out_len = (uint16_t)value.len;
    return KGR_OK;
}

enum kgr_error kgr_store_read_blobs(struct kgr_stmt *stmt, int first, struct kgr_key_blobs *out,
                                    struct kgr_diag *diag)
{
    struct kgr_tpm_blob *blob[] = {&out->enc, &out->mac};
    enum kgr_error err = KGR_OK;

    for (int i = 0; i < 2 && err == KGR_OK; i++) {
        err = read_blob(stmt, first + 2 * i, blob[i]->pub.bytes, sizeof(blob[i]->pub.bytes),
                        &blob[i]->pub.len, diag);
        if (err == KGR_OK)
            err = read_blob(stmt, first + 2 * i + 1, blob[i]->priv.bytes,
                            sizeof(blob[i]->priv.bytes), &blob[i]->priv.len, diag);
    }
    return err;
}

enum kgr_error kgr_nksk_save(struct kgr_db *db, const struct kgr_nksk_row *row,
                             struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "INSERT OR REPLACE INTO nksk (key_id, suite, custody, enc_public, enc_private,"
                    " mac_public, mac_private) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(row->key_id, sizeof(row->key_id)));
    kgr_stmt_bind_int(stmt, 2, row->suite);
    kgr_stmt_bind_int(stmt, 3, row->custody);
    kgr_store_bind_blobs(stmt, 4, &row->blobs);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_nksk_load(struct kgr_db *db, struct kgr_nksk_row *out,
                             const uint8_t key_id[KGR_KEY_ID_LEN], struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "SELECT suite, custody, enc_public, enc_private, mac_public, mac_private"
                    " FROM nksk WHERE key_id = ?1",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KEY_ID_LEN));
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    memcpy(out->key_id, key_id, KGR_KEY_ID_LEN);
    out->suite = (uint8_t)kgr_stmt_int(stmt, 0);
    out->custody = (uint8_t)kgr_stmt_int(stmt, 1);
    err = kgr_store_read_blobs(stmt, 2, &out->blobs, diag);
    if (err == KGR_OK && !kgr_suite_known(out->suite))
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: unknown suite of NKSK");
    kgr_stmt_reset(stmt);
    return err;
}

static enum kgr_error erase_by_key_id(struct kgr_db *db, const char *sql, const uint8_t *key_id,
                                      struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, sql, diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KEY_ID_LEN));
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_nksk_erase(struct kgr_db *db, const uint8_t key_id[KGR_KEY_ID_LEN],
                              struct kgr_diag *diag)
{
    enum kgr_error err = erase_by_key_id(db, "DELETE FROM nksk WHERE key_id = ?1", key_id, diag);

    return err == KGR_OK
               ? erase_by_key_id(db, "DELETE FROM windows WHERE key_id = ?1", key_id, diag)
               : err;
}

enum kgr_error kgr_window_save(struct kgr_db *db, const uint8_t key_id[KGR_KEY_ID_LEN],
                               const struct kgr_window *window, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db,
                                     "INSERT OR REPLACE INTO windows (key_id, epoch, highest, seen)"
                                     " VALUES (?1, ?2, ?3, ?4)",
                                     diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KEY_ID_LEN));
    kgr_stmt_bind_int(stmt, 2, window->epoch);
    kgr_stmt_bind_int(stmt, 3, window->highest);
    kgr_stmt_bind_int(stmt, 4, (int64_t)window->seen);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_window_load(struct kgr_db *db, struct kgr_window *out,
                               const uint8_t key_id[KGR_KEY_ID_LEN], struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "SELECT epoch, highest, seen FROM windows WHERE key_id = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(key_id, KGR_KEY_ID_LEN));
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    *out = (struct kgr_window){0};
    if (step == KGR_STEP_ROW) {
        out->epoch = (uint32_t)kgr_stmt_int(stmt, 0);
        out->highest = (uint32_t)kgr_stmt_int(stmt, 1);
        out->seen = (uint64_t)kgr_stmt_int(stmt, 2);
        kgr_stmt_reset(stmt);
    }
    return KGR_OK;
}

/* Pairs */

enum kgr_error kgr_pair_save(struct kgr_db *db, const struct kgr_pair_row *row,
                             struct kgr_diag *diag)
{
    uint8_t bytes[KGR_STATE_BYTES_MAX];
    struct kgr_wr wr;
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "INSERT OR REPLACE INTO pairs (peer, status, state, word, floor)"
                    " VALUES (?1, ?2, ?3, ?4, ?5)",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_exchange_state_encode(&wr, &row->state);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    kgr_stmt_bind_text(stmt, 1, row->state.peer.s);
    kgr_stmt_bind_int(stmt, 2, row->status);
    kgr_stmt_bind_blob(stmt, 3, kgr_wr_slice(&wr));
    kgr_stmt_bind_int(stmt, 4, (int64_t)row->word);
    kgr_stmt_bind_int(stmt, 5, (int64_t)row->floor);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_pair_erase(struct kgr_db *db, const struct kgr_nid *peer, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "DELETE FROM pairs WHERE peer = ?1", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_store_read_nid(struct kgr_stmt *stmt, int column, struct kgr_nid *out,
                                  struct kgr_diag *diag)
{
    const char *text = kgr_stmt_text(stmt, column);

    if (text == NULL || kgr_nid_set(out, text, strlen(text)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: a peer has no valid N_ID");
    return KGR_OK;
}

static enum kgr_error read_pair(struct kgr_stmt *stmt, struct kgr_pair_row *out,
                                struct kgr_diag *diag)
{
    enum kgr_error err = kgr_store_read_nid(stmt, 0, &out->state.peer, diag);

    if (err != KGR_OK)
        return err;
    out->status = (uint8_t)kgr_stmt_int(stmt, 1);
    out->word = (uint64_t)kgr_stmt_int(stmt, 3);
    out->floor = (uint64_t)kgr_stmt_int(stmt, 4);
    if (kgr_exchange_state_decode(&out->state, kgr_stmt_blob(stmt, 2)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: pair %s is damaged",
                            out->state.peer.s);
    return KGR_OK;
}

enum kgr_error kgr_pair_each(struct kgr_db *db,
                             enum kgr_error (*fn)(void *arg, const struct kgr_pair_row *row,
                                                  struct kgr_diag *diag),
                             void *arg, struct kgr_diag *diag)
{
    struct kgr_pair_row row;
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "SELECT peer, status, state, word, floor FROM pairs ORDER BY peer", diag);

    while (err == KGR_OK) {
        err = kgr_stmt_step(&step, stmt, diag);
        if (err != KGR_OK || step == KGR_STEP_DONE)
            return err;
        row = (struct kgr_pair_row){0};
        err = read_pair(stmt, &row, diag);
        if (err == KGR_OK)
            err = fn(arg, &row, diag);
        if (err != KGR_OK)
            kgr_stmt_reset(stmt);
    }
    return err;
}
