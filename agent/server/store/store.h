/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/wire/window.h"
#include "agent/store/state.h"

/*
 * The database of the KS: its tables, the single values (meta), and the windows of frame keys. Nodes
 * are in nodes.h, pairs in pairs.h. Everything here is for the thread that owns the database.
 */

/* The tables of ks.db. */
extern const struct kgr_db_schema kgr_ks_schema;
/* kgr_ks_store_open opens the sealed database DIR/ks.db (agent/store/state.h). */
KGR_MUST_CHECK enum kgr_error kgr_ks_store_open(struct kgr_state *out, const char *dir,
                                                const struct kgr_page_keys *keys, uint64_t counter,
                                                bool create, struct kgr_diag *diag);

/* kgr_ks_meta_get copies a value; KGR_ERR_NO_KEY when there is none, KGR_ERR_SHORT_BUFFER over cap. */
KGR_MUST_CHECK enum kgr_error kgr_ks_meta_get(struct kgr_db *db, const char *name, void *out,
                                              size_t cap, size_t *out_len, struct kgr_diag *diag);
/* kgr_ks_meta_get_exact: KGR_ERR_NO_KEY, or KGR_ERR_CORRUPT for another length. */
KGR_MUST_CHECK enum kgr_error kgr_ks_meta_get_exact(struct kgr_db *db, const char *name, void *out,
                                                    size_t len, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_meta_set(struct kgr_db *db, const char *name,
                                              struct kgr_slice value, struct kgr_diag *diag);
/* Numbers, as 8 bytes. */
KGR_MUST_CHECK enum kgr_error kgr_ks_meta_get_u64(struct kgr_db *db, const char *name,
                                                  uint64_t *out, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_meta_set_u64(struct kgr_db *db, const char *name,
                                                  uint64_t value, struct kgr_diag *diag);

#define KGR_KS_KEY_ID_LEN 16
/* Windows by key_id; an unknown key has an empty one. */
KGR_MUST_CHECK enum kgr_error kgr_ks_window_load(struct kgr_db *db, struct kgr_window *out,
                                                 const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_window_save(struct kgr_db *db,
                                                 const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                                 const struct kgr_window *window,
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_window_erase(struct kgr_db *db,
                                                  const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                                  struct kgr_diag *diag);
