/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/frame.h"
#include "agent/wire/object.h"

/*
 * Bodies of frames 7 to 13 (docs/protocol.md, "Exchange"). nid1 is the requester, nid2 the destined node; equal
 * ones and generation 0 are malformed. For encoders and decoders see
 * agent/wire/body_registration.h.
 */

#define KGR_PXID_LEN 16

enum kgr_request_cause {
    KGR_CAUSE_FIRST = 0,
    KGR_CAUSE_RENEWAL = 1,
    KGR_CAUSE_DEMAND = 2,
};

struct kgr_nnsk_key_req {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t topic3[KGR_TOPIC_LEN];
    uint64_t highest; /* generation that N1 knows; 0: none */
    uint8_t cause;    /* enum kgr_request_cause */
};

KGR_MUST_CHECK enum kgr_error kgr_nnsk_key_req_encode(struct kgr_wr *wr,
                                                      const struct kgr_nnsk_key_req *m);
KGR_MUST_CHECK enum kgr_error kgr_nnsk_key_req_decode(struct kgr_nnsk_key_req *out,
                                                      struct kgr_slice body);

struct kgr_nnsk_key_ans {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t pxid[KGR_PXID_LEN];
    uint64_t generation;
    uint8_t suite;
    uint8_t custody; /* 1 resident, 2 mixed, 3 sealed */
    uint32_t lifetime_s;
    uint8_t iv[KGR_IV_LEN];
    struct kgr_object nnsk;
    struct kgr_object nnsksign;
};

KGR_MUST_CHECK enum kgr_error kgr_nnsk_key_ans_encode(struct kgr_wr *wr,
                                                      const struct kgr_nnsk_key_ans *m);
KGR_MUST_CHECK enum kgr_error kgr_nnsk_key_ans_decode(struct kgr_nnsk_key_ans *out,
                                                      struct kgr_slice body);

struct kgr_nnsk_adv_req {
    struct kgr_nnsk_key_ans keys;
    uint8_t topic3[KGR_TOPIC_LEN];
};

KGR_MUST_CHECK enum kgr_error kgr_nnsk_adv_req_encode(struct kgr_wr *wr,
                                                      const struct kgr_nnsk_adv_req *m);
KGR_MUST_CHECK enum kgr_error kgr_nnsk_adv_req_decode(struct kgr_nnsk_adv_req *out,
                                                      struct kgr_slice body);

/* A key confirmation: as long as the hash of the suite, 32 or 48 bytes. */
struct kgr_kc {
    uint8_t len;
    uint8_t b[KGR_HASH_MAX];
};

/* nnsk_adv_ans and nnsk_conf_req have one layout: topic4 and the key confirmation of N2. */
struct kgr_nnsk_topic_kc {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t pxid[KGR_PXID_LEN];
    uint64_t generation;
    uint8_t topic4[KGR_TOPIC_LEN];
    struct kgr_kc kc;
};

KGR_MUST_CHECK enum kgr_error kgr_nnsk_topic_kc_encode(struct kgr_wr *wr,
                                                       const struct kgr_nnsk_topic_kc *m);
KGR_MUST_CHECK enum kgr_error kgr_nnsk_topic_kc_decode(struct kgr_nnsk_topic_kc *out,
                                                       struct kgr_slice body);

/* nnsk_conf_ans and nnsk_done have one layout: the key confirmation of N1. */
struct kgr_nnsk_kc {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t pxid[KGR_PXID_LEN];
    uint64_t generation;
    struct kgr_kc kc;
};

KGR_MUST_CHECK enum kgr_error kgr_nnsk_kc_encode(struct kgr_wr *wr, const struct kgr_nnsk_kc *m);
KGR_MUST_CHECK enum kgr_error kgr_nnsk_kc_decode(struct kgr_nnsk_kc *out, struct kgr_slice body);

/*
 * What a key confirmation is the HMAC of. Written only: nobody ever parses it. At most
 * KGR_KC_INPUT_MAX bytes.
 */
#define KGR_KC_MAGIC     "KGRkc\0\0\1" /* 8 bytes */
#define KGR_NAME_MAX     66            /* of a TPM object: nameAlg and the longest digest */
#define KGR_KC_INPUT_MAX 384

struct kgr_kc_input {
    uint8_t role; /* of the node that confirms: 1 or 2 */
    uint8_t suite;
    uint8_t pxid[KGR_PXID_LEN];
    uint64_t generation;
    struct kgr_nid nid_role1;
    struct kgr_nid nid_role2;
    uint8_t topic_role1[KGR_TOPIC_LEN]; /* where role 1 listens */
    uint8_t topic_role2[KGR_TOPIC_LEN];
    struct kgr_slice name_nnsk;
    struct kgr_slice name_nnsksign;
};

KGR_MUST_CHECK enum kgr_error kgr_kc_input_encode(struct kgr_wr *wr, const struct kgr_kc_input *m);
