/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/mirror_rows.h"

enum kgr_error kgr_mirror_row_put(struct kgr_db *db, const struct kgr_mirror_row *row,
                                  struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db,
                                     "INSERT INTO mirrors (store, token, peer, configured,"
                                     " primary_object) VALUES (?1, ?2, ?3, ?4, ?5)",
                                     diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, row->store);
    kgr_stmt_bind_text(stmt, 2, row->token);
    kgr_stmt_bind_text(stmt, 3, row->peer);
    kgr_stmt_bind_int(stmt, 4, row->configured ? 1 : 0);
    kgr_stmt_bind_blob(stmt, 5, row->primary);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_mirror_rows_erase(struct kgr_db *db, const char *store, const char *token,
                                     struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "DELETE FROM mirrors WHERE store = ?1 AND token = ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, store);
    kgr_stmt_bind_text(stmt, 2, token);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_mirror_rows_each(struct kgr_db *db,
                                    enum kgr_error (*fn)(void *arg,
                                                         const struct kgr_mirror_row *row,
                                                         struct kgr_diag *diag),
                                    void *arg, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db,
                                     "SELECT store, token, peer, configured, primary_object"
                                     " FROM mirrors ORDER BY store, token, peer",
                                     diag);

    while (err == KGR_OK) {
        struct kgr_mirror_row row;

        err = kgr_stmt_step(&step, stmt, diag);
        if (err != KGR_OK || step == KGR_STEP_DONE)
            break;
        row = (struct kgr_mirror_row){kgr_stmt_text(stmt, 0), kgr_stmt_text(stmt, 1),
                                      kgr_stmt_text(stmt, 2), kgr_stmt_int(stmt, 3) != 0,
                                      kgr_stmt_blob(stmt, 4)};
        err = fn(arg, &row, diag);
        if (err != KGR_OK)
            kgr_stmt_reset(stmt);
    }
    return err;
}
