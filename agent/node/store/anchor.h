/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/keys/auth.h"
#include "agent/keys/vault.h"
#include "agent/store/state.h"
#include "agent/tpm/remove.h"
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
    /* In force: persistent, parent of every key of the node; points into storages. */
    const struct kgr_tpm_object *storage;
    struct kgr_tpm_public storage_public;
    /* The one that is to come (docs/protocol.md, section 5.2); NULL: none. */
    const struct kgr_tpm_object *next;
    struct kgr_tpm_public next_public;
    struct kgr_tpm_object storages[2];
    bool burying;  /* the one before waits in the other place to be evicted */
    bool evicting; /* that is under way */
};

/*
 * kgr_anchor_create makes it all in the TPM and the state folder, or what a run that was cut off did not come to.
 * best is the highest suite whose keys the storage key is to protect.
 * KGR_ERR_EXISTS when it was done before.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_create(struct kgr_tpm *tpm, const char *folder,
                                                enum kgr_suite best, struct kgr_diag *diag);
/*
 * kgr_anchor_open finds it again, opens the database, and starts the salted session with the storage key. KGR_ERR_CONFIG
 * when there is nothing, KGR_ERR_CORRUPT when the TPM is not the one of this state, or the state was changed by
 * another hand. Deinit with kgr_anchor_deinit, after the last use of the objects.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_open(struct kgr_anchor *out, struct kgr_tpm *tpm,
                                              const char *folder, struct kgr_diag *diag);
/*
 * A new storage key (anchor_next.c). make runs on the worker: it makes the key in memory and says where it will stand.
 * save_next writes both into a transaction of the caller. place runs on the worker: the key is persistent then, and
 * kgr_anchor_set_next makes it the next one. For a renewal that was abandoned, and for the key that was before,
 * save_dead writes what must be evicted, and drop_next forgets the next one.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_make(const struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                              enum kgr_suite best, struct kgr_tpm_blob *out,
                                              uint32_t *out_handle, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_anchor_save_next(struct kgr_db *db,
                                                   const struct kgr_tpm_public *pub,
                                                   uint32_t handle, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_anchor_place(const struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                               struct kgr_tpm_object *out,
                                               const struct kgr_tpm_blob *blob, uint32_t handle,
                                               struct kgr_diag *diag);
void kgr_anchor_set_next(struct kgr_anchor *anchor, const struct kgr_tpm_object *object,
                         const struct kgr_tpm_public *pub);
/* kgr_anchor_save_switch writes that the next one is in force and the one before is dead; kgr_anchor_switch does it. */
KGR_MUST_CHECK enum kgr_error kgr_anchor_save_switch(const struct kgr_anchor *anchor,
                                                     struct kgr_db *db, struct kgr_diag *diag);
void kgr_anchor_switch(struct kgr_anchor *anchor);
/* kgr_anchor_save_drop writes that the next one, if any, is dead; kgr_anchor_drop forgets it. */
KGR_MUST_CHECK enum kgr_error kgr_anchor_save_drop(struct kgr_db *db, struct kgr_diag *diag);
void kgr_anchor_drop(struct kgr_anchor *anchor);
/*
 * kgr_anchor_evict_dead, on the worker, salts the session with the storage key in force and evicts the dead one;
 * kgr_anchor_load_dead finds it: KGR_ERR_NO_KEY when there is none.
 */
struct kgr_anchor_dead {
    uint32_t handle;
    struct kgr_tpm_name name;
};
KGR_MUST_CHECK enum kgr_error kgr_anchor_load_dead(struct kgr_db *db, struct kgr_anchor_dead *out,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_anchor_evict_dead(const struct kgr_tpm_object *storage,
                                                    struct kgr_tpm *tpm,
                                                    const struct kgr_anchor_dead *dead,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_anchor_forget_dead(struct kgr_anchor *anchor, struct kgr_db *db,
                                                     struct kgr_diag *diag);
/*
 * kgr_anchor_open_next, at the start, evicts a dead storage key and finds the next one again; it is no error that the
 * TPM does not hold it: a crash came before it was placed.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_open_next(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                                   struct kgr_db *db, struct kgr_diag *diag);
/*
 * kgr_anchor_remains lists what of a node may stand in the TPM: the storage key in force, the next one, a dead one.
 * kgr_anchor_find_remains opens vault and state for that: KGR_ERR_NO_KEY when there are none. While
 * the database is open it calls also (may be NULL).
 */
#define KGR_ANCHOR_REMAINS 3
KGR_MUST_CHECK enum kgr_error kgr_anchor_remains(struct kgr_tpm_remains out[KGR_ANCHOR_REMAINS],
                                                 size_t *out_num, struct kgr_db *db,
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_anchor_find_remains(struct kgr_tpm_remains out[KGR_ANCHOR_REMAINS], size_t *out_num,
                        struct kgr_tpm *tpm, const char *folder, void (*also)(struct kgr_db *db),
                        struct kgr_diag *diag);
void kgr_anchor_deinit(struct kgr_anchor *anchor);

/*
 * kgr_anchor_new_epoch takes the epoch of this start; anchor->state.db is another one afterwards. *out_rolled_back tells
 * that the database was put back or copied; its pairs are erased then. KGR_ERR_STATE when all epochs are spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_anchor_new_epoch(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                                   uint32_t *out_epoch, bool *out_rolled_back,
                                                   struct kgr_diag *diag);
