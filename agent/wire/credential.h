/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/field.h"

/*
 * The credential file and the sealed credential that carries it (docs/protocol.md, "Files" and "Orders"). For
 * encoders and decoders see agent/wire/body_registration.h.
 */

#define KGR_NTAG_LEN        32
#define KGR_FILE_HASH_LEN   32
#define KGR_SIGN_PUBLIC_MAX 256
#define KGR_CREDENTIAL_MAX  1024

/* SHA-256 over the parts: kgr_sha256 of agent/seal/digest.h, which wire must not link. */
typedef enum kgr_error kgr_hash_fn(uint8_t out[KGR_FILE_HASH_LEN], const struct kgr_slice *parts,
                                   size_t num_parts);

struct kgr_credential {
    struct kgr_nid nid;
    const uint8_t
        *ntag; /* borrowed, KGR_NTAG_LEN bytes: a secret, so the file belongs in the arena */
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t topic0[KGR_TOPIC_LEN];
    struct kgr_slice ks_public; /* signing public of the KS */
    uint64_t expires;           /* Unix time in s */
    char broker_host[KGR_HOST_MAX + 1];
    uint16_t broker_port; /* not 0 */
};

/* Both handle the whole file, the hash at its end included; a failure of hash is passed on. */
KGR_MUST_CHECK enum kgr_error
kgr_credential_encode(struct kgr_wr *wr, const struct kgr_credential *m, kgr_hash_fn *hash);
KGR_MUST_CHECK enum kgr_error kgr_credential_decode(struct kgr_credential *out,
                                                    struct kgr_slice file, kgr_hash_fn *hash);

/* The body of a successful node_add: under suite 1, with the N_ID as associated data. */
#define KGR_SEALED_TAG_LEN        16
#define KGR_SEALED_CREDENTIAL_MAX (2 + 256 + 2 + 512 + 16 + 2 + KGR_CREDENTIAL_MAX + 16 + 16)
#define KGR_INFO_CRED_ENC         "kgr cred enc"
#define KGR_INFO_CRED_MAC         "kgr cred mac"
#define KGR_INFO_NTAG_ENC         "kgr ntag enc"
#define KGR_INFO_NTAG_MAC         "kgr ntag mac"

struct kgr_sealed_credential {
    struct kgr_slice credential_blob;
    struct kgr_slice credential_secret;
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice ciphertext; /* a positive multiple of 16 */
    uint8_t tag[KGR_SEALED_TAG_LEN];
};

KGR_MUST_CHECK enum kgr_error kgr_sealed_credential_encode(struct kgr_wr *wr,
                                                           const struct kgr_sealed_credential *m);
KGR_MUST_CHECK enum kgr_error kgr_sealed_credential_decode(struct kgr_sealed_credential *out,
                                                           struct kgr_slice body);
