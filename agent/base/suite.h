/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/* Suites as they are numbered on the wire (docs/protocol.md). */
enum kgr_suite {
    KGR_SUITE_AES128_SHA256 = 1, /* AES-128-CBC, HMAC-SHA-256 */
    KGR_SUITE_AES256_SHA384 = 2, /* AES-256-CBC, HMAC-SHA-384 */
};

#define KGR_IV_LEN      16
#define KGR_BLOCK_LEN   16
#define KGR_ENC_KEY_MAX 32
#define KGR_MAC_KEY_MAX 48
#define KGR_HASH_MAX    48
#define KGR_TAG_MAX     24

/* kgr_suite_known tells whether the number names a suite of this build. */
static inline bool kgr_suite_known(unsigned int suite)
{
    return suite == KGR_SUITE_AES128_SHA256 || suite == KGR_SUITE_AES256_SHA384;
}

/* Lengths in bytes; suite is a known one. */
static inline size_t kgr_suite_enc_key_len(enum kgr_suite suite)
{
    return suite == KGR_SUITE_AES256_SHA384 ? 32 : 16;
}

static inline size_t kgr_suite_mac_key_len(enum kgr_suite suite)
{
    return suite == KGR_SUITE_AES256_SHA384 ? 48 : 32;
}

static inline size_t kgr_suite_hash_len(enum kgr_suite suite)
{
    return suite == KGR_SUITE_AES256_SHA384 ? 48 : 32;
}

static inline size_t kgr_suite_tag_len(enum kgr_suite suite)
{
    return kgr_suite_hash_len(suite) / 2;
}

/* kgr_suite_ciphertext_len is the length under CBC with PKCS#7 of plaintext_len bytes. */
static inline size_t kgr_suite_ciphertext_len(size_t plaintext_len)
{
    return plaintext_len - plaintext_len % KGR_BLOCK_LEN + KGR_BLOCK_LEN;
}
