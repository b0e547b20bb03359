/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/diag.h"
#include "agent/keys/blobs.h"
#include "agent/seal/seal.h"
#include "agent/tpm/symmetric.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

/*
 * An encryption key and a MAC key that belong together, wherever the custody of this end keeps them: NNSK with
 * NNSKsign, NKSK with NKSKsign. Their blobs tell the custody; whoever uses them need not know.
 *
 * Every function but new and free runs where the TPM may be used: on the worker. While a key is ready they may run
 * on any thread, with no TPM.
 */
struct kgr_keyset;

/*
 * kgr_keyset_new copies blobs and takes over both authorisation values (kgr_secret_alloc) when it succeeds. id_enc and
 * id_mac name the two in the slot cache; the caller never reuses them. parent is the storage key, borrowed as long as
 * the key lives. KGR_ERR_CORRUPT when the public areas are not those of keys of the suite.
 */
KGR_MUST_CHECK enum kgr_error kgr_keyset_new(struct kgr_keyset **out, enum kgr_suite suite,
                                             const struct kgr_tpm_object *parent,
                                             const struct kgr_key_blobs *blobs, uint64_t id_enc,
                                             struct kgr_tpm_auth *auth_enc, uint64_t id_mac,
                                             struct kgr_tpm_auth *auth_mac);
/*
 * kgr_keyset_free cleanses what stands in memory; accepts NULL. Call kgr_keyset_unload on the worker before, or the slot
 * cache keeps what it has.
 */
void kgr_keyset_free(struct kgr_keyset *key);
/* kgr_keyset_unload takes both out of the TPM's slots, or out of memory. They come back with their next use. */
void kgr_keyset_unload(struct kgr_keyset *key, struct kgr_tpm *tpm);
/* kgr_keyset_close takes keys in sealed custody out of memory; on any thread. They come back with their next use. */
void kgr_keyset_close(struct kgr_keyset *key);

/* kgr_keyset_is_sealed: this end's custody. */
bool kgr_keyset_is_sealed(const struct kgr_keyset *key);
/* kgr_keyset_is_ready: a use needs no TPM and waits for nobody. It stays so until the caller closes the key. */
bool kgr_keyset_is_ready(const struct kgr_keyset *key);

/* kgr_keyset_blobs copies what stands on disk of a resident key; false for a sealed one. */
KGR_MUST_CHECK bool kgr_keyset_blobs(const struct kgr_keyset *key, struct kgr_key_blobs *out);
/*
 * kgr_keyset_hold returns the keys themselves, if they are ready, for a holder of its own (kgr_software_key_free): closing or freeing the
 * keyset takes them out of memory only when the last holder has. NULL: not ready.
 */
struct kgr_software_key *kgr_keyset_hold(struct kgr_keyset *key);

enum kgr_suite kgr_keyset_suite(const struct kgr_keyset *key);
/*
 * kgr_keyset_id is what the key confirmation binds of one of the two objects (docs/protocol.md, section 6): its Name if
 * it was born in the TPM of the KS, else its `unique`. Borrowed.
 */
struct kgr_slice kgr_keyset_id(const struct kgr_keyset *key, enum kgr_tpm_kind kind);

/*
 * What one use needs: the TPM (NULL: the key is ready), the key, and where to say why it failed. It stands on the caller's stack:
 * kgr_keyset_use_seal(&use) borrows it.
 */
struct kgr_keyset_use {
    struct kgr_tpm *tpm;
    struct kgr_keyset *key;
    struct kgr_diag *diag;
};
struct kgr_seal_key kgr_keyset_use_seal(struct kgr_keyset_use *use);

/* The modes of a key in sealed custody: bit enum kgr_tpm_mode. A resident one has those of its TPM. */
#define KGR_KEYSET_MODES 0x3eu

/* The raw doors: one cipher call (agent/tpm/symmetric.h has its rules) and one HMAC. */
KGR_MUST_CHECK enum kgr_error kgr_keyset_cipher(struct kgr_keyset_use *use, enum kgr_tpm_mode mode,
                                                enum kgr_tpm_direction direction,
                                                uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                                size_t len, uint8_t *out);
KGR_MUST_CHECK enum kgr_error kgr_keyset_hmac(struct kgr_keyset_use *use,
                                              const struct kgr_slice *parts, size_t num_parts,
                                              uint8_t *out);

/* An HMAC that grows over many calls. It needs its key only at the start. */
struct kgr_keyset_stream;
/* kgr_keyset_stream_is_ready: update and final need no TPM. */
bool kgr_keyset_stream_is_ready(const struct kgr_keyset_stream *stream);
KGR_MUST_CHECK enum kgr_error kgr_keyset_stream_start(struct kgr_keyset_use *use,
                                                      struct kgr_keyset_stream **out);
KGR_MUST_CHECK enum kgr_error kgr_keyset_stream_update(struct kgr_tpm *tpm,
                                                       struct kgr_keyset_stream *stream,
                                                       struct kgr_slice data,
                                                       struct kgr_diag *diag);
/* kgr_keyset_stream_final ends the stream, also on failure; it is still to be freed. */
KGR_MUST_CHECK enum kgr_error kgr_keyset_stream_final(struct kgr_tpm *tpm,
                                                      struct kgr_keyset_stream *stream,
                                                      uint8_t *out, size_t out_len,
                                                      struct kgr_diag *diag);
/* kgr_keyset_stream_free accepts NULL; on any thread. */
void kgr_keyset_stream_free(struct kgr_keyset_stream *stream);
