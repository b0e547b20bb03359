/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/frame.h"
#include "agent/wire/object.h"

/*
 * Bodies of frames 1 to 4 (docs/protocol.md, "Registration").
 *
 * As in all of wire: encoders append to wr and give KGR_ERR_INVALID for a message that a decoder
 * would refuse, KGR_ERR_SHORT_BUFFER when wr is full. Decoders give KGR_ERR_CORRUPT, with out
 * untouched; slices in out are borrowed from the input.
 */

#define KGR_EK_PUBLIC_MAX         512
#define KGR_EK_CERT_MAX           4096
#define KGR_STORAGE_PUBLIC_MAX    256
#define KGR_CREDENTIAL_BLOB_MAX   256
#define KGR_CREDENTIAL_SECRET_MAX 512
#define KGR_SIGNATURE_LEN         64 /* r[32] s[32] of ECDSA over P-256 */
#define KGR_TRANSCRIPT_LEN        32

/* Bits of the capability masks. */
#define KGR_SUITES_MASK        0x03 /* 1 << (suite - 1) */
#define KGR_CUSTODIES_MASK     0x05
#define KGR_CUSTODY_BIT(value) (1u << ((value)-1))

/* Labels of what is hashed, without their NUL. */
#define KGR_LABEL_REG_CHAL  "KGR reg_chal 1"
#define KGR_LABEL_REG_PROOF "KGR reg_proof 1"
#define KGR_LABEL_REG_DONE  "KGR reg_done 1"

struct kgr_reg_req {
    struct kgr_nid nid;
    uint8_t suites;    /* mask */
    uint8_t custodies; /* mask */
    uint8_t topic2[KGR_TOPIC_LEN];
    uint8_t nonce_n[KGR_NONCE_LEN];
    struct kgr_slice ek_public;
    struct kgr_slice ek_cert; /* may be empty */
    struct kgr_slice storage_public;
};

KGR_MUST_CHECK enum kgr_error kgr_reg_req_encode(struct kgr_wr *wr, const struct kgr_reg_req *m);
KGR_MUST_CHECK enum kgr_error kgr_reg_req_decode(struct kgr_reg_req *out, struct kgr_slice body);

struct kgr_reg_chal {
    struct kgr_nid nid;
    uint8_t nonce_n[KGR_NONCE_LEN];
    uint8_t nonce_ks[KGR_NONCE_LEN];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t suite;
    uint8_t custody; /* 1 resident or 3 sealed */
    struct kgr_slice credential_blob;
    struct kgr_slice credential_secret;
    struct kgr_object nksk;
    struct kgr_object nksksign;
    uint8_t signature[KGR_SIGNATURE_LEN];
    struct kgr_slice unsigned_part; /* set by decode: the body without the signature field */
};

/* What is hashed for the signature; kgr_reg_chal_encode is this and the signature field. */
KGR_MUST_CHECK enum kgr_error kgr_reg_chal_encode_unsigned(struct kgr_wr *wr,
                                                           const struct kgr_reg_chal *m);
KGR_MUST_CHECK enum kgr_error kgr_reg_chal_encode(struct kgr_wr *wr, const struct kgr_reg_chal *m);
KGR_MUST_CHECK enum kgr_error kgr_reg_chal_decode(struct kgr_reg_chal *out, struct kgr_slice body);

/* reg_proof (with nonce_ks) and reg_done (with nonce_n) have one layout. */
struct kgr_reg_confirm {
    struct kgr_nid nid;
    uint8_t nonce[KGR_NONCE_LEN];
    uint8_t transcript[KGR_TRANSCRIPT_LEN];
};

KGR_MUST_CHECK enum kgr_error kgr_reg_confirm_encode(struct kgr_wr *wr,
                                                     const struct kgr_reg_confirm *m);
KGR_MUST_CHECK enum kgr_error kgr_reg_confirm_decode(struct kgr_reg_confirm *out,
                                                     struct kgr_slice body);
