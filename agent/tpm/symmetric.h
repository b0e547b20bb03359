/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* Numbered as the local protocol does (docs/protocol.md, section 11). */
enum kgr_tpm_mode {
    KGR_TPM_ECB = 1,
    KGR_TPM_CBC = 2,
    KGR_TPM_CTR = 3,
    KGR_TPM_CFB = 4,
    KGR_TPM_OFB = 5,
};

enum kgr_tpm_direction { KGR_TPM_ENCRYPT = 1, KGR_TPM_DECRYPT = 2 };

/*
 * kgr_tpm_cipher encrypts or decrypts len bytes (any number; ECB and CBC: a multiple of 16) with
 * a loaded SYMCIPHER key. iv (unused for ECB, may then be NULL) is replaced by what continues
 * the stream, if len is a multiple of 16. in may equal out. On failure out is undefined and iv
 * untouched.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_cipher(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                             enum kgr_tpm_mode mode,
                                             enum kgr_tpm_direction direction,
                                             uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len,
                                             uint8_t *out, struct kgr_diag *diag);

/*
 * kgr_tpm_hmac is the HMAC over the parts with a loaded KEYEDHASH key; out_len is the length of
 * its hash.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_hmac(struct kgr_tpm *tpm, const struct kgr_tpm_object *key,
                                           const struct kgr_slice *parts, size_t num_parts,
                                           uint8_t *out, size_t out_len, struct kgr_diag *diag);

/*
 * An HMAC that grows over many calls. Between them it is a saved context and holds no slot of
 * the TPM; a reset of the TPM ends it (KGR_ERR_STATE).
 */
struct kgr_tpm_hmac_stream;
KGR_MUST_CHECK enum kgr_error kgr_tpm_hmac_start(struct kgr_tpm *tpm,
                                                 struct kgr_tpm_hmac_stream **out,
                                                 const struct kgr_tpm_object *key,
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_hmac_update(struct kgr_tpm *tpm,
                                                  struct kgr_tpm_hmac_stream *stream,
                                                  struct kgr_slice data, struct kgr_diag *diag);
/* kgr_tpm_hmac_final ends the stream, also on failure; it is still to be freed. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_hmac_final(struct kgr_tpm *tpm,
                                                 struct kgr_tpm_hmac_stream *stream, uint8_t *out,
                                                 size_t out_len, struct kgr_diag *diag);
/* kgr_tpm_hmac_stream_free accepts NULL; it needs no TPM, for nothing stays loaded. */
void kgr_tpm_hmac_stream_free(struct kgr_tpm_hmac_stream *stream);
