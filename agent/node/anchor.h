/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/keys/auth.h"
#include "agent/keys/vault.h"
#include "agent/store/state.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * What a node's state hangs on: the vault, which opens everything else, its sealed database, and its storage key in the
 * TPM, whose Name the database pins.
 */
struct kgr_anchor { /* stays in its place while open, as its state does */
    struct kgr_vault vault;
    struct kgr_state state;
    struct kgr_auth_root *root;        /* of the vault */
    struct kgr_tpm_auth *storage_auth; /* owned, in the arena */
    struct kgr_tpm_object storage;     /* persistent; parent of every key of the node */
    struct kgr_tpm_public storage_public;
};

/*
 * kgr_anchor_create makes it all in the TPM and the state folder, or what a run that was cut off did not come to.
 * KGR_ERR_EXISTS when it was done before.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_create(struct kgr_tpm *tpm, const char *folder,
                                                struct kgr_diag *diag);
/*
 * kgr_anchor_open finds it again, opens the database, and starts the salted session with the storage key. KGR_ERR_CONFIG
 * when there is nothing, KGR_ERR_CORRUPT when the TPM is not the one of this state, or the state was changed by
 * another hand. Deinit with kgr_anchor_deinit, after the last use of the objects.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_open(struct kgr_anchor *out, struct kgr_tpm *tpm,
                                              const char *folder, struct kgr_diag *diag);
void kgr_anchor_deinit(struct kgr_anchor *anchor);

/*
 * kgr_anchor_new_epoch takes the epoch of this start; anchor->state.db is another one afterwards. *out_rolled_back tells
 * that the database was put back or copied; its pairs are erased then. KGR_ERR_STATE when all epochs are spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_new_epoch(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                                   uint32_t *out_epoch, bool *out_rolled_back,
                                                   struct kgr_diag *diag);
