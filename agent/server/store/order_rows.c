/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/order_rows.h"

#include "agent/server/store/store.h"

#define HIGHEST "order" /* in meta */

/* Numbers as 8 bytes sort as numbers, which SQLite's signed integers would not. */
static void bind_number(struct kgr_stmt *stmt, int param, uint64_t number)
{
    uint8_t bytes[8];
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_wr_u64(&wr, number);
    kgr_stmt_bind_blob(stmt, param, kgr_wr_slice(&wr));
}

enum kgr_error kgr_ks_order_save(struct kgr_db *db, const struct kgr_ks_order_row *row,
                                 const struct kgr_orders *orders, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_ks_meta_set_u64(db, HIGHEST, orders->highest, diag);

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, db,
                          "INSERT INTO results (number, hash, kind, status, body)"
                          " VALUES (?, ?, ?, ?, ?)",
                          diag);
    if (err != KGR_OK)
        return err;
    bind_number(stmt, 1, row->number);
    kgr_stmt_bind_blob(stmt, 2, kgr_slice(row->hash, sizeof row->hash));
    kgr_stmt_bind_int(stmt, 3, row->kind);
    kgr_stmt_bind_int(stmt, 4, row->status);
    kgr_stmt_bind_blob(stmt, 5, row->body);
    err = kgr_stmt_run(stmt, diag);
    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, db,
                          "DELETE FROM results WHERE number NOT IN"
                          " (SELECT number FROM results ORDER BY number DESC LIMIT ?)",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, KGR_ORDERS_KEPT);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_order_load(struct kgr_db *db, uint64_t number, uint32_t *out_status,
                                 struct kgr_wr *body, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    struct kgr_slice bytes;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "SELECT status, body FROM results WHERE number = ?", diag);

    if (err != KGR_OK)
        return err;
    bind_number(stmt, 1, number);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY, "the result of this order is not kept any more");
    *out_status = (uint32_t)kgr_stmt_int(stmt, 0);
    bytes = kgr_stmt_blob(stmt, 1);
    kgr_wr_bytes(body, bytes.p, bytes.len);
    kgr_stmt_reset(stmt);
    return kgr_wr_ok(body) ? KGR_OK : KGR_ERR_CORRUPT;
}

static enum kgr_error restore_row(struct kgr_orders *out, struct kgr_stmt *stmt,
                                  struct kgr_diag *diag)
{
    uint8_t number[8], hash[32];
    struct kgr_rd rd;
    enum kgr_error err = kgr_stmt_blob_exact(number, sizeof number, stmt, 0, diag);

    if (err == KGR_OK)
        err = kgr_stmt_blob_exact(hash, sizeof hash, stmt, 1, diag);
    if (err != KGR_OK)
        return err;
    kgr_rd_init(&rd, number, sizeof number);
    kgr_orders_restore(out, kgr_rd_u64(&rd), hash);
    return KGR_OK;
}

enum kgr_error kgr_ks_orders_load(struct kgr_db *db, struct kgr_orders *out, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_ks_meta_get_u64(db, HIGHEST, &out->highest, NULL);

    if (err != KGR_OK && err != KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, err, "the database's number of the last order is damaged");
    err = kgr_db_stmt(&stmt, db, "SELECT number, hash FROM results ORDER BY number", diag);
    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    while (err == KGR_OK && step == KGR_STEP_ROW) {
        err = restore_row(out, stmt, diag);
        if (err != KGR_OK) {
            kgr_stmt_reset(stmt);
            return err;
        }
        err = kgr_stmt_step(&step, stmt, diag);
    }
    return err;
}

enum kgr_error kgr_ks_orders_reset(struct kgr_db *db, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ks_meta_set_u64(db, HIGHEST, 0, diag);

    return err != KGR_OK ? err : kgr_db_exec(db, "DELETE FROM results", diag);
}
