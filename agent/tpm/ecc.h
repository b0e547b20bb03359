/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Secret sharing with an ECC key of a TPM (TPM 2.0 Part 1, "Secret sharing", ECC): P-256 with SHA-256, P-384 with
 * SHA-384, so that the seed is as long as a coordinate. Internal to agent/tpm. Thread-safe. Failures of libcrypto
 * are KGR_ERR_FAILED.
 */
enum kgr_tpm_curve { KGR_TPM_P256, KGR_TPM_P384 };

#define KGR_P256_LEN    32
#define KGR_TPM_ECC_MAX 48

struct kgr_tpm_point {
    enum kgr_tpm_curve curve;
    uint8_t x[KGR_TPM_ECC_MAX]; /* kgr_tpm_curve_len bytes */
    uint8_t y[KGR_TPM_ECC_MAX];
};

static inline size_t kgr_tpm_curve_len(enum kgr_tpm_curve curve)
{
    return curve == KGR_TPM_P384 ? 48 : 32;
}

/*
 * kgr_tpm_share agrees on a seed with the owner of peer: an ephemeral key, ECDH, KDFe under label. out_seed stands in the
 * arena and takes kgr_tpm_curve_len bytes; out_point is the ephemeral point. KGR_ERR_CORRUPT when peer is no point
 * of its curve.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_share(uint8_t *out_seed, struct kgr_tpm_point *out_point,
                                            const struct kgr_tpm_point *peer, const char *label);
/* kgr_tpm_verify_p256: KGR_ERR_CORRUPT when r || s is no ECDSA signature of digest under key. */
#define KGR_P256_SIGNATURE_LEN 64
KGR_MUST_CHECK enum kgr_error kgr_tpm_verify_p256(const struct kgr_tpm_point *key,
                                                  const uint8_t digest[32],
                                                  const uint8_t signature[KGR_P256_SIGNATURE_LEN]);
