/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"
#include "agent/wire/credential.h"

/* Orders of the AC and results of the KS: docs/protocol.md, section 9. Slices borrow the input. */
#define KGR_ORDER_BODY_MAX  16384
#define KGR_RESULT_BODY_MAX 32000
#define KGR_ORDER_MAX       (KGR_ORDER_BODY_MAX + 256)
#define KGR_RESULT_MAX      (KGR_RESULT_BODY_MAX + 256) /* fits a frame */
#define KGR_LABEL_ORDER     "KGR order 1"
#define KGR_LABEL_RESULT    "KGR result 1"

enum kgr_order_kind {
    KGR_ORDER_NODE_ADD = 1,
    KGR_ORDER_NODE_LIST = 2,
    KGR_ORDER_PAIR_ALLOW = 3,
    KGR_ORDER_PAIR_DENY = 4,
    KGR_ORDER_PAIR_LIST = 5,
    KGR_ORDER_NODE_SHOW = 6,
    KGR_ORDER_NODE_REVOKE = 7,
    KGR_ORDER_NODE_REMOVE = 8,
    KGR_ORDER_TOPIC0_ROTATE = 9,
    KGR_ORDER_NODE_REKEY = 10,
    KGR_ORDER_AC_REKEY = 11,
    KGR_ORDER_AUDIT_LIST = 12,
};

struct kgr_order {
    uint8_t kind; /* any value: an unknown one is refused by a result */
    uint8_t ks[KGR_DIGEST_LEN];
    uint64_t number;
    uint64_t expires; /* Unix time in s */
    struct kgr_slice body;
    struct kgr_slice covered; /* decoder: what the signature is over */
    const uint8_t *signature; /* decoder: 64 bytes, borrowed */
};

struct kgr_result {
    uint8_t kind;
    uint8_t ks[KGR_DIGEST_LEN];
    uint64_t number;
    uint32_t status; /* enum kgr_error */
    struct kgr_slice body;
    struct kgr_slice covered;
    const uint8_t *signature;
};

KGR_MUST_CHECK enum kgr_error kgr_order_decode(struct kgr_order *out, struct kgr_slice bytes);
/* The encoders write all before the signature field; kgr_signature_append writes that. */
KGR_MUST_CHECK enum kgr_error kgr_order_encode(struct kgr_wr *wr, const struct kgr_order *in);
KGR_MUST_CHECK enum kgr_error kgr_result_decode(struct kgr_result *out, struct kgr_slice bytes);
KGR_MUST_CHECK enum kgr_error kgr_result_encode(struct kgr_wr *wr, const struct kgr_result *in);
KGR_MUST_CHECK enum kgr_error kgr_signature_append(struct kgr_wr *wr,
                                                   const uint8_t signature[KGR_SIGNATURE_LEN]);

/*
 * kgr_order_subject writes whom an order concerns, for people: the one or two N_IDs that its body begins with,
 * nothing for kinds without any. out holds KGR_ORDER_SUBJECT_MAX + 1.
 */
#define KGR_ORDER_SUBJECT_MAX (2 * KGR_NID_MAX + 1)
void kgr_order_subject(char *out, const struct kgr_order *order);

#define KGR_ORDER_PEERS_MAX 200

struct kgr_order_node_add {
    struct kgr_nid node;
    struct kgr_slice ek_hash; /* 0 or 32 bytes */
    uint32_t validity_s;
    struct kgr_slice host; /* of the broker; empty: the KS's own */
    uint16_t port;
    uint8_t num_peers;
    struct kgr_nid peers[KGR_ORDER_PEERS_MAX];
};

struct kgr_order_pair {
    struct kgr_nid nids[2];
    uint8_t min_suite;   /* 0: any */
    uint8_t min_custody; /* 0: any, 1 resident, 2 mixed */
};

/* On failure the large out of node_add is undefined. */
KGR_MUST_CHECK enum kgr_error kgr_order_node_add_decode(struct kgr_order_node_add *out,
                                                        struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_order_node_add_encode(struct kgr_wr *wr,
                                                        const struct kgr_order_node_add *in);
/* pair_deny carries only the two N_IDs: with_minimum false. */
KGR_MUST_CHECK enum kgr_error kgr_order_pair_decode(struct kgr_order_pair *out,
                                                    struct kgr_slice body, bool with_minimum);
KGR_MUST_CHECK enum kgr_error
kgr_order_pair_encode(struct kgr_wr *wr, const struct kgr_order_pair *in, bool with_minimum);
/* node_list and pair_list: an offset. node_show, node_revoke, node_remove: kgr_wire_nid_decode. */
KGR_MUST_CHECK enum kgr_error kgr_order_offset_decode(uint16_t *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_order_offset_encode(struct kgr_wr *wr, uint16_t offset);

struct kgr_order_rekey {
    struct kgr_nid node;
    bool storage; /* with a new storage key */
};
KGR_MUST_CHECK enum kgr_error kgr_order_rekey_decode(struct kgr_order_rekey *out,
                                                     struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_order_rekey_encode(struct kgr_wr *wr,
                                                     const struct kgr_order_rekey *in);

enum kgr_node_state {
    KGR_NODE_ISSUED = 1,
    KGR_NODE_CHALLENGED = 2,
    KGR_NODE_REGISTERED = 3,
    KGR_NODE_REVOKED = 4,
    KGR_NODE_EXPIRED = 5,
    KGR_NODE_REMOVED = 6,
};
#define KGR_NODE_EK_GIVEN  0x01u
#define KGR_NODE_EK_PROVEN 0x02u
#define KGR_NODE_UNTOLD    0x04u /* a notice to it is not acknowledged */
#define KGR_NAME_MAX       66

struct kgr_node_entry {
    struct kgr_nid node;
    uint8_t state;
    uint8_t flags;
    struct kgr_slice ek_name; /* at most KGR_NAME_MAX; empty before reg_req */
    uint64_t added;           /* Unix time in s */
    uint64_t heard;           /* 0: never */
    uint8_t suites;
    uint8_t custodies;
};
#define KGR_NODE_ENTRY_MAX (1 + KGR_NID_MAX + 2 + 1 + KGR_NAME_MAX + 8 + 8 + 2)

struct kgr_pair_entry {
    struct kgr_nid nids[2];
    uint8_t min_suite;
    uint8_t min_custody;
    uint8_t status; /* 1 allowed, 2 revoked, 3 denied */
    uint64_t generation;
};
#define KGR_PAIR_ENTRY_MAX (2 * (1 + KGR_NID_MAX) + 3 + 8)

/* Entries are read and written one by one: a list's head first, then as many entries as it says. */
struct kgr_list_head {
    uint16_t total;
    uint16_t num;
};
void kgr_list_head_read(struct kgr_rd *rd, struct kgr_list_head *out);
void kgr_list_head_write(struct kgr_wr *wr, const struct kgr_list_head *in);
void kgr_node_entry_read(struct kgr_rd *rd, struct kgr_node_entry *out);
void kgr_node_entry_write(struct kgr_wr *wr, const struct kgr_node_entry *in);
void kgr_pair_entry_read(struct kgr_rd *rd, struct kgr_pair_entry *out);
void kgr_pair_entry_write(struct kgr_wr *wr, const struct kgr_pair_entry *in);

/* The result of node_add: a credential file, encrypted to the AC. */
struct kgr_sealed_credential {
    struct kgr_slice credential;
    struct kgr_slice secret;
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice body; /* E */
    uint8_t tag[16];
};
KGR_MUST_CHECK enum kgr_error kgr_sealed_credential_decode(struct kgr_sealed_credential *out,
                                                           struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_sealed_credential_encode(struct kgr_wr *wr,
                                                           const struct kgr_sealed_credential *in);
