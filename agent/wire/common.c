/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/common.h"

#include <string.h>

void kgr_wire_read_nid(struct kgr_rd *rd, struct kgr_nid *out)
{
    struct kgr_slice text = kgr_rd_vec8(rd, KGR_NID_MAX);
    char copy[KGR_NID_MAX + 1] = {0};
    memset(out, 0, sizeof *out);
    if (!kgr_rd_ok(rd))
        return;
    kgr_copy(copy, text.p, text.len);
    if (kgr_nid_set(out, copy, text.len) != KGR_OK)
        kgr_rd_fail(rd);
}

void kgr_wire_write_nid(struct kgr_wr *wr, const struct kgr_nid *nid)
{
    size_t len = strnlen(nid->s, sizeof nid->s);
    if (len == 0 || len > KGR_NID_MAX) {
        wr->failed = true;
        return;
    }
    kgr_wr_vec8(wr, kgr_slice(nid->s, len));
}

void kgr_wire_read_object(struct kgr_rd *rd, struct kgr_wire_object *out)
{
    out->pub = kgr_rd_vec16(rd, KGR_WIRE_PUBLIC_MAX);
    out->duplicate = kgr_rd_vec16(rd, KGR_WIRE_PRIVATE_MAX);
    out->seed = kgr_rd_vec16(rd, KGR_WIRE_SECRET_MAX);
}

void kgr_wire_write_object(struct kgr_wr *wr, const struct kgr_wire_object *object)
{
    kgr_wire_write_vec16(wr, object->pub, KGR_WIRE_PUBLIC_MAX);
    kgr_wire_write_vec16(wr, object->duplicate, KGR_WIRE_PRIVATE_MAX);
    kgr_wire_write_vec16(wr, object->seed, KGR_WIRE_SECRET_MAX);
}

uint8_t kgr_wire_read_range(struct kgr_rd *rd, uint8_t lowest, uint8_t highest)
{
    uint8_t value = kgr_rd_u8(rd);
    if (value < lowest || value > highest)
        kgr_rd_fail(rd);
    return value;
}

uint8_t kgr_wire_read_mask(struct kgr_rd *rd, unsigned int allowed)
{
    uint8_t value = kgr_rd_u8(rd);
    if ((value & ~allowed) != 0)
        kgr_rd_fail(rd);
    return value;
}

void kgr_wire_write_vec8(struct kgr_wr *wr, struct kgr_slice s, size_t max)
{
    if (s.len > max)
        wr->failed = true;
    else
        kgr_wr_vec8(wr, s);
}

void kgr_wire_write_vec16(struct kgr_wr *wr, struct kgr_slice s, size_t max)
{
    if (s.len > max)
        wr->failed = true;
    else
        kgr_wr_vec16(wr, s);
}

bool kgr_wire_read_flag(struct kgr_rd *rd)
{
    return kgr_wire_read_range(rd, 0, 1) == 1;
}

enum kgr_error kgr_wire_read_result(const struct kgr_rd *rd)
{
    return kgr_rd_done(rd) ? KGR_OK : KGR_ERR_CORRUPT;
}

enum kgr_error kgr_wire_write_result(const struct kgr_wr *wr)
{
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}
