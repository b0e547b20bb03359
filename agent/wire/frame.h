/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* The frame: docs/protocol.md, section 3. */
#define KGR_FRAME_VERSION    1
#define KGR_FRAME_HEADER_LEN 52
#define KGR_FRAME_BODY_MIN   16
#define KGR_FRAME_BODY_MAX   32768 /* of E */
#define KGR_FRAME_TAG_MAX    KGR_TAG_MAX
#define KGR_FRAME_MIN        (KGR_FRAME_HEADER_LEN + 16 + KGR_FRAME_BODY_MIN + 16)
#define KGR_FRAME_MAX        (KGR_FRAME_HEADER_LEN + 16 + KGR_FRAME_BODY_MAX + KGR_FRAME_TAG_MAX)
/* Most bytes of a body before padding. */
#define KGR_FRAME_PLAIN_MAX (KGR_FRAME_BODY_MAX - 1)

enum kgr_frame_type {
    KGR_FRAME_REG_REQ = 1,
    KGR_FRAME_REG_CHAL = 2,
    KGR_FRAME_REG_PROOF = 3,
    KGR_FRAME_REG_DONE = 4,
    KGR_FRAME_SYNC_REQ = 5,
    KGR_FRAME_SYNC_ANS = 6,
    KGR_FRAME_KEY_REQ = 7,
    KGR_FRAME_KEY_ANS = 8,
    KGR_FRAME_ADV_REQ = 9,
    KGR_FRAME_ADV_ANS = 10,
    KGR_FRAME_CONF_REQ = 11,
    KGR_FRAME_CONF_ANS = 12,
    KGR_FRAME_DONE = 13,
    KGR_FRAME_NACK = 14,
    KGR_FRAME_NKSK_REQ = 16,
    KGR_FRAME_NKSK_CHAL = 17,
    KGR_FRAME_NKSK_PROOF = 18,
    KGR_FRAME_NKSK_DONE = 19,
    KGR_FRAME_ORDER = 20,
    KGR_FRAME_RESULT = 21,
    KGR_FRAME_NOTICE = 22,
    KGR_FRAME_NOTICE_ACK = 23,
};

enum kgr_frame_role { KGR_ROLE_NODE = 1, KGR_ROLE_KS = 2, KGR_ROLE_AC = 3 };

struct kgr_frame_header {
    uint8_t type; /* any value: an unknown one is refused after key_id is known */
    uint8_t suite;
    uint8_t role;
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t xid[KGR_XID_LEN];
    uint32_t epoch;
    uint32_t counter;
};

/* A parsed frame; everything borrows the input. */
struct kgr_frame {
    struct kgr_frame_header header;
    struct kgr_slice aad;  /* the 52 bytes of the header */
    const uint8_t *iv;     /* 16 bytes */
    struct kgr_slice body; /* E */
    struct kgr_slice tag;
};

static inline uint64_t kgr_frame_sequence(const struct kgr_frame_header *h)
{
    return (uint64_t)h->epoch << 32 | h->counter;
}

/* Why a frame was refused before its key was looked up (docs/protocol.md, section 3.1, step 1). */
enum kgr_frame_fault { KGR_FRAME_FINE, KGR_FRAME_BAD_SIZE, KGR_FRAME_BAD_VERSION };

/*
 * kgr_frame_parse takes len bytes apart: magic, version, suite, role, and the length of E against the
 * size. out is untouched unless the answer is KGR_FRAME_FINE.
 */
KGR_MUST_CHECK enum kgr_frame_fault kgr_frame_parse(struct kgr_frame *out, const void *bytes,
                                                    size_t len);

/*
 * kgr_frame_layout writes the header of a frame whose body has plain_len bytes, and makes room behind it.
 * The caller fills iv, body and tag through the pointers, which lie in wr's buffer.
 */
struct kgr_frame_layout {
    struct kgr_slice aad;
    uint8_t *iv;
    uint8_t *body;
    size_t body_len;
    uint8_t *tag;
    size_t tag_len;
};
KGR_MUST_CHECK enum kgr_error kgr_frame_layout(struct kgr_frame_layout *out, struct kgr_wr *wr,
                                               const struct kgr_frame_header *header,
                                               size_t plain_len);
