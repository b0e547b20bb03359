/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/body_registration.h"

/*
 * Orders of the AC and results of the KS (docs/protocol.md, "Orders"): the signed envelope. The bodies are in
 * agent/wire/order_body.h. For encoders and decoders see agent/wire/body_registration.h.
 */

#define KGR_ORDER_BODY_MAX  16384
#define KGR_RESULT_BODY_MAX 60000
#define KGR_ORDER_MAX       (KGR_ORDER_BODY_MAX + 128)
#define KGR_RESULT_MAX      (KGR_RESULT_BODY_MAX + 128)
#define KGR_KS_ID_LEN       32 /* H(signing public of the KS) */

#define KGR_LABEL_ORDER  "KGR order 1"
#define KGR_LABEL_RESULT "KGR result 1"

enum kgr_order_kind {
    KGR_ORDER_NODE_ADD = 1,
    KGR_ORDER_NODE_LIST = 2,
    KGR_ORDER_PAIR_ALLOW = 3,
    KGR_ORDER_PAIR_DENY = 4,
    KGR_ORDER_PAIR_LIST = 5,
    KGR_ORDER_NODE_SHOW = 6,
};

struct kgr_order {
    uint8_t kind; /* a kind that the decoder does not know is decoded all the same */
    uint8_t ks[KGR_KS_ID_LEN];
    uint64_t number;  /* epoch and counter, as kgr_sequence() */
    uint64_t expires; /* Unix time in s */
    struct kgr_slice body;
    uint8_t signature[KGR_SIGNATURE_LEN];
    struct kgr_slice unsigned_part; /* set by decode: all before the signature field */
};

/* What is hashed for the signature; kgr_order_encode is this and the signature field. */
KGR_MUST_CHECK enum kgr_error kgr_order_encode_unsigned(struct kgr_wr *wr,
                                                        const struct kgr_order *m);
KGR_MUST_CHECK enum kgr_error kgr_order_encode(struct kgr_wr *wr, const struct kgr_order *m);
KGR_MUST_CHECK enum kgr_error kgr_order_decode(struct kgr_order *out, struct kgr_slice in);

struct kgr_result {
    uint8_t kind; /* of the order */
    uint8_t ks[KGR_KS_ID_LEN];
    uint64_t number;       /* of the order */
    enum kgr_error status; /* other than KGR_OK: the body is a text */
    struct kgr_slice body;
    uint8_t signature[KGR_SIGNATURE_LEN];
    struct kgr_slice unsigned_part; /* set by decode: all before the signature field */
};

KGR_MUST_CHECK enum kgr_error kgr_result_encode_unsigned(struct kgr_wr *wr,
                                                         const struct kgr_result *m);
KGR_MUST_CHECK enum kgr_error kgr_result_encode(struct kgr_wr *wr, const struct kgr_result *m);
KGR_MUST_CHECK enum kgr_error kgr_result_decode(struct kgr_result *out, struct kgr_slice in);
