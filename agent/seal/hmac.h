/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/suite.h"

#include <openssl/sha.h>

/*
 * HMAC with the hash of a suite (RFC 2104) from the values that its hash has after the masked key (section 4 there), so that no
 * use of a key sets it up again. These values are as good as the key: they stand in the arena.
 *
 * Below are SHA256_CTX and SHA512_CTX, whose functions OpenSSL 3 calls deprecated, because EVP has no state that can be set from
 * such a value or copied without an allocation. For 64 bytes (OpenSSL 3.0, one core) these take 0.14 us, EVP_MAC_init without
 * a key 0.24, with the key 0.45, EVP_MAC_CTX_dup 0.62.
 */
union kgr_hash_value {
    uint32_t narrow[8]; /* SHA-256 */
    uint64_t wide[8];   /* SHA-384 */
};

struct kgr_hmac_key {
    enum kgr_suite suite;
    union kgr_hash_value inner;
    union kgr_hash_value outer;
};

/* kgr_hmac_key_set: key has at most 64 bytes. KGR_ERR_INVALID, KGR_ERR_NO_MEMORY (of the arena), KGR_ERR_FAILED. */
KGR_MUST_CHECK enum kgr_error kgr_hmac_key_set(struct kgr_hmac_key *out, enum kgr_suite suite,
                                               struct kgr_slice key);

/* One computation. */
struct kgr_hmac {
    enum kgr_suite suite;
    union {
        SHA256_CTX narrow;
        SHA512_CTX wide;
    } state;
    struct kgr_slice
        held; /* given, not hashed yet: what stands next to it in memory is hashed with it */
};

void kgr_hmac_start(struct kgr_hmac *out, const struct kgr_hmac_key *key);
/* kgr_hmac_add borrows data until the next kgr_hmac_add that does not follow it in memory, kgr_hmac_flush or kgr_hmac_end. */
void kgr_hmac_add(struct kgr_hmac *hmac, struct kgr_slice data);
void kgr_hmac_flush(struct kgr_hmac *hmac);
/* kgr_hmac_end writes kgr_suite_hash_len bytes, with the outer value of the same key, and cleanses hmac. */
void kgr_hmac_end(struct kgr_hmac *hmac, const union kgr_hash_value *outer,
                  uint8_t out[KGR_HASH_MAX]);
