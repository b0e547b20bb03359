/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/seal/seal.h"

/*
 * Keys whose bytes this process holds, in the arena: with the schedules of AES-CBC and the values of HMAC that follow from
 * them, ready for use. The other modes of the raw door have their schedule in contexts of libcrypto, which
 * cleanses it, during a call. Used for what is derived from NTAG, and for sealed custody.
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
/* kgr_software_key_hold makes one more holder, who frees it too. Returns key. Thread-safe. */
struct kgr_software_key *kgr_software_key_hold(struct kgr_software_key *key);
/* kgr_software_key_free cleanses when the last holder frees; NULL is accepted. Thread-safe. */
void kgr_software_key_free(struct kgr_software_key *key);
/*
 * kgr_software_cipher encrypts or decrypts len bytes (any number up to INT_MAX; ECB and CBC: a multiple of 16) in a mode
 * of the local protocol (docs/protocol.md, section 11: 1 ECB 2 CBC 3 CTR 4 CFB 5 OFB), without padding. iv, unused for
 * ECB, is replaced by what continues the stream if len is a multiple of 16. in may equal out. Thread-safe.
 * KGR_ERR_UNSUPPORTED for another mode.
 */
KGR_MUST_CHECK enum kgr_error kgr_software_cipher(struct kgr_software_key *key, int mode,
                                                  bool encrypt, uint8_t iv[KGR_IV_LEN],
                                                  const uint8_t *in, size_t len, uint8_t *out);

/* kgr_software_hmac writes kgr_suite_hash_len bytes. Thread-safe. */
KGR_MUST_CHECK enum kgr_error kgr_software_hmac(const struct kgr_software_key *key,
                                                struct kgr_slice data, uint8_t out[KGR_HASH_MAX]);

/* One message of kgr_software_seal; all is borrowed. */
struct kgr_software_message {
    struct kgr_slice aad[2]; /* one after the other */
    const uint8_t *iv;
    struct kgr_slice text; /* at out, or apart from it */
    uint8_t *out;          /* kgr_suite_ciphertext_len(text.len) bytes, of this process alone */
    uint8_t *tag;
};

/* One message of kgr_software_open; all is borrowed. */
struct kgr_software_sealed {
    struct kgr_slice aad[2];
    const uint8_t *iv;
    struct kgr_slice text; /* of one block at least, and whole blocks */
    struct kgr_slice tag;
    uint8_t *out;   /* text.len bytes, apart from it, of this process alone */
    size_t out_len; /* without padding, when it was opened */
};

/* kgr_software_open is kgr_seal_decrypt. Thread-safe. */
KGR_MUST_CHECK enum kgr_error kgr_software_open(struct kgr_software_key *key,
                                                struct kgr_software_sealed *message);

/*
 * kgr_software_seal is kgr_seal_encrypt for many messages, each in one pass. aad, iv, out that stand one after the other in memory
 * are hashed fastest. On failure none of the messages may be used. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_software_seal(struct kgr_software_key *key,
                                                const struct kgr_software_message *messages,
                                                size_t num);

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
