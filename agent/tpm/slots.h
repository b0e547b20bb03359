/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * The few transient slots of a TPM as a cache of keys, least recently used first out. A TPM has
 * three at least; a command whose parent is persistent needs one for it, so that at most two of
 * ours are loaded, and at most one before a command that loads or creates. Saved contexts make
 * the way back cheap; they die with a reset of the TPM, and the blob is then loaded again.
 */

/*
 * A key that can be loaded. Everything is borrowed for the call, auth as long as the key is
 * cached.
 */
struct kgr_tpm_loadable {
    uint64_t id; /* of the caller, unique among his keys; never reused for another blob */
    const struct kgr_tpm_object *parent; /* persistent */
    const struct kgr_tpm_blob *blob;
    const struct kgr_tpm_auth *auth;
};

/*
 * kgr_tpm_use_key calls op with the key loaded, and again if the TPM lost it meanwhile; so op
 * can be done twice without harm. It returns what op returns, or why the key could not be
 * loaded.
 */
typedef enum kgr_error kgr_tpm_key_op(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                      void *arg, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_use_key(struct kgr_tpm *tpm,
                                              const struct kgr_tpm_loadable *key,
                                              kgr_tpm_key_op *op, void *arg, struct kgr_diag *diag);
/* kgr_tpm_forget_key flushes the key and its saved context: its blob is gone, or was replaced. */
void kgr_tpm_forget_key(struct kgr_tpm *tpm, uint64_t id);
/* kgr_tpm_new_key_id returns a number that no key of this TPM had since it was opened. */
uint64_t kgr_tpm_new_key_id(struct kgr_tpm *tpm);
/* kgr_tpm_flush_keys empties the slots; the saved contexts stay. */
void kgr_tpm_flush_keys(struct kgr_tpm *tpm);
/* For tests and metrics. */
size_t kgr_tpm_num_loaded(const struct kgr_tpm *tpm);
