/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"

/* The frame (docs/protocol.md, "Frame"): everything outside the ciphertext. */

#define KGR_FRAME_HEADER_LEN 52 /* the associated data */
#define KGR_FRAME_E_MAX      32768
#define KGR_FRAME_BODY_MAX   (KGR_FRAME_E_MAX - 1)
#define KGR_FRAME_MIN        (KGR_FRAME_HEADER_LEN + KGR_IV_LEN + KGR_BLOCK_LEN + 16)
#define KGR_FRAME_MAX        (KGR_FRAME_HEADER_LEN + KGR_IV_LEN + KGR_FRAME_E_MAX + KGR_TAG_MAX)
#define KGR_KEY_ID_LEN       16
#define KGR_XID_LEN          16
#define KGR_NONCE_LEN        32

enum kgr_frame_type {
    KGR_FRAME_REG_REQ = 1,
    KGR_FRAME_REG_CHAL = 2,
    KGR_FRAME_REG_PROOF = 3,
    KGR_FRAME_REG_DONE = 4,
    KGR_FRAME_SYNC_REQ = 5,
    KGR_FRAME_SYNC_ANS = 6,
    KGR_FRAME_NNSK_KEY_REQ = 7,
    KGR_FRAME_NNSK_KEY_ANS = 8,
    KGR_FRAME_NNSK_ADV_REQ = 9,
    KGR_FRAME_NNSK_ADV_ANS = 10,
    KGR_FRAME_NNSK_CONF_REQ = 11,
    KGR_FRAME_NNSK_CONF_ANS = 12,
    KGR_FRAME_NNSK_DONE = 13,
    KGR_FRAME_NACK = 14,
};

enum kgr_frame_role {
    KGR_FRAME_NODE = 1,
    KGR_FRAME_KS = 2,
    KGR_FRAME_AC = 3,
};

struct kgr_frame_header {
    uint8_t type;  /* enum kgr_frame_type, or a number that the receiver does not know */
    uint8_t suite; /* enum kgr_suite */
    uint8_t role;  /* enum kgr_frame_role, or a number that the receiver does not know */
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t xid[KGR_XID_LEN]; /* exchange id */
    uint64_t sequence;        /* kgr_sequence() */
};

/* A frame in parts, all borrowed from the message. */
struct kgr_frame {
    struct kgr_frame_header header;
    struct kgr_slice aad;
    const uint8_t *iv;
    struct kgr_slice ciphertext;
    struct kgr_slice tag;
};

/*
 * kgr_frame_parse takes a message apart: step 1 of "Receiving". KGR_ERR_VERSION for another version
 * of frames, KGR_ERR_TOO_LARGE above KGR_FRAME_MAX, otherwise KGR_ERR_CORRUPT. Type and role are not
 * judged: the key decides which ones may come.
 */
KGR_MUST_CHECK enum kgr_error kgr_frame_parse(struct kgr_frame *out, struct kgr_slice message);

/* A frame under construction: where its parts stand in the caller's buffer. */
struct kgr_frame_room {
    struct kgr_slice aad;
    uint8_t *ciphertext; /* room for kgr_suite_ciphertext_len(body_len) */
    uint8_t *tag;        /* room for kgr_suite_tag_len(suite) */
    size_t len;          /* of the whole frame */
};

/*
 * kgr_frame_begin writes header and IV into buf and tells where ciphertext and tag go; the caller
 * seals the body of body_len bytes there under exactly this iv. KGR_ERR_SHORT_BUFFER,
 * KGR_ERR_TOO_LARGE above KGR_FRAME_BODY_MAX, KGR_ERR_INVALID for an unknown suite.
 */
KGR_MUST_CHECK enum kgr_error kgr_frame_begin(struct kgr_frame_room *out, uint8_t *buf, size_t cap,
                                              const struct kgr_frame_header *header,
                                              const uint8_t iv[KGR_IV_LEN], size_t body_len);

static inline uint64_t kgr_sequence(uint32_t epoch, uint32_t counter)
{
    return (uint64_t)epoch << 32 | counter;
}

static inline uint32_t kgr_sequence_epoch(uint64_t sequence)
{
    return (uint32_t)(sequence >> 32);
}

static inline uint32_t kgr_sequence_counter(uint64_t sequence)
{
    return (uint32_t)sequence;
}

/* kgr_frame_type_name returns the word of docs/protocol.md ("nnsk_key_req") for logs; "unknown" otherwise. */
const char *kgr_frame_type_name(uint8_t type);
