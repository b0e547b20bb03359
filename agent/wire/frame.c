/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/frame.h"

#include <string.h>

static const uint8_t magic[4] = {'K', 'G', 'R', 'F'};

static size_t tag_len_of(uint8_t suite)
{
    return kgr_suite_known(suite) ? kgr_suite_tag_len((enum kgr_suite)suite) : 0;
}

enum kgr_frame_fault kgr_frame_parse(struct kgr_frame *out, const void *bytes, size_t len)
{
    struct kgr_frame f = {0};
    struct kgr_rd rd;
    if (len < KGR_FRAME_MIN || len > KGR_FRAME_MAX)
        return KGR_FRAME_BAD_SIZE;
    kgr_rd_init(&rd, bytes, len);
    f.aad = kgr_slice(bytes, KGR_FRAME_HEADER_LEN);
    const uint8_t *m = kgr_rd_ref(&rd, sizeof magic);
    if (m == NULL || memcmp(m, magic, sizeof magic) != 0 || kgr_rd_u8(&rd) != KGR_FRAME_VERSION)
        return KGR_FRAME_BAD_VERSION;
    f.header.type = kgr_rd_u8(&rd);
    f.header.suite = kgr_rd_u8(&rd);
    f.header.role = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, f.header.key_id, sizeof f.header.key_id);
    kgr_rd_bytes(&rd, f.header.xid, sizeof f.header.xid);
    f.header.epoch = kgr_rd_u32(&rd);
    f.header.counter = kgr_rd_u32(&rd);
    uint32_t body_len = kgr_rd_u32(&rd);
    size_t tag_len = tag_len_of(f.header.suite);
    if (tag_len == 0 || f.header.role < KGR_ROLE_NODE || f.header.role > KGR_ROLE_AC)
        return KGR_FRAME_BAD_VERSION;
    if (body_len < KGR_FRAME_BODY_MIN || body_len > KGR_FRAME_BODY_MAX || body_len % 16 != 0)
        return KGR_FRAME_BAD_SIZE;
    f.iv = kgr_rd_ref(&rd, 16);
    f.body = kgr_slice(kgr_rd_ref(&rd, body_len), body_len);
    f.tag = kgr_slice(kgr_rd_ref(&rd, tag_len), tag_len);
    if (!kgr_rd_done(&rd))
        return KGR_FRAME_BAD_SIZE;
    *out = f;
    return KGR_FRAME_FINE;
}

enum kgr_error kgr_frame_layout(struct kgr_frame_layout *out, struct kgr_wr *wr,
                                const struct kgr_frame_header *header, size_t plain_len)
{
    struct kgr_frame_layout l = {0};
    l.tag_len = tag_len_of(header->suite);
    if (l.tag_len == 0)
        return KGR_ERR_INVALID;
    if (plain_len > KGR_FRAME_PLAIN_MAX)
        return KGR_ERR_TOO_LARGE;
    l.body_len = kgr_suite_ciphertext_len(plain_len);
    size_t start = wr->len;
    kgr_wr_bytes(wr, magic, sizeof magic);
    kgr_wr_u8(wr, KGR_FRAME_VERSION);
    kgr_wr_u8(wr, header->type);
    kgr_wr_u8(wr, header->suite);
    kgr_wr_u8(wr, header->role);
    kgr_wr_bytes(wr, header->key_id, sizeof header->key_id);
    kgr_wr_bytes(wr, header->xid, sizeof header->xid);
    kgr_wr_u32(wr, header->epoch);
    kgr_wr_u32(wr, header->counter);
    kgr_wr_u32(wr, (uint32_t)l.body_len);
    l.iv = kgr_wr_reserve(wr, 16);
    l.body = kgr_wr_reserve(wr, l.body_len);
    l.tag = kgr_wr_reserve(wr, l.tag_len);
    if (!kgr_wr_ok(wr))
        return KGR_ERR_TOO_LARGE;
    l.aad = kgr_slice(wr->p + start, KGR_FRAME_HEADER_LEN);
    *out = l;
    return KGR_OK;
}
