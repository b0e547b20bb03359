/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"

/*
 * A whole message of the bare construction of RFC 7518 section 5.2.2 in one request, for the AEADs of kgr.so: the IV is the
 * caller's, and there is no protection against replay. aad has at most KGR_AAD_MAX bytes, plaintext at most
 * KGR_DATA_MAX. KGR_ERR_UNSUPPORTED: an older agent. Thread-safe.
 */

/*
 * kgr_etm_encrypt writes E (plaintext.len / 16 + 1 blocks) and tag_len bytes of tag, and puts into key the generation that was
 * used. out and plaintext may overlap. KGR_ERR_CORRUPT: the key is of a suite with other tags.
 */
KGR_MUST_CHECK enum kgr_error kgr_etm_encrypt(struct kgr_client *client, struct kgr_key *key,
                                              const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                                              struct kgr_slice plaintext, uint8_t *out,
                                              uint8_t *out_tag, size_t tag_len);
/* kgr_etm_decrypt: out has room for ciphertext.len bytes. KGR_ERR_CORRUPT: the tag does not fit, and out is untouched. */
KGR_MUST_CHECK enum kgr_error kgr_etm_decrypt(struct kgr_client *client, const struct kgr_key *key,
                                              const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                                              struct kgr_slice ciphertext, struct kgr_slice tag,
                                              uint8_t *out, size_t *out_len);
