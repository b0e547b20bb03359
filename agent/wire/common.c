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

void kgr_wire_read_two_nids(struct kgr_rd *rd, struct kgr_nid *first, struct kgr_nid *second)
{
    kgr_wire_read_nid(rd, first);
    kgr_wire_read_nid(rd, second);
    if (kgr_nid_cmp(first, second) == 0)
        kgr_rd_fail(rd);
}

struct kgr_slice kgr_wire_read_opt_nid(struct kgr_rd *rd)
{
    struct kgr_slice text = kgr_rd_vec8(rd, KGR_NID_MAX);
    struct kgr_nid nid;
    if (text.len != 0 && kgr_nid_set(&nid, (const char *)text.p, text.len) != KGR_OK)
        kgr_rd_fail(rd);
    return text;
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

static bool is_control(uint8_t c, bool lines)
{
    return (c < 0x20 && !(lines && c == '\n')) || c == 0x7f;
}

static struct kgr_slice check_text(struct kgr_rd *rd, struct kgr_slice text, bool lines)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_control(text.p[i], lines))
            kgr_rd_fail(rd);
    return text;
}

struct kgr_slice kgr_wire_read_text8(struct kgr_rd *rd, size_t max)
{
    return check_text(rd, kgr_rd_vec8(rd, max), false);
}

struct kgr_slice kgr_wire_read_text16(struct kgr_rd *rd, size_t max)
{
    return check_text(rd, kgr_rd_vec16(rd, max), true);
}

/* Cleans what has just been written: the last len bytes of wr. */
static void clean_text(struct kgr_wr *wr, size_t len, bool lines)
{
    if (!kgr_wr_ok(wr))
        return;
    for (size_t i = wr->len - len; i < wr->len; i++)
        if (is_control(wr->p[i], lines))
            wr->p[i] = '?';
}

void kgr_wire_write_text8(struct kgr_wr *wr, struct kgr_slice text, size_t max)
{
    kgr_wire_write_vec8(wr, text, max);
    clean_text(wr, text.len, false);
}

void kgr_wire_write_text16(struct kgr_wr *wr, struct kgr_slice text, size_t max)
{
    kgr_wire_write_vec16(wr, text, max);
    clean_text(wr, text.len, true);
}

uint8_t kgr_wire_read_rekey(struct kgr_rd *rd)
{
    uint8_t rekey = kgr_wire_read_mask(rd, KGR_REKEY_WANTED | KGR_REKEY_STORAGE);
    if (rekey == KGR_REKEY_STORAGE)
        kgr_rd_fail(rd);
    return rekey;
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

enum kgr_error kgr_wire_nid_decode(struct kgr_nid *out, struct kgr_slice body)
{
    struct kgr_nid nid;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &nid);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = nid;
    return err;
}

enum kgr_error kgr_wire_nid_encode(struct kgr_wr *wr, const struct kgr_nid *in)
{
    kgr_wire_write_nid(wr, in);
    return kgr_wire_write_result(wr);
}
