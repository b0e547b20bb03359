/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * What the TPM layer hands out and takes: marshalled structures of TPM 2.0 Part 2, without the
 * 16-bit size of their TPM2B, so that they can be stored, sent and compared as bytes.
 */

#define KGR_TPM_PUBLIC_MAX    512
#define KGR_TPM_NAME_MAX      66
#define KGR_TPM_PRIVATE_MAX   512
#define KGR_TPM_DUPLICATE_MAX 512
#define KGR_TPM_SEED_MAX      512
#define KGR_TPM_AUTH_MAX      32
#define KGR_TPM_HASH_LEN      32
#define KGR_TPM_SIGNATURE_LEN 64

/* A public area: TPMT_PUBLIC. */
struct kgr_tpm_public {
    uint16_t len;
    uint8_t bytes[KGR_TPM_PUBLIC_MAX];
};

/* A Name: nameAlg and digest, or the four bytes of a handle. */
struct kgr_tpm_name {
    uint16_t len;
    uint8_t bytes[KGR_TPM_NAME_MAX];
};

/*
 * A private area as TPM2_Create, TPM2_Import and TPM2_ObjectChangeAuth return it: useless to
 * others.
 */
struct kgr_tpm_private {
    uint16_t len;
    uint8_t bytes[KGR_TPM_PRIVATE_MAX];
};

/* What stands on disk of a key that is not persistent in the TPM. */
struct kgr_tpm_blob {
    struct kgr_tpm_public pub;
    struct kgr_tpm_private priv;
};

/* What TPM2_Duplicate returns for one new parent. */
struct kgr_tpm_duplicate {
    uint16_t len;
    uint16_t seed_len;
    uint8_t bytes[KGR_TPM_DUPLICATE_MAX]; /* TPM2B_PRIVATE */
    uint8_t seed[KGR_TPM_SEED_MAX];       /* TPM2B_ENCRYPTED_SECRET */
};

/* What TPM2_MakeCredential returns. */
struct kgr_tpm_credential {
    uint16_t len;
    uint16_t secret_len;
    uint8_t bytes[256];  /* TPM2B_ID_OBJECT */
    uint8_t secret[512]; /* TPM2B_ENCRYPTED_SECRET */
};

/*
 * An authorisation value. Stands in memory of kgr_secret_alloc only, and must outlive every struct
 * kgr_tpm_object that points to it. NULL everywhere means the empty value. No longer than the hash
 * of the object's Name (32 bytes here). Zeroes at its end do not count (TPM 2.0 Part 1).
 */
struct kgr_tpm_auth {
    uint8_t len;
    uint8_t bytes[KGR_TPM_AUTH_MAX];
};

/* An object that a TPM can be asked to use: persistent, or loaded at the moment. */
struct kgr_tpm_object {
    uint32_t handle;
    struct kgr_tpm_name name;
    const struct kgr_tpm_auth *auth; /* borrowed; NULL: empty */
};
