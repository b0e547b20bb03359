/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"

#define KGR_GCM_KEY_LEN 32
#define KGR_GCM_IV_LEN  12
#define KGR_GCM_TAG_LEN 16

/*
 * kgr_gcm_encrypt is AES-256-GCM (NIST SP 800-38D) without associated data, for files of other programs that use it: out is
 * as long as text. KGR has no format of its own with it. Never twice with one key and iv. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_gcm_encrypt(uint8_t *out, uint8_t tag[KGR_GCM_TAG_LEN],
                                              const uint8_t key[KGR_GCM_KEY_LEN],
                                              const uint8_t iv[KGR_GCM_IV_LEN],
                                              struct kgr_slice text);
