/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_notice.h"

enum kgr_error kgr_notice_decode(struct kgr_notice *out, struct kgr_slice body)
{
    struct kgr_notice m = {0};
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    m.word = kgr_rd_u64(&rd);
    m.kind = kgr_wire_read_range(&rd, KGR_NOTICE_ALLOWED, KGR_NOTICE_NODE_REVOKED);
    m.floor = kgr_rd_u64(&rd);
    if (m.kind != KGR_NOTICE_NODE_REVOKED)
        kgr_wire_read_nid(&rd, &m.peer);
    else if (kgr_rd_vec8(&rd, KGR_NID_MAX).len != 0 || m.floor != 0)
        kgr_rd_fail(&rd);
    if (kgr_wire_read_result(&rd) != KGR_OK)
        return KGR_ERR_CORRUPT;
    *out = m;
    return KGR_OK;
}

enum kgr_error kgr_notice_encode(struct kgr_wr *wr, const struct kgr_notice *in)
{
    kgr_wr_u64(wr, in->word);
    kgr_wr_u8(wr, in->kind);
    kgr_wr_u64(wr, in->floor);
    if (in->kind == KGR_NOTICE_NODE_REVOKED)
        kgr_wr_vec8(wr, kgr_slice(NULL, 0));
    else
        kgr_wire_write_nid(wr, &in->peer);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_notice_ack_decode(uint64_t *out_word, struct kgr_slice body)
{
    struct kgr_rd rd;
    uint64_t word;

    kgr_rd_init(&rd, body.p, body.len);
    word = kgr_rd_u64(&rd);
    if (kgr_wire_read_result(&rd) != KGR_OK)
        return KGR_ERR_CORRUPT;
    *out_word = word;
    return KGR_OK;
}

enum kgr_error kgr_notice_ack_encode(struct kgr_wr *wr, uint64_t word)
{
    kgr_wr_u64(wr, word);
    return kgr_wire_write_result(wr);
}
