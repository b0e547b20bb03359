/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/foreign.h"

#include "agent/store/handle.h"

#include <stdlib.h>
#include <string.h>

static enum kgr_error configure(struct kgr_db *db, unsigned int wait_ms, struct kgr_diag *diag)
{
    enum kgr_error err;

    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_busy_timeout(db->handle, (int)wait_ms);
    err = kgr_db_exec(db,
                      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                      "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;"
                      "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
                      diag);
    return err == KGR_OK ? kgr_db_check_integrity(db, diag) : err;
}

enum kgr_error kgr_db_open_foreign(struct kgr_db **out, const char *path, unsigned int wait_ms,
                                   struct kgr_diag *diag)
{
    struct kgr_db *db = calloc(1, sizeof(*db));
    enum kgr_error err = KGR_OK;
    int rc;

    if (db != NULL)
        db->path = strdup(path);
    if (db == NULL || db->path == NULL) {
        free(db);
        return KGR_ERR_NO_MEMORY;
    }
    rc = sqlite3_open_v2(path, &db->handle,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK)
        err = kgr_db_fail(db, rc, diag);
    if (err == KGR_OK)
        err = configure(db, wait_ms, diag);
    if (err != KGR_OK) {
        kgr_db_close(db);
        return err;
    }
    *out = db;
    return KGR_OK;
}
