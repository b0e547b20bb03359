/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/store/db.h"

/* Which mirrors there are: a row for each peer of each, or one with an empty N_ID for all peers. Nothing in it is secret. */
#define KGR_MIRRORS_TABLE                                                                          \
    "CREATE TABLE mirrors (store TEXT NOT NULL, token TEXT NOT NULL, peer TEXT NOT NULL,"          \
    "  configured INTEGER NOT NULL, primary_object BLOB NOT NULL,"                                 \
    "  PRIMARY KEY (store, token, peer)) STRICT, WITHOUT ROWID;"

struct kgr_mirror_row {
    const char *store;
    const char *token;
    const char *peer; /* empty: all */
    bool configured;
    struct kgr_slice primary; /* the object below which the token was made; empty: not made yet */
};

KGR_MUST_CHECK enum kgr_error
kgr_mirror_row_put(struct kgr_db *db, const struct kgr_mirror_row *row, struct kgr_diag *diag);
/* kgr_mirror_rows_erase erases all rows of a mirror. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_rows_erase(struct kgr_db *db, const char *store,
                                                    const char *token, struct kgr_diag *diag);
/* kgr_mirror_rows_each: those of one mirror come one after the other; row is borrowed for the call. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_rows_each(
    struct kgr_db *db,
    enum kgr_error (*fn)(void *arg, const struct kgr_mirror_row *row, struct kgr_diag *diag),
    void *arg, struct kgr_diag *diag);
