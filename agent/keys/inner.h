/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/attr.h"
#include "agent/base/suite.h"

#include <stdint.h>

/*
 * The keys of the inner wrappers of NKSK and NKSKsign: both ends derive them from the secret that the credential
 * releases (docs/protocol.md, section 4), for it holds 32 bytes and two AES-256 keys are 64.
 */
#define KGR_INNER_SECRET_LEN 32
#define KGR_INNER_ID_LEN     16

/*
 * kgr_inner_keys writes two keys as long as the suite's AES key to out, in the arena: that of NKSK, then that of
 * NKSKsign. key_id is of the new NKSK. Thread-safe.
 */
KGR_MUST_CHECK enum kgr_error kgr_inner_keys(uint8_t *out, enum kgr_suite suite,
                                             const uint8_t secret[KGR_INNER_SECRET_LEN],
                                             const uint8_t key_id[KGR_INNER_ID_LEN]);
