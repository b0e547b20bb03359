/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/tpm/types.h"

/*
 * What a session needs of OpenSSL, fetched once and kept: fetching per command is what makes other
 * stacks slow. Internal to agent/tpm; one thread. Failures of libcrypto are KGR_ERR_FAILED.
 */
struct kgr_tpm_crypto;

/*
 * kgr_tpm_library is libcrypto's context of our own, or NULL when there is none: never pass that on, for to
 * libcrypto it means the host's. Thread-safe.
 */
struct ossl_lib_ctx_st *kgr_tpm_library(void);

KGR_MUST_CHECK enum kgr_error kgr_tpm_crypto_new(struct kgr_tpm_crypto **out);
void kgr_tpm_crypto_free(struct kgr_tpm_crypto *crypto);

/* kgr_tpm_digest256 and kgr_tpm_digest384 are SHA-256 and SHA-384 of one piece; from any thread. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_digest256(uint8_t out[KGR_TPM_HASH_LEN],
                                                struct kgr_slice data);
KGR_MUST_CHECK enum kgr_error kgr_tpm_digest384(uint8_t out[48], struct kgr_slice data);
KGR_MUST_CHECK enum kgr_error kgr_tpm_sha256(struct kgr_tpm_crypto *crypto,
                                             uint8_t out[KGR_TPM_HASH_LEN],
                                             const struct kgr_slice *parts, size_t num_parts);
KGR_MUST_CHECK enum kgr_error kgr_tpm_hmac256(struct kgr_tpm_crypto *crypto,
                                              uint8_t out[KGR_TPM_HASH_LEN], struct kgr_slice key,
                                              const struct kgr_slice *parts, size_t num_parts);
/* kgr_tpm_kdfa256 is KDFa with SHA-256 and 256 bits (TPM 2.0 Part 1, "KDFa"). */
KGR_MUST_CHECK enum kgr_error kgr_tpm_kdfa256(struct kgr_tpm_crypto *crypto,
                                              uint8_t out[KGR_TPM_HASH_LEN], struct kgr_slice key,
                                              const char *label, struct kgr_slice u,
                                              struct kgr_slice v);
/* kgr_tpm_cfb128 encrypts or decrypts len bytes in place with AES-128-CFB. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_cfb128(struct kgr_tpm_crypto *crypto, bool encrypt,
                                             const uint8_t key[16], const uint8_t iv[16],
                                             uint8_t *data, size_t len);
