/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* Bodies of the registration: docs/protocol.md, section 4. Slices borrow the decoded input. */

struct kgr_reg_req {
    struct kgr_nid node;
    uint8_t suites;    /* mask */
    uint8_t custodies; /* mask */
    uint8_t topic2[KGR_TOPIC_LEN];
    uint8_t nonce_n[KGR_NONCE_LEN];
    struct kgr_slice ek;      /* TPMT_PUBLIC */
    struct kgr_slice ek_cert; /* DER, may be empty */
    struct kgr_slice storage; /* TPMT_PUBLIC */
};

struct kgr_reg_chal {
    struct kgr_nid node;
    uint8_t nonce_n[KGR_NONCE_LEN];
    uint8_t nonce_ks[KGR_NONCE_LEN];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t suite;
    uint8_t custody; /* of both ends, the KS and the node, together */
    struct kgr_slice credential;
    struct kgr_slice secret;
    struct kgr_wire_object nksk;
    struct kgr_wire_object nksksign;
    uint8_t signature[KGR_SIGNATURE_LEN];
};

/* reg_proof carries nonce_ks, reg_done nonce_n. */
struct kgr_reg_proof {
    struct kgr_nid node;
    uint8_t nonce[KGR_NONCE_LEN];
    uint8_t transcript[KGR_DIGEST_LEN];
};

KGR_MUST_CHECK enum kgr_error kgr_reg_req_decode(struct kgr_reg_req *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_reg_req_encode(struct kgr_wr *wr, const struct kgr_reg_req *in);
KGR_MUST_CHECK enum kgr_error kgr_reg_chal_decode(struct kgr_reg_chal *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_reg_chal_encode(struct kgr_wr *wr, const struct kgr_reg_chal *in);
KGR_MUST_CHECK enum kgr_error kgr_reg_proof_decode(struct kgr_reg_proof *out,
                                                   struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_reg_proof_encode(struct kgr_wr *wr,
                                                   const struct kgr_reg_proof *in);

/* kgr_reg_chal_signed_len: bytes of an encoded reg_chal body that stand before the signature field. */
#define KGR_REG_CHAL_SIGNATURE_FIELD (2 + KGR_SIGNATURE_LEN)
static inline size_t kgr_reg_chal_signed_len(size_t body_len)
{
    return body_len < KGR_REG_CHAL_SIGNATURE_FIELD ? 0 : body_len - KGR_REG_CHAL_SIGNATURE_FIELD;
}

/* The labels that go before the transcripts: of the registration (section 4), of the renewal of NKSK (5.2). */
struct kgr_challenge_labels {
    const char *chal;
    const char *proof;
    const char *done;
};
extern const struct kgr_challenge_labels kgr_labels_registration;
extern const struct kgr_challenge_labels kgr_labels_nksk;
