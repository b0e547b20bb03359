/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/keys/blobs.h"
#include "agent/tpm/slots.h"
#include "agent/tpm/symmetric.h"
#include "agent/tpm/types.h"

/*
 * A pair of keys that live in the TPM: an AES key and an HMAC key, reached through the slot
 * cache. Every function but new and free runs where the
 * TPM may be used: on the worker.
 */
struct kgr_resident_key;

/*
 * kgr_resident_key_new copies blobs and takes over both authorisation values (kgr_secret_alloc)
 * when it succeeds. id_enc and id_mac name the two in the slot cache; the caller never reuses
 * them. parent is the storage key, borrowed as long as the key lives. KGR_ERR_CORRUPT when the
 * public areas are not those of the suite.
 */
KGR_MUST_CHECK enum kgr_error kgr_resident_key_new(struct kgr_resident_key **out,
                                                   enum kgr_suite suite,
                                                   const struct kgr_tpm_object *parent,
                                                   const struct kgr_key_blobs *blobs,
                                                   uint64_t id_enc, struct kgr_tpm_auth *auth_enc,
                                                   uint64_t id_mac, struct kgr_tpm_auth *auth_mac);
/*
 * kgr_resident_key_free accepts NULL. Call kgr_resident_key_unload on the worker before, or the
 * cache keeps them.
 */
void kgr_resident_key_free(struct kgr_resident_key *key);
/* kgr_resident_key_unload flushes both from the slot cache. */
void kgr_resident_key_unload(struct kgr_resident_key *key, struct kgr_tpm *tpm);

/* kgr_resident_key_blobs copies what stands on disk of the two. */
void kgr_resident_key_blobs(const struct kgr_resident_key *key, struct kgr_key_blobs *out);

/*
 * What one use on the worker needs: the TPM, the key, and where to say why it failed.
 */
struct kgr_resident_use {
    struct kgr_tpm *tpm;
    struct kgr_resident_key *key;
    struct kgr_diag *diag;
};

/* The raw doors: one cipher call, one HMAC, and an HMAC that grows (agent/tpm/symmetric.h). */
KGR_MUST_CHECK enum kgr_error kgr_resident_cipher(struct kgr_resident_use *use,
                                                  enum kgr_tpm_mode mode,
                                                  enum kgr_tpm_direction direction,
                                                  uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                                  size_t len, uint8_t *out);
KGR_MUST_CHECK enum kgr_error kgr_resident_hmac(struct kgr_resident_use *use,
                                                const struct kgr_slice *parts, size_t num_parts,
                                                uint8_t *out);
KGR_MUST_CHECK enum kgr_error kgr_resident_hmac_start(struct kgr_resident_use *use,
                                                      struct kgr_tpm_hmac_stream **out);
