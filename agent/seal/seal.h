/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"

/*
 * Authenticated encryption by encrypt-then-MAC as RFC 7518 section 5.2.2 composes it: AES-CBC with
 * PKCS#7, then HMAC over A || IV || E || AL, cut to half of the hash, where AL is the length of A
 * in bits as 64 bits. One construction over keys that live in different places: whoever owns a key
 * brings its three primitives.
 *
 * Lengths follow from the suite (agent/base/suite.h): the ciphertext of n bytes takes
 * kgr_suite_ciphertext_len(n), the tag kgr_suite_tag_len. Functions block as long as the primitives
 * do, and are as thread-safe as these.
 */

/*
 * The primitives of one pair of keys. A failure of theirs (a TPM that is gone, say) is handed to
 * the caller of kgr_seal_* as it is; that number must not be KGR_ERR_CORRUPT.
 */
struct kgr_seal_vtable {
    /* AES-CBC without padding over len bytes, a positive multiple of 16; in may equal out. */
    enum kgr_error (*cbc_encrypt)(void *ctx, const uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                  size_t len, uint8_t *out);
    enum kgr_error (*cbc_decrypt)(void *ctx, const uint8_t iv[KGR_IV_LEN], const uint8_t *in,
                                  size_t len, uint8_t *out);
    /* HMAC over the parts one after the other; out takes kgr_suite_hash_len bytes. */
    enum kgr_error (*hmac)(void *ctx, const struct kgr_slice *parts, size_t num_parts,
                           uint8_t *out);
    /* All of kgr_seal_encrypt, where that is faster than its parts; may be NULL. */
    enum kgr_error (*seal)(void *ctx, uint8_t *out_ciphertext, uint8_t *out_tag,
                           const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                           struct kgr_slice plaintext);
};

struct kgr_seal_key {
    const struct kgr_seal_vtable *vt;
    void *ctx; /* borrowed: handed to the primitives */
    enum kgr_suite suite;
};

/*
 * kgr_seal_encrypt fills out_ciphertext (kgr_suite_ciphertext_len(plaintext.len) bytes) and out_tag
 * (kgr_suite_tag_len bytes). iv is fresh and random for every call under one key. The plaintext
 * passes through out_ciphertext, so that must be memory of this process alone; plaintext.p may be
 * out_ciphertext. On failure out_ciphertext is cleansed and out_tag untouched.
 */
KGR_MUST_CHECK enum kgr_error kgr_seal_encrypt(const struct kgr_seal_key *key,
                                               uint8_t *out_ciphertext, uint8_t *out_tag,
                                               const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                                               struct kgr_slice plaintext);

/*
 * kgr_seal_verify compares the tag, in constant time, and nothing else. KGR_ERR_CORRUPT when it does
 * not fit or a length is impossible.
 */
KGR_MUST_CHECK enum kgr_error kgr_seal_verify(const struct kgr_seal_key *key,
                                              const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                                              struct kgr_slice ciphertext, struct kgr_slice tag);

/*
 * kgr_seal_decrypt verifies the tag and only then decrypts. out_plaintext has room for
 * ciphertext.len bytes and does not overlap it; *out_len is the length without padding. Every flaw
 * of the data is KGR_ERR_CORRUPT. On failure *out_len is untouched, and out_plaintext is untouched
 * or cleansed.
 */
KGR_MUST_CHECK enum kgr_error kgr_seal_decrypt(const struct kgr_seal_key *key,
                                               uint8_t *out_plaintext, size_t *out_len,
                                               const uint8_t iv[KGR_IV_LEN], struct kgr_slice aad,
                                               struct kgr_slice ciphertext, struct kgr_slice tag);

/* kgr_seal_unpad finds the length of what was decrypted without its padding; only after its tag was verified. KGR_ERR_CORRUPT. */
KGR_MUST_CHECK enum kgr_error kgr_seal_unpad(size_t *out_len, const uint8_t *p, size_t len);

/*
 * kgr_seal_decrypt_verified is the second half of kgr_seal_decrypt, for a receiver that has called
 * kgr_seal_verify on the very same bytes and checked more before it decrypts.
 */
KGR_MUST_CHECK enum kgr_error kgr_seal_decrypt_verified(const struct kgr_seal_key *key,
                                                        uint8_t *out_plaintext, size_t *out_len,
                                                        const uint8_t iv[KGR_IV_LEN],
                                                        struct kgr_slice ciphertext);
