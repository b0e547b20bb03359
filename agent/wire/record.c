/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/record.h"

#include <string.h>

const uint8_t kgr_record_magic[8] = {'K', 'G', 'R', 'r', 'e', 'c', 0, 1};

size_t kgr_record_len(enum kgr_suite suite, size_t plaintext_len)
{
    return KGR_RECORD_HEADER_LEN + KGR_IV_LEN + kgr_suite_ciphertext_len(plaintext_len) +
           kgr_suite_tag_len(suite);
}

enum kgr_error kgr_record_decode(struct kgr_record *out, struct kgr_slice bytes)
{
    struct kgr_record r = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, bytes.p, bytes.len);
    r.aad = kgr_slice(bytes.p, KGR_RECORD_HEADER_LEN);
    const uint8_t *magic = kgr_rd_ref(&rd, sizeof kgr_record_magic);
    if (magic == NULL || memcmp(magic, kgr_record_magic, sizeof kgr_record_magic) != 0)
        return KGR_ERR_CORRUPT;
    r.header.suite = kgr_wire_read_range(&rd, 1, 2);
    r.header.role = kgr_wire_read_range(&rd, 1, 2);
    uint8_t flags = kgr_wire_read_mask(&rd, KGR_RECORD_STORED | KGR_RECORD_MESSAGE);
    r.header.stored = (flags & KGR_RECORD_STORED) != 0;
    r.header.message = (flags & KGR_RECORD_MESSAGE) != 0;
    if (r.header.stored && r.header.message)
        kgr_rd_fail(&rd);
    if (kgr_rd_u8(&rd) != 0)
        kgr_rd_fail(&rd);
    r.header.generation = kgr_rd_u64(&rd);
    r.header.sequence = kgr_rd_u64(&rd);
    r.iv = kgr_rd_ref(&rd, KGR_IV_LEN);
    if (!kgr_rd_ok(&rd) || r.header.generation == 0 || r.header.sequence == 0)
        return KGR_ERR_CORRUPT;
    size_t tag_len = kgr_suite_tag_len((enum kgr_suite)r.header.suite);
    if (rd.len < KGR_BLOCK_LEN + tag_len || (rd.len - tag_len) % KGR_BLOCK_LEN != 0)
        return KGR_ERR_CORRUPT;
    size_t body_len = rd.len - tag_len;
    r.body = kgr_slice(kgr_rd_ref(&rd, body_len), body_len);
    r.tag = kgr_rd_rest(&rd);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    *out = r;
    return KGR_OK;
}

enum kgr_error kgr_record_header_encode(struct kgr_wr *wr, const struct kgr_record_header *in)
{
    kgr_wr_bytes(wr, kgr_record_magic, sizeof kgr_record_magic);
    kgr_wr_u8(wr, in->suite);
    kgr_wr_u8(wr, in->role);
    kgr_wr_u8(wr, (uint8_t)((in->stored ? KGR_RECORD_STORED : 0) |
                            (in->message ? KGR_RECORD_MESSAGE : 0)));
    kgr_wr_u8(wr, 0);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u64(wr, in->sequence);
    return kgr_wire_write_result(wr);
}
