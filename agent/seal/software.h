/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/seal/seal.h"

/*
 * Keys whose bytes this process holds: in the arena between calls, in contexts of libcrypto, which
 * cleanses them, during one. Used for what is derived from NTAG, and for sealed custody.
 */
struct kgr_software_key;

/*
 * kgr_software_key_new copies both keys into the arena. enc has the suite's length; mac too, or half
 * of it, as RFC 7518 has it. KGR_ERR_INVALID for other lengths, KGR_ERR_NO_MEMORY when the arena
 * is full, KGR_ERR_FAILED when libcrypto lacks an algorithm. The caller frees *out.
 */
KGR_MUST_CHECK enum kgr_error kgr_software_key_new(struct kgr_software_key **out,
                                                   enum kgr_suite suite, struct kgr_slice enc,
                                                   struct kgr_slice mac);
/* kgr_software_key_free cleanses; NULL is accepted. */
void kgr_software_key_free(struct kgr_software_key *key);
/*
 * kgr_software_cipher encrypts or decrypts len bytes (any number up to INT_MAX; ECB and CBC: a multiple of 16) in a mode
 * of the local protocol (docs/protocol.md, section 11: 1 ECB 2 CBC 3 CTR 4 CFB 5 OFB), without padding. iv, unused for
 * ECB, is replaced by what continues the stream if len is a multiple of 16. in may equal out. Thread-safe.
 * KGR_ERR_UNSUPPORTED for another mode.
 */
KGR_MUST_CHECK enum kgr_error kgr_software_cipher(const struct kgr_software_key *key, int mode,
                                                  bool encrypt, uint8_t iv[KGR_IV_LEN],
                                                  const uint8_t *in, size_t len, uint8_t *out);

/*
 * An HMAC that grows over many calls. It outlives its key; between calls it has no byte of it, only the states of the
 * hash that follow from it (RFC 2104, section 4). final ends it, also on failure; it is still to be freed. One
 * thread at a time.
 */
struct kgr_software_stream;
KGR_MUST_CHECK enum kgr_error kgr_software_stream_start(const struct kgr_software_key *key,
                                                        struct kgr_software_stream **out);
KGR_MUST_CHECK enum kgr_error kgr_software_stream_update(struct kgr_software_stream *stream,
                                                         struct kgr_slice data);
/* out takes out_len bytes: the length of the suite's hash, or KGR_ERR_INVALID. */
KGR_MUST_CHECK enum kgr_error kgr_software_stream_final(struct kgr_software_stream *stream,
                                                        uint8_t *out, size_t out_len);
/* kgr_software_stream_free cleanses; accepts NULL. */
void kgr_software_stream_free(struct kgr_software_stream *stream);

/* kgr_software_key_seal returns the key as kgr_seal_* take it, borrowing key. Thread-safe. */
struct kgr_seal_key kgr_software_key_seal(struct kgr_software_key *key);
