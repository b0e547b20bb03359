/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_audit.h"

void kgr_audit_entry_read(struct kgr_rd *rd, struct kgr_audit_entry *out)
{
    const uint8_t *begin = rd->p;
    out->id = kgr_rd_u64(rd);
    out->time_s = kgr_rd_u64(rd);
    out->what = kgr_wire_read_range(rd, KGR_AUDIT_ACCEPTED, KGR_AUDIT_MIRROR);
    out->kind = kgr_rd_u8(rd);
    out->number = kgr_rd_u64(rd);
    out->status = kgr_rd_u32(rd);
    out->count = kgr_rd_u32(rd);
    out->subject = kgr_wire_read_text8(rd, KGR_AUDIT_SUBJECT_MAX);
    out->text = kgr_wire_read_text8(rd, KGR_AUDIT_TEXT_MAX);
    out->covered = kgr_rd_ok(rd) ? kgr_slice(begin, (size_t)(rd->p - begin)) : kgr_slice(NULL, 0);
    kgr_rd_bytes(rd, out->hash, sizeof out->hash);
    if (kgr_rd_ok(rd) && (out->id == 0 || out->count == 0))
        kgr_rd_fail(rd);
}

void kgr_audit_entry_write(struct kgr_wr *wr, const struct kgr_audit_entry *in)
{
    kgr_wr_u64(wr, in->id);
    kgr_wr_u64(wr, in->time_s);
    kgr_wr_u8(wr, in->what);
    kgr_wr_u8(wr, in->kind);
    kgr_wr_u64(wr, in->number);
    kgr_wr_u32(wr, in->status);
    kgr_wr_u32(wr, in->count);
    kgr_wire_write_text8(wr, in->subject, KGR_AUDIT_SUBJECT_MAX);
    kgr_wire_write_text8(wr, in->text, KGR_AUDIT_TEXT_MAX);
}

enum kgr_error kgr_audit_query_decode(struct kgr_audit_query *out, struct kgr_slice body)
{
    struct kgr_audit_query m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.from = kgr_rd_u64(&rd);
    m.since_s = kgr_rd_u64(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_audit_query_encode(struct kgr_wr *wr, const struct kgr_audit_query *in)
{
    kgr_wr_u64(wr, in->from);
    kgr_wr_u64(wr, in->since_s);
    return kgr_wire_write_result(wr);
}

void kgr_audit_head_read(struct kgr_rd *rd, struct kgr_audit_head *out)
{
    out->newest = kgr_rd_u64(rd);
    kgr_rd_bytes(rd, out->before, sizeof out->before);
    out->num = kgr_rd_u16(rd);
}

void kgr_audit_head_write(struct kgr_wr *wr, const struct kgr_audit_head *in)
{
    kgr_wr_u64(wr, in->newest);
    kgr_wr_bytes(wr, in->before, sizeof in->before);
    kgr_wr_u16(wr, in->num);
}
