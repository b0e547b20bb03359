/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/page.h"
#include "agent/keys/auth.h"

/*
 * The keys under which a program's database stands on disk: of each epoch another, derived from the root that the TPM
 * gives, so that no page of another start passes for one of this. A page is sealed by the construction of suite 1
 * (agent/seal/seal.h) with a fresh IV: IV[16], ciphertext[4,064], tag[16].
 */

/* kgr_state_keys borrows root as long as a cipher of it is in use. Ciphers may be used on one thread at a time. */
struct kgr_page_keys kgr_state_keys(struct kgr_auth_root *root);
