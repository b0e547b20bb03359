/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/keys/auth.h"
#include "agent/tpm/types.h"

struct kgr_db;
struct kgr_tpm;

/*
 * What of a node stands in its TPM: the storage key, the counter of epochs, and under the SRK the root of all
 * authorisation values. The database pins their Names.
 */
struct kgr_anchor {
    struct kgr_auth_root *root;        /* owned */
    struct kgr_tpm_auth *storage_auth; /* owned, in the arena */
    struct kgr_tpm_auth *counter_auth; /* owned, in the arena */
    struct kgr_tpm_object storage;     /* persistent; parent of every key of the node */
    struct kgr_tpm_public storage_public;
    struct kgr_tpm_object counter;
};

/* kgr_anchor_create makes it all and writes it to db. KGR_ERR_EXISTS when it was done before. */
KGR_MUST_CHECK enum kgr_error kgr_anchor_create(struct kgr_tpm *tpm, struct kgr_db *db,
                                                struct kgr_diag *diag);
/*
 * kgr_anchor_open finds it again, and starts the salted session with the storage key. KGR_ERR_CORRUPT when the TPM is
 * not the one of this database. Deinit with kgr_anchor_deinit, after the last use of the objects.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_open(struct kgr_anchor *out, struct kgr_tpm *tpm,
                                              struct kgr_db *db, struct kgr_diag *diag);
void kgr_anchor_deinit(struct kgr_anchor *anchor);

/*
 * kgr_anchor_new_epoch takes the epoch of this start. *out_rolled_back tells that the counter and the database
 * disagree: the database was put back or copied; its pairs are erased then. KGR_ERR_STATE when all epochs are spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_new_epoch(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                                   struct kgr_db *db, uint32_t *out_epoch,
                                                   bool *out_rolled_back, struct kgr_diag *diag);
