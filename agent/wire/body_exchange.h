/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* Bodies of the exchange and of nack: docs/protocol.md, sections 6 and 7. Slices borrow the input. */

enum kgr_cause { KGR_CAUSE_FIRST = 0, KGR_CAUSE_RENEWAL = 1, KGR_CAUSE_DEMAND = 2 };

/* What every frame but the first begins with. nid1 requested, nid2 is destined. */
struct kgr_exchange_head {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t pxid[KGR_XID_LEN];
    uint64_t generation; /* from 1 */
};

struct kgr_key_req {
    struct kgr_nid nid1;
    struct kgr_nid nid2;
    uint8_t topic3[KGR_TOPIC_LEN];
    uint64_t highest; /* generation that N1 knows */
    uint8_t cause;
};

struct kgr_key_ans {
    struct kgr_exchange_head head;
    uint8_t suite;
    uint8_t custody;
    uint32_t lifetime_s;
    uint8_t iv[KGR_IV_LEN];
    struct kgr_wire_object nnsk;
    struct kgr_wire_object nnsksign;
};

struct kgr_adv_req {
    struct kgr_key_ans key;
    uint8_t topic3[KGR_TOPIC_LEN];
};

/* adv_ans and conf_req, both with topic4 and the kc of N2. */
struct kgr_adv_ans {
    struct kgr_exchange_head head;
    uint8_t topic4[KGR_TOPIC_LEN];
    struct kgr_slice kc; /* 32 or 48 bytes */
};

/* conf_ans and done, both with the kc of N1. */
struct kgr_conf_ans {
    struct kgr_exchange_head head;
    struct kgr_slice kc;
};

enum kgr_nack_reason {
    KGR_NACK_NOT_AUTHORIZED = 1,
    KGR_NACK_BUSY = 2,
    KGR_NACK_EXPIRED = 3,
    KGR_NACK_SUITE = 4,
    KGR_NACK_CUSTODY = 5,
    KGR_NACK_QUOTA = 6,
    KGR_NACK_GENERATION = 7,
    KGR_NACK_SUPERSEDED = 8,
    KGR_NACK_REVOKED = 9,
    KGR_NACK_ABORTED = 10,
    KGR_NACK_UNPROVEN = 13, /* nobody vouches for the TPM */
};

struct kgr_nack {
    uint8_t type; /* of the refused frame */
    uint64_t sequence;
    uint8_t reason;
    uint32_t retry_after_s;
    uint64_t generation;
};

KGR_MUST_CHECK enum kgr_error kgr_key_req_decode(struct kgr_key_req *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_key_req_encode(struct kgr_wr *wr, const struct kgr_key_req *in);
KGR_MUST_CHECK enum kgr_error kgr_key_ans_decode(struct kgr_key_ans *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_key_ans_encode(struct kgr_wr *wr, const struct kgr_key_ans *in);
KGR_MUST_CHECK enum kgr_error kgr_adv_req_decode(struct kgr_adv_req *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_adv_req_encode(struct kgr_wr *wr, const struct kgr_adv_req *in);
/* Also for nnsk_conf_req. */
KGR_MUST_CHECK enum kgr_error kgr_adv_ans_decode(struct kgr_adv_ans *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_adv_ans_encode(struct kgr_wr *wr, const struct kgr_adv_ans *in);
/* Also for nnsk_done. */
KGR_MUST_CHECK enum kgr_error kgr_conf_ans_decode(struct kgr_conf_ans *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_conf_ans_encode(struct kgr_wr *wr, const struct kgr_conf_ans *in);
KGR_MUST_CHECK enum kgr_error kgr_nack_decode(struct kgr_nack *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_nack_encode(struct kgr_wr *wr, const struct kgr_nack *in);

/*
 * kgr_kc_input writes what is confirmed under NNSKsign by the node in role (docs/protocol.md, section 6):
 * nids and listening topics in the order of roles, Names of NNSK and NNSKsign.
 */
struct kgr_kc {
    uint8_t role; /* 1 or 2: of the node that confirms */
    uint8_t pxid[KGR_XID_LEN];
    uint64_t generation;
    uint8_t suite;
    struct kgr_nid nids[2];
    uint8_t topics[2][KGR_TOPIC_LEN];
    struct kgr_slice name_enc;
    struct kgr_slice name_mac;
};
#define KGR_KC_INPUT_MAX 512
KGR_MUST_CHECK enum kgr_error kgr_kc_input(struct kgr_wr *wr, const struct kgr_kc *in);

/* The 8 bytes that kc's input begins with: raw MACs refuse data that begins so. */
extern const uint8_t kgr_kc_magic[8];
