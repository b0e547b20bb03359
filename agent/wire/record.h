/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* The record: docs/protocol.md, section 8. */
#define KGR_RECORD_HEADER_LEN 28
#define KGR_RECORD_STORED     0x01u
#define KGR_RECORD_MESSAGE    0x02u
#define KGR_RECORD_PLAIN_MAX  61440 /* of a message */

extern const uint8_t kgr_record_magic[8];

struct kgr_record_header {
    uint8_t suite;
    uint8_t role; /* of the sender, 1 or 2 */
    bool stored;
    bool message;        /* not with stored */
    uint64_t generation; /* from 1 */
    uint64_t sequence;   /* from 1 */
};

/* A parsed record; everything borrows the input. */
struct kgr_record {
    struct kgr_record_header header;
    struct kgr_slice aad; /* the 28 bytes of the header */
    const uint8_t *iv;
    struct kgr_slice body;
    struct kgr_slice tag;
};

/* kgr_record_len is the length of the record of plaintext_len bytes under a suite. */
size_t kgr_record_len(enum kgr_suite suite, size_t plaintext_len);

KGR_MUST_CHECK enum kgr_error kgr_record_decode(struct kgr_record *out, struct kgr_slice bytes);
/* kgr_record_header_encode writes the header; IV, body and tag follow it. */
KGR_MUST_CHECK enum kgr_error kgr_record_header_encode(struct kgr_wr *wr,
                                                       const struct kgr_record_header *in);
