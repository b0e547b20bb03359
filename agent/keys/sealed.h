/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/keys/blobs.h"
#include "agent/seal/software.h"
#include "agent/tpm/types.h"

/*
 * A pair of keys that a TPM keeps sealed, and this process uses: two data objects below the storage key, unsealed into
 * the arena at the first use, from then on used by libcrypto. Thread-safe but for new and free.
 */
struct kgr_sealed_key;
struct kgr_tpm;

/*
 * kgr_sealed_key_new copies blobs and takes over both authorisation values (kgr_secret_alloc) when it succeeds. parent
 * is the storage key, borrowed as long as the key lives. KGR_ERR_CORRUPT when the public areas are not those of data
 * objects.
 */
KGR_MUST_CHECK enum kgr_error kgr_sealed_key_new(struct kgr_sealed_key **out, enum kgr_suite suite,
                                                 const struct kgr_tpm_object *parent,
                                                 const struct kgr_key_blobs *blobs,
                                                 struct kgr_tpm_auth *auth_enc,
                                                 struct kgr_tpm_auth *auth_mac);
/* kgr_sealed_key_free cleanses; accepts NULL. */
void kgr_sealed_key_free(struct kgr_sealed_key *key);

/*
 * kgr_sealed_key_use calls op with the keys in memory; on the worker it unseals them when they are not. tpm NULL, on any
 * other thread: KGR_ERR_STATE when they are not. op needs no lock and does not call this again.
 */
typedef enum kgr_error kgr_sealed_op(struct kgr_software_key *keys, void *arg);
KGR_MUST_CHECK enum kgr_error kgr_sealed_key_use(struct kgr_sealed_key *key, struct kgr_tpm *tpm,
                                                 kgr_sealed_op *op, void *arg,
                                                 struct kgr_diag *diag);
/* kgr_sealed_key_is_open: they are in memory, and a use would not wait. */
bool kgr_sealed_key_is_open(struct kgr_sealed_key *key);
/* kgr_sealed_key_hold returns the keys, for a holder of its own (kgr_software_key_free), if they are in memory; NULL. Never waits. */
struct kgr_software_key *kgr_sealed_key_hold(struct kgr_sealed_key *key);
/* kgr_sealed_key_close cleanses the keys in memory; the next use unseals them again. It waits for uses under way. */
void kgr_sealed_key_close(struct kgr_sealed_key *key);
