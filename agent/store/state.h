/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/page.h"
#include "agent/store/db.h"

/*
 * A sealed database that belongs to one epoch: the counter that its program's TPM increments at every start. Its pages
 * are sealed with the key of the epoch in which they were written, and entering a new epoch seals all of them anew. A
 * page of another epoch does not open; a whole file of another epoch does, with that epoch's key, and is
 * recognised by the epoch that it holds: it was put back, or copied.
 *
 * How a start goes on, each step on the disk before the next:
 *   kgr_state_open      finds the epoch whose key opens the file
 *   kgr_state_announce  writes that the counter is about to be moved: a crash from here on is no restored file
 *   (the caller increments the counter)
 *   kgr_state_enter     writes the new epoch, and seals the file with its key
 */
struct kgr_state { /* stays in its place while open: the database borrows cipher */
    struct kgr_db *db;
    /* From here on private. */
    char *path;                         /* owned */
    const struct kgr_db_schema *schema; /* borrowed */
    struct kgr_page_keys keys;
    struct kgr_page_cipher cipher; /* of the file; owned through keys */
    uint64_t counter;
    bool restored; /* the file is not the one of the last start */
};

/*
 * kgr_state_open opens, or with create makes, the database at path; counter is where the TPM's counter stands. keys.ctx and
 * schema are borrowed until kgr_state_close. KGR_ERR_NO_KEY (without diag) when nothing, or an empty file, is there and create is
 * false; KGR_ERR_CORRUPT when the key of none of the last 65,536 epochs opens it, or a page is damaged.
 */
KGR_MUST_CHECK enum kgr_error kgr_state_open(struct kgr_state *out, const char *path,
                                             const struct kgr_db_schema *schema,
                                             const struct kgr_page_keys *keys, uint64_t counter,
                                             bool create, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_state_announce(struct kgr_state *state, struct kgr_diag *diag);
/*
 * kgr_state_enter takes what the counter became. *out_restored: the file is not the one of the last start; then
 * on_restored (may be NULL) runs in the transaction that forgets this, so that a crash does not. state->db is another
 * one afterwards; statements of the old one are gone.
 */
KGR_MUST_CHECK enum kgr_error
kgr_state_enter(struct kgr_state *state, uint64_t epoch, bool *out_restored,
                enum kgr_error (*on_restored)(struct kgr_db *db, struct kgr_diag *diag),
                struct kgr_diag *diag);
/* kgr_state_close accepts a zero object. */
void kgr_state_close(struct kgr_state *state);
