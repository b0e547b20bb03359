/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"

#define KGR_SHA256_LEN 32
#define KGR_SHA384_LEN 48
#define KGR_SHA512_LEN 64

/*
 * Unkeyed digests of the parts one after the other (FIPS 180-4), and HMAC (RFC 2104) under key bytes
 * that stand in the arena. KGR_ERR_FAILED when libcrypto fails. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_sha256(uint8_t out[KGR_SHA256_LEN], const struct kgr_slice *parts,
                                         size_t num_parts);
KGR_MUST_CHECK enum kgr_error kgr_sha384(uint8_t out[KGR_SHA384_LEN], const struct kgr_slice *parts,
                                         size_t num_parts);
KGR_MUST_CHECK enum kgr_error kgr_sha512(uint8_t out[KGR_SHA512_LEN], const struct kgr_slice *parts,
                                         size_t num_parts);
KGR_MUST_CHECK enum kgr_error kgr_hmac_sha256(uint8_t out[KGR_SHA256_LEN], struct kgr_slice key,
                                              const struct kgr_slice *parts, size_t num_parts);
