/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/authority/state_rows.h"
#include "agent/base/buf.h"
#include "agent/store/db.h"
#include "agent/wire/order.h"

/* Steps that are here stay as they are: states that they made are out there. What changes is another step. */
static const char *const migrations[] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
};

const struct kgr_db_schema kgr_ac_schema = {
    .application_id = 0x4b475241, /* "KGRA" */
    .migrations = migrations,
    .num_migrations = KGR_ARRAY_LEN(migrations),
};

/* The name that a value is kept under. */
static const char *resolve(const struct kgr_ac_state *state, const char *name, char *buf)
{
    static const char *const of_keys[] = {"storage",    "signing", "identity",
                                          "generation", "nksk",    "window"};
    for (size_t i = 0; state->next && i < KGR_ARRAY_LEN(of_keys); i++) {
        if (strcmp(of_keys[i], name) == 0) {
            snprintf(buf, KGR_AC_ROWS_NAME_MAX, KGR_AC_ROWS_NEXT "%s", name);
            return buf;
        }
    }
    return name;
}

void kgr_ac_state_close(struct kgr_ac_state *state)
{
    if (state == NULL)
        return;
    kgr_state_close(&state->sealed);
    free(state);
}

enum kgr_error kgr_ac_rows_put(struct kgr_ac_state *state, const char *name, struct kgr_slice value,
                               struct kgr_diag *diag)
{
    struct kgr_stmt *stmt = NULL;
    char buf[KGR_AC_ROWS_NAME_MAX];
    enum kgr_error err = kgr_db_stmt(
        &stmt, state->db,
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",
        diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, resolve(state, name, buf));
    kgr_stmt_bind_blob(stmt, 2, value);
    return kgr_stmt_run(stmt, diag);
}

static const char not_initialised[] = "this AC is not initialised; run kgr-ac init";

static enum kgr_error not_founded(struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_STATE, "%s", not_initialised);
}

enum kgr_error kgr_ac_rows_damaged(const char *name, struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_CORRUPT, "ac.db: %s is damaged; restore the state folder",
                        name);
}

enum kgr_error kgr_ac_rows_get(struct kgr_ac_state *state, const char *name, uint8_t *out,
                               size_t *out_len, size_t cap, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt = NULL;
    enum kgr_step step;
    char buf[KGR_AC_ROWS_NAME_MAX];
    enum kgr_error err =
        kgr_db_stmt(&stmt, state->db, "SELECT value FROM meta WHERE name = ?1", diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, resolve(state, name, buf));
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE) {
        *out_len = SIZE_MAX;
        return KGR_OK;
    }
    struct kgr_slice value = kgr_stmt_blob(stmt, 0);
    if (value.len > cap) {
        err = kgr_ac_rows_damaged(name, diag);
    } else {
        kgr_copy(out, value.p, value.len);
        *out_len = value.len;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ac_rows_exists(struct kgr_ac_state *state, const char *name, bool *out,
                                  struct kgr_diag *diag)
{
    struct kgr_stmt *stmt = NULL;
    enum kgr_step step = KGR_STEP_DONE;
    enum kgr_error err = kgr_db_stmt(&stmt, state->db, "SELECT 1 FROM meta WHERE name = ?1", diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, name);
    err = kgr_stmt_step(&step, stmt, diag);
    kgr_stmt_reset(stmt);
    *out = step == KGR_STEP_ROW;
    return err;
}

enum kgr_error kgr_ac_state_open(struct kgr_ac_state **out, const char *folder,
                                 const struct kgr_page_keys *keys, uint64_t counter, bool create,
                                 struct kgr_diag *diag)
{
    char path[1100];
    struct kgr_ac_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    snprintf(path, sizeof path, "%s/ac.db", folder);
    enum kgr_error err =
        kgr_state_open(&state->sealed, path, &kgr_ac_schema, keys, counter, create, diag);
    state->db = state->sealed.db;
    if (err == KGR_OK)
        err = kgr_ac_rows_exists(state, KGR_AC_ROWS_NEXT "nksk", &state->next, diag);
    if (err != KGR_OK) {
        kgr_ac_state_close(state);
        return err;
    }
    *out = state;
    return KGR_OK;
}

enum kgr_error kgr_ac_state_leave(struct kgr_ac_state *state, struct kgr_diag *diag)
{
    return kgr_state_announce(&state->sealed, diag);
}

static enum kgr_error forget_pending(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db, "DELETE FROM meta WHERE name = 'pending'", diag);
}

enum kgr_error kgr_ac_state_enter(struct kgr_ac_state *state, uint64_t epoch, bool *out_restored,
                                  struct kgr_diag *diag)
{
    enum kgr_error err = kgr_state_enter(&state->sealed, epoch, out_restored, forget_pending, diag);
    state->db = state->sealed.db;
    return err;
}

enum kgr_error kgr_ac_rows_put_anchor(struct kgr_ac_state *state, const char *name,
                                      const struct kgr_ac_anchor *anchor, struct kgr_diag *diag)
{
    uint8_t buf[4 + 2 + KGR_TPM_NAME_MAX];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u32(&wr, anchor->handle);
    kgr_wr_vec16(&wr, kgr_slice(anchor->name.bytes, anchor->name.len));
    return kgr_ac_rows_put(state, name, kgr_wr_slice(&wr), diag);
}

enum kgr_error kgr_ac_rows_put_identity(struct kgr_ac_state *state, const char *name,
                                        const struct kgr_ac_identity *identity,
                                        struct kgr_diag *diag)
{
    uint8_t buf[3 * (2 + KGR_TPM_PUBLIC_MAX)];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_vec16(&wr, kgr_slice(identity->signing.bytes, identity->signing.len));
    kgr_wr_vec16(&wr, kgr_slice(identity->storage.bytes, identity->storage.len));
    kgr_wr_vec16(&wr, kgr_slice(identity->ek.bytes, identity->ek.len));
    return kgr_ac_rows_put(state, name, kgr_wr_slice(&wr), diag);
}

static enum kgr_error put_founding(struct kgr_ac_state *state, const struct kgr_ac_founding *f,
                                   struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_rows_put_anchor(state, "storage", &f->storage, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_anchor(state, "signing", &f->signing, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_identity(state, "identity", f->identity, diag);
    return err;
}

enum kgr_error kgr_ac_state_found(struct kgr_ac_state *state,
                                  const struct kgr_ac_founding *founding, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);
    if (err != KGR_OK)
        return err;
    err = put_founding(state, founding, diag);
    if (err == KGR_OK)
        return kgr_db_commit(state->db, diag);
    kgr_db_rollback(state->db);
    return err;
}

enum kgr_error kgr_ac_state_anchor(struct kgr_ac_state *state, struct kgr_ac_anchor *out,
                                   enum kgr_ac_which which, struct kgr_diag *diag)
{
    static const char *const names[] = {
        "storage",         "signing",        KGR_AC_ROWS_NEXT "storage", KGR_AC_ROWS_NEXT "signing",
        "retired_storage", "retired_signing"};
    uint8_t buf[4 + 2 + KGR_TPM_NAME_MAX];
    struct kgr_rd rd;
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, names[which], buf, &len, sizeof buf, diag);
    if (err != KGR_OK)
        return err;
    if (len == SIZE_MAX)
        return not_founded(diag);
    kgr_rd_init(&rd, buf, len);
    uint32_t handle = kgr_rd_u32(&rd);
    struct kgr_slice name = kgr_rd_vec16(&rd, KGR_TPM_NAME_MAX);
    if (!kgr_rd_done(&rd))
        return kgr_ac_rows_damaged(names[which], diag);
    memset(out, 0, sizeof *out);
    out->handle = handle;
    out->name.len = (uint16_t)name.len;
    kgr_copy(out->name.bytes, name.p, name.len);
    return KGR_OK;
}

static void write_blob(struct kgr_wr *wr, const struct kgr_tpm_blob *blob)
{
    kgr_wr_vec16(wr, kgr_slice(blob->pub.bytes, blob->pub.len));
    kgr_wr_vec16(wr, kgr_slice(blob->priv.bytes, blob->priv.len));
}

enum kgr_error kgr_ac_rows_put_nksk(struct kgr_ac_state *state, const char *name,
                                    const struct kgr_ac_nksk *nksk, struct kgr_diag *diag)
{
    struct kgr_wr wr;
    uint8_t *buf = malloc(sizeof *nksk);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, buf, sizeof *nksk);
    kgr_wr_bytes(&wr, nksk->key_id, sizeof nksk->key_id);
    kgr_wr_bytes(&wr, nksk->topic1, sizeof nksk->topic1);
    kgr_wr_bytes(&wr, nksk->topic2, sizeof nksk->topic2);
    write_blob(&wr, &nksk->blobs.enc);
    write_blob(&wr, &nksk->blobs.mac);
    enum kgr_error err = kgr_ac_rows_put(state, name, kgr_wr_slice(&wr), diag);
    free(buf);
    return err;
}

enum kgr_error kgr_ac_rows_put_window(struct kgr_ac_state *state, const char *name,
                                      const struct kgr_window *window, struct kgr_diag *diag)
{
    uint8_t buf[16];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u32(&wr, window->epoch);
    kgr_wr_u32(&wr, window->highest);
    kgr_wr_u64(&wr, window->seen);
    return kgr_ac_rows_put(state, name, kgr_wr_slice(&wr), diag);
}

static enum kgr_error put_broker(struct kgr_ac_state *state, const struct kgr_ac_broker *broker,
                                 struct kgr_diag *diag)
{
    uint8_t buf[sizeof *broker];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u16(&wr, broker->port);
    kgr_wr_bytes(&wr, broker->host, strlen(broker->host));
    return kgr_ac_rows_put(state, "broker", kgr_wr_slice(&wr), diag);
}

enum kgr_error kgr_ac_state_pin(struct kgr_ac_state *state, const struct kgr_ac_identity *ks,
                                const struct kgr_ac_nksk *nksk, const struct kgr_ac_broker *broker,
                                struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);
    if (err != KGR_OK)
        return err;
    err = kgr_ac_rows_put_identity(state, "ks", ks, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_nksk(state, "nksk", nksk, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_window(state, "window", &nksk->window, diag);
    if (err == KGR_OK)
        err = put_broker(state, broker, diag);
    if (err == KGR_OK)
        return kgr_db_commit(state->db, diag);
    kgr_db_rollback(state->db);
    return err;
}

static void read_public(struct kgr_rd *rd, struct kgr_tpm_public *out)
{
    struct kgr_slice bytes = kgr_rd_vec16(rd, KGR_TPM_PUBLIC_MAX);
    memset(out, 0, sizeof *out);
    out->len = (uint16_t)bytes.len;
    kgr_copy(out->bytes, bytes.p, bytes.len);
}

static enum kgr_error decode_identity(struct kgr_ac_identity *out, struct kgr_slice bytes)
{
    struct kgr_rd check, rd;
    kgr_rd_init(&check, bytes.p, bytes.len);
    for (int i = 0; i < 3; i++)
        kgr_rd_vec16(&check, KGR_TPM_PUBLIC_MAX);
    if (!kgr_rd_done(&check))
        return KGR_ERR_CORRUPT;
    kgr_rd_init(&rd, bytes.p, bytes.len);
    read_public(&rd, &out->signing);
    read_public(&rd, &out->storage);
    read_public(&rd, &out->ek);
    return KGR_OK;
}

enum kgr_error kgr_ac_rows_identity(struct kgr_ac_state *state, const char *name,
                                    struct kgr_ac_identity *out, const char *missing,
                                    struct kgr_diag *diag)
{
    uint8_t buf[3 * (2 + KGR_TPM_PUBLIC_MAX)];
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, name, buf, &len, sizeof buf, diag);
    if (err != KGR_OK)
        return err;
    if (len == SIZE_MAX)
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s", missing);
    return decode_identity(out, kgr_slice(buf, len)) == KGR_OK ? KGR_OK
                                                               : kgr_ac_rows_damaged(name, diag);
}

enum kgr_error kgr_ac_state_identity(struct kgr_ac_state *state, struct kgr_ac_identity *out,
                                     struct kgr_diag *diag)
{
    return kgr_ac_rows_identity(state, "identity", out, not_initialised, diag);
}

enum kgr_error kgr_ac_state_ks(struct kgr_ac_state *state, struct kgr_ac_identity *out,
                               struct kgr_diag *diag)
{
    return kgr_ac_rows_identity(state, "ks", out, "no key server is pinned; run kgr-ac pin ks.pub",
                                diag);
}

enum kgr_error kgr_ac_state_audit(struct kgr_ac_state *state, uint64_t *out_id,
                                  uint8_t out_hash[KGR_TPM_HASH_LEN], struct kgr_diag *diag)
{
    uint8_t buf[8 + KGR_TPM_HASH_LEN];
    struct kgr_rd rd;
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, "audit", buf, &len, sizeof buf, diag);
    *out_id = 0;
    if (err != KGR_OK || len == SIZE_MAX)
        return err;
    kgr_rd_init(&rd, buf, len);
    *out_id = kgr_rd_u64(&rd);
    kgr_rd_bytes(&rd, out_hash, KGR_TPM_HASH_LEN);
    return kgr_rd_done(&rd) ? KGR_OK : kgr_ac_rows_damaged("audit", diag);
}

enum kgr_error kgr_ac_state_set_audit(struct kgr_ac_state *state, uint64_t id,
                                      const uint8_t hash[KGR_TPM_HASH_LEN], struct kgr_diag *diag)
{
    uint8_t buf[8 + KGR_TPM_HASH_LEN];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_wr_u64(&wr, id);
    kgr_wr_bytes(&wr, hash, KGR_TPM_HASH_LEN);
    return kgr_ac_rows_put(state, "audit", kgr_wr_slice(&wr), diag);
}

static void read_blob(struct kgr_rd *rd, struct kgr_tpm_blob *out)
{
    struct kgr_slice pub = kgr_rd_vec16(rd, sizeof out->pub.bytes);
    struct kgr_slice priv = kgr_rd_vec16(rd, sizeof out->priv.bytes);
    out->pub.len = (uint16_t)pub.len;
    kgr_copy(out->pub.bytes, pub.p, pub.len);
    out->priv.len = (uint16_t)priv.len;
    kgr_copy(out->priv.bytes, priv.p, priv.len);
}

static const char not_granted[] =
    "this AC has no keys for orders over the broker; pin the key server again: kgr-ac pin ks.pub";

static enum kgr_error get_window(struct kgr_ac_state *state, struct kgr_window *out,
                                 struct kgr_diag *diag)
{
    uint8_t buf[16];
    struct kgr_rd rd;
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, "window", buf, &len, sizeof buf, diag);
    if (err != KGR_OK)
        return err;
    if (len == SIZE_MAX)
        return kgr_ac_rows_damaged("window", diag);
    kgr_rd_init(&rd, buf, len);
    out->epoch = kgr_rd_u32(&rd);
    out->highest = kgr_rd_u32(&rd);
    out->seen = kgr_rd_u64(&rd);
    return kgr_rd_done(&rd) ? KGR_OK : kgr_ac_rows_damaged("window", diag);
}

enum kgr_error kgr_ac_state_nksk(struct kgr_ac_state *state, struct kgr_ac_nksk *out,
                                 struct kgr_diag *diag)
{
    struct kgr_rd rd;
    size_t len = 0;
    uint8_t *buf = malloc(sizeof *out);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_rows_get(state, "nksk", buf, &len, sizeof *out, diag);
    if (err == KGR_OK && len == SIZE_MAX)
        err = kgr_diag_set(diag, KGR_ERR_STATE, "%s", not_granted);
    if (err == KGR_OK) {
        kgr_rd_init(&rd, buf, len);
        kgr_rd_bytes(&rd, out->key_id, sizeof out->key_id);
        kgr_rd_bytes(&rd, out->topic1, sizeof out->topic1);
        kgr_rd_bytes(&rd, out->topic2, sizeof out->topic2);
        read_blob(&rd, &out->blobs.enc);
        read_blob(&rd, &out->blobs.mac);
        err = kgr_rd_done(&rd) ? get_window(state, &out->window, diag)
                               : kgr_ac_rows_damaged("nksk", diag);
    }
    free(buf);
    return err;
}

enum kgr_error kgr_ac_state_set_window(struct kgr_ac_state *state, const struct kgr_window *window,
                                       struct kgr_diag *diag)
{
    return kgr_ac_rows_put_window(state, "window", window, diag);
}

enum kgr_error kgr_ac_state_broker(struct kgr_ac_state *state, struct kgr_ac_broker *out,
                                   struct kgr_diag *diag)
{
    uint8_t buf[sizeof *out];
    struct kgr_rd rd;
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, "broker", buf, &len, sizeof buf, diag);
    if (err != KGR_OK)
        return err;
    if (len == SIZE_MAX)
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s", not_granted);
    kgr_rd_init(&rd, buf, len);
    out->port = kgr_rd_u16(&rd);
    struct kgr_slice host = kgr_rd_rest(&rd);
    if (!kgr_rd_ok(&rd) || host.len == 0 || host.len >= sizeof out->host)
        return kgr_ac_rows_damaged("broker", diag);
    memset(out->host, 0, sizeof out->host);
    kgr_copy(out->host, host.p, host.len);
    return KGR_OK;
}

enum kgr_error kgr_ac_state_pending(struct kgr_ac_state *state, uint8_t *out, size_t *out_len,
                                    struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_rows_get(state, "pending", out, out_len, KGR_ORDER_MAX, diag);
    if (err == KGR_OK && *out_len == SIZE_MAX)
        *out_len = 0;
    return err;
}

enum kgr_error kgr_ac_state_set_pending(struct kgr_ac_state *state, struct kgr_slice order,
                                        struct kgr_diag *diag)
{
    return kgr_ac_rows_put(state, "pending", order, diag);
}
