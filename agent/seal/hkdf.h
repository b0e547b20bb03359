/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"

/*
 * kgr_hkdf is HKDF with SHA-256 (RFC 5869), extract and expand: out_len bytes, at most 8160, from
 * secret. secret and out belong in the arena; an empty salt is one of 32 zeroes. KGR_ERR_INVALID for
 * an empty secret or an impossible out_len. On failure out is cleansed. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_hkdf(uint8_t *out, size_t out_len, struct kgr_slice secret,
                                       struct kgr_slice salt, struct kgr_slice info);
