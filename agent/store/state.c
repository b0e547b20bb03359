/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/store/rekey.h"

/* One row: the epoch of the last start, and the one that was about to begin (0: none). */
static const char table[] =
    "CREATE TABLE IF NOT EXISTS kgr_epoch (one INTEGER PRIMARY KEY CHECK (one = 1),"
    " last INTEGER NOT NULL, announced INTEGER NOT NULL) STRICT";

static enum kgr_error run_u64(struct kgr_db *db, const char *sql, uint64_t value,
                              struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, sql, diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)value);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error prepare(struct kgr_state *state, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);

    if (err == KGR_OK)
        err = kgr_db_exec(state->db, table, diag);
    if (err == KGR_OK)
        err = run_u64(state->db, "INSERT OR IGNORE INTO kgr_epoch VALUES (1, ?1, 0)",
                      state->counter, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(state->db, diag);
    kgr_db_rollback(state->db);
    return err;
}

/* look tells whether the counter is where this file's last start left it, or was about to. */
static enum kgr_error look(struct kgr_state *state, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, state->db,
                                     "SELECT 1 FROM kgr_epoch WHERE ?1 IN (last, announced)", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, (int64_t)state->counter);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    state->restored = step != KGR_STEP_ROW;
    kgr_stmt_reset(stmt);
    return KGR_OK;
}

/* How many starts a file may be old. Without a bound a damaged page 1 would be tried for hours below a high counter. */
#define EPOCHS_SEARCHED 65536u

/* find_cipher: the file is of this epoch, or, after a crash or when it was put back, of an earlier one. */
static enum kgr_error find_cipher(struct kgr_state *state, struct kgr_diag *diag)
{
    for (uint64_t epoch = state->counter;; epoch--) {
        struct kgr_page_cipher cipher;
        bool opens = false;
        enum kgr_error err = state->keys.at(state->keys.ctx, &cipher, epoch);

        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "%s: the key of an epoch cannot be made", state->path);
        err = kgr_db_opens_with(&opens, state->path, &cipher, diag);
        if (err == KGR_OK && opens) {
            state->cipher = cipher;
            return KGR_OK;
        }
        state->keys.drop(state->keys.ctx, &cipher);
        if (err != KGR_OK)
            return err;
        if (epoch == 0 || state->counter - epoch == EPOCHS_SEARCHED)
            return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                                "%s: damaged, more than %u starts old, or not written with this"
                                " TPM: no key of it opens the first page",
                                state->path, EPOCHS_SEARCHED);
    }
}

static enum kgr_error open_file(struct kgr_state *state, struct kgr_diag *diag)
{
    return kgr_db_open_sealed(&state->db, state->path, state->schema, &state->cipher, diag);
}

enum kgr_error kgr_state_open(struct kgr_state *out, const char *path,
                              const struct kgr_db_schema *schema, const struct kgr_page_keys *keys,
                              uint64_t counter, bool create, struct kgr_diag *diag)
{
    struct kgr_state state = {.schema = schema, .keys = *keys, .counter = counter};
    struct stat st;
    enum kgr_error err;

    assert(counter <= INT64_MAX - 1);
    if (!create &&
        (stat(path, &st) != 0 || st.st_size == 0)) /* empty: init was killed, or it was cut */
        return KGR_ERR_NO_KEY;
    state.path = strdup(path);
    err = state.path == NULL ? KGR_ERR_NO_MEMORY : find_cipher(&state, diag);
    *out = state; /* in its place: the database borrows the cipher */
    if (err == KGR_OK)
        err = open_file(out, diag);
    if (err == KGR_OK)
        err = prepare(out, diag);
    if (err == KGR_OK)
        err = look(out, diag);
    if (err != KGR_OK)
        kgr_state_close(out);
    return err;
}

/*
 * A file of another start announces nothing: it stays recognisable until kgr_state_enter. Of the right file the
 * announcement also says that it is, or a crash after a crash would make it look like another.
 */
enum kgr_error kgr_state_announce(struct kgr_state *state, struct kgr_diag *diag)
{
    if (state->restored)
        return KGR_OK;
    return run_u64(state->db, "UPDATE kgr_epoch SET last = ?1, announced = ?1 + 1", state->counter,
                   diag);
}

static enum kgr_error write_epoch(struct kgr_state *state, uint64_t epoch,
                                  enum kgr_error (*on_restored)(struct kgr_db *db,
                                                                struct kgr_diag *diag),
                                  struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);

    if (err == KGR_OK)
        err = run_u64(state->db, "UPDATE kgr_epoch SET last = ?1, announced = 0", epoch, diag);
    if (err == KGR_OK && state->restored && on_restored != NULL)
        err = on_restored(state->db, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(state->db, diag);
    kgr_db_rollback(state->db);
    return err;
}

enum kgr_error kgr_state_enter(struct kgr_state *state, uint64_t epoch, bool *out_restored,
                               enum kgr_error (*on_restored)(struct kgr_db *db,
                                                             struct kgr_diag *diag),
                               struct kgr_diag *diag)
{
    struct kgr_page_cipher next;
    enum kgr_error err = write_epoch(state, epoch, on_restored, diag);

    if (err == KGR_OK)
        err = kgr_db_checkpoint(state->db, diag);
    if (err != KGR_OK)
        return err;
    kgr_db_close(state->db);
    state->db = NULL;
    err = state->keys.at(state->keys.ctx, &next, epoch);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s: the key of an epoch cannot be made", state->path);
    err = kgr_db_rekey(state->path, &state->cipher, &next, diag);
    if (err != KGR_OK) {
        state->keys.drop(state->keys.ctx, &next);
        return err;
    }
    state->keys.drop(state->keys.ctx, &state->cipher);
    state->cipher = next;
    state->counter = epoch;
    *out_restored = state->restored;
    state->restored = false;
    return open_file(state, diag);
}

void kgr_state_close(struct kgr_state *state)
{
    kgr_db_close(state->db);
    if (state->cipher.ctx != NULL)
        state->keys.drop(state->keys.ctx, &state->cipher);
    free(state->path);
    *state = (struct kgr_state){0};
}
