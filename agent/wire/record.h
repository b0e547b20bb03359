/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/suite.h"

/* The record (docs/protocol.md, "Record"): what seal makes and open takes. */

#define KGR_RECORD_MAGIC      "KGRrec\0\1" /* 8 bytes, the version among them */
#define KGR_RECORD_HEADER_LEN 28
#define KGR_RECORD_DATA_MAX   65536
#define KGR_RECORD_AAD_MAX    4096 /* of the application */
#define KGR_RECORD_MAX                                                                             \
    (KGR_RECORD_HEADER_LEN + KGR_IV_LEN + KGR_RECORD_DATA_MAX + KGR_BLOCK_LEN + KGR_TAG_MAX)

struct kgr_record_header {
    uint8_t suite; /* enum kgr_suite */
    uint8_t role;  /* of the sender: 1 or 2 */
    bool stored;
    uint64_t generation; /* from 1 */
    uint64_t sequence;   /* from 1 */
};

/* A record in parts, all borrowed. The associated data are header_bytes, then the application's. */
struct kgr_record {
    struct kgr_record_header header;
    struct kgr_slice header_bytes;
    const uint8_t *iv;
    struct kgr_slice ciphertext;
    struct kgr_slice tag;
};

/* kgr_record_parse takes a record apart. KGR_ERR_CORRUPT; KGR_ERR_TOO_LARGE above KGR_RECORD_MAX. */
KGR_MUST_CHECK enum kgr_error kgr_record_parse(struct kgr_record *out, struct kgr_slice record);

/* A record under construction: where its parts stand in the caller's buffer. */
struct kgr_record_room {
    struct kgr_slice header_bytes;
    uint8_t *ciphertext; /* room for kgr_suite_ciphertext_len(data_len) */
    uint8_t *tag;        /* room for kgr_suite_tag_len(suite) */
    size_t len;          /* of the whole record */
};

/*
 * kgr_record_begin writes header and IV into buf and tells where ciphertext and tag go.
 * KGR_ERR_SHORT_BUFFER, KGR_ERR_TOO_LARGE above KGR_RECORD_DATA_MAX, KGR_ERR_INVALID for a header that
 * parse would refuse.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_begin(struct kgr_record_room *out, uint8_t *buf,
                                               size_t cap, const struct kgr_record_header *header,
                                               const uint8_t iv[KGR_IV_LEN], size_t data_len);

/*
 * kgr_mac_input_reserved tells whether raw MAC input begins with the magic of a record or of a key
 * confirmation, which every raw MAC refuses.
 */
bool kgr_mac_input_reserved(struct kgr_slice input);
