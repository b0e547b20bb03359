/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/keys/auth.h"
#include "agent/seal/gcm.h"
#include "agent/tpm/types.h"

/*
 * How a token of tpm2-pkcs11 guards the authorisation values of its objects: they are encrypted with the token's wrapping key, 32
 * bytes, and that is sealed by the TPM, as text, for an authorisation value made of the PIN and a salt. All secrets stand in
 * the arena. Thread-safe.
 */
#define KGR_TOKEN_WRAPPING_LEN      32
#define KGR_TOKEN_WRAPPING_TEXT_LEN 64 /* hexadecimal: what is sealed */

/*
 * kgr_token_wrapping_key derives the wrapping key of a mirror's token from the root of this node's values, so that it need not be
 * kept: label "mirror", id = folder || 00 || token. The caller frees it with kgr_secret_free.
 */
KGR_MUST_CHECK enum kgr_error kgr_token_wrapping_key(const struct kgr_auth_root *root,
                                                     struct kgr_tpm_auth **out, const char *folder,
                                                     const char *token);
/* kgr_token_wrapping_text writes its text, KGR_TOKEN_WRAPPING_TEXT_LEN bytes in the arena; free as above. */
KGR_MUST_CHECK enum kgr_error kgr_token_wrapping_text(uint8_t **out,
                                                      const struct kgr_tpm_auth *key);
/* kgr_token_pin_auth is the value that opens a seal object: 32 digits, the first half of SHA-256(pin || salt). */
KGR_MUST_CHECK enum kgr_error kgr_token_pin_auth(struct kgr_tpm_auth **out, struct kgr_slice pin,
                                                 struct kgr_slice salt);
/*
 * kgr_token_wrap encrypts the authorisation value of an object: iv, tag and ciphertext as text, digits with colons between. It
 * is no secret.
 */
#define KGR_TOKEN_WRAPPED_MAX                                                                      \
    (2 * KGR_GCM_IV_LEN + 1 + 2 * KGR_GCM_TAG_LEN + 1 + 2 * KGR_TPM_AUTH_MAX + 1)
KGR_MUST_CHECK enum kgr_error kgr_token_wrap(char out[KGR_TOKEN_WRAPPED_MAX],
                                             const struct kgr_tpm_auth *key,
                                             const uint8_t iv[KGR_GCM_IV_LEN],
                                             const struct kgr_tpm_auth *auth);
