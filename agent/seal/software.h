/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

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
/* kgr_software_key_seal returns the key as kgr_seal_* take it, borrowing key. Thread-safe. */
struct kgr_seal_key kgr_software_key_seal(struct kgr_software_key *key);
