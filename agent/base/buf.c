/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"

#include <string.h>

void kgr_rd_init(struct kgr_rd *rd, const void *p, size_t len)
{
    rd->p = p;
    rd->len = len;
    rd->failed = p == NULL && len != 0;
}

const uint8_t *kgr_rd_ref(struct kgr_rd *rd, size_t len)
{
    const uint8_t *p = rd->p;

    if (rd->failed || len > rd->len) {
        rd->failed = true;
        return NULL;
    }
    if (len != 0) {
        rd->p += len;
        rd->len -= len;
    }
    return p;
}

static uint64_t rd_uint(struct kgr_rd *rd, size_t len)
{
    const uint8_t *p = kgr_rd_ref(rd, len);
    uint64_t v = 0;

    if (p == NULL)
        return 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t kgr_rd_u8(struct kgr_rd *rd)
{
    return (uint8_t)rd_uint(rd, 1);
}

uint16_t kgr_rd_u16(struct kgr_rd *rd)
{
    return (uint16_t)rd_uint(rd, 2);
}

uint32_t kgr_rd_u32(struct kgr_rd *rd)
{
    return (uint32_t)rd_uint(rd, 4);
}

uint64_t kgr_rd_u64(struct kgr_rd *rd)
{
    return rd_uint(rd, 8);
}

void kgr_rd_bytes(struct kgr_rd *rd, void *out, size_t len)
{
    const uint8_t *p = kgr_rd_ref(rd, len);

    if (len == 0)
        return;
    if (p == NULL)
        memset(out, 0, len);
    else
        memcpy(out, p, len);
}

static struct kgr_slice rd_vec(struct kgr_rd *rd, size_t len, size_t max)
{
    const uint8_t *p;

    if (len > max)
        rd->failed = true;
    p = kgr_rd_ref(rd, len);
    return kgr_slice(p, p == NULL ? 0 : len);
}

struct kgr_slice kgr_rd_vec8(struct kgr_rd *rd, size_t max)
{
    return rd_vec(rd, kgr_rd_u8(rd), max);
}

struct kgr_slice kgr_rd_vec16(struct kgr_rd *rd, size_t max)
{
    return rd_vec(rd, kgr_rd_u16(rd), max);
}

struct kgr_slice kgr_rd_rest(struct kgr_rd *rd)
{
    size_t len = rd->failed ? 0 : rd->len;
    const uint8_t *p = kgr_rd_ref(rd, len);

    return kgr_slice(p, p == NULL ? 0 : len);
}

void kgr_rd_fail(struct kgr_rd *rd)
{
    rd->failed = true;
}

bool kgr_rd_ok(const struct kgr_rd *rd)
{
    return !rd->failed;
}

bool kgr_rd_done(const struct kgr_rd *rd)
{
    return !rd->failed && rd->len == 0;
}

void kgr_wr_init(struct kgr_wr *wr, void *p, size_t cap)
{
    wr->p = p;
    wr->cap = cap;
    wr->len = 0;
    wr->failed = p == NULL && cap != 0;
}

uint8_t *kgr_wr_reserve(struct kgr_wr *wr, size_t len)
{
    uint8_t *p;

    if (wr->failed || len > wr->cap - wr->len) {
        wr->failed = true;
        return NULL;
    }
    if (wr->p == NULL)
        return NULL;
    p = wr->p + wr->len;
    wr->len += len;
    return p;
}

static void put_uint(uint8_t *p, uint64_t v, size_t len)
{
    for (size_t i = len; i > 0; i--) {
        p[i - 1] = (uint8_t)v;
        v >>= 8;
    }
}

static void wr_uint(struct kgr_wr *wr, uint64_t v, size_t len)
{
    uint8_t *p = kgr_wr_reserve(wr, len);

    if (p != NULL)
        put_uint(p, v, len);
}

void kgr_wr_u8(struct kgr_wr *wr, uint8_t v)
{
    wr_uint(wr, v, 1);
}

void kgr_wr_u16(struct kgr_wr *wr, uint16_t v)
{
    wr_uint(wr, v, 2);
}

void kgr_wr_u32(struct kgr_wr *wr, uint32_t v)
{
    wr_uint(wr, v, 4);
}

void kgr_wr_u64(struct kgr_wr *wr, uint64_t v)
{
    wr_uint(wr, v, 8);
}

void kgr_wr_bytes(struct kgr_wr *wr, const void *p, size_t len)
{
    uint8_t *dst = kgr_wr_reserve(wr, len);

    if (dst != NULL)
        kgr_copy(dst, p, len);
}

void kgr_wr_zero(struct kgr_wr *wr, size_t len)
{
    uint8_t *dst = kgr_wr_reserve(wr, len);

    if (dst != NULL)
        memset(dst, 0, len);
}

void kgr_wr_vec8(struct kgr_wr *wr, struct kgr_slice s)
{
    if (s.len > UINT8_MAX)
        wr->failed = true;
    kgr_wr_u8(wr, (uint8_t)s.len);
    kgr_wr_bytes(wr, s.p, s.len);
}

void kgr_wr_vec16(struct kgr_wr *wr, struct kgr_slice s)
{
    if (s.len > UINT16_MAX)
        wr->failed = true;
    kgr_wr_u16(wr, (uint16_t)s.len);
    kgr_wr_bytes(wr, s.p, s.len);
}

size_t kgr_wr_begin16(struct kgr_wr *wr)
{
    size_t mark = wr->len;

    kgr_wr_u16(wr, 0);
    return mark;
}

void kgr_wr_end16(struct kgr_wr *wr, size_t mark)
{
    size_t len;

    if (wr->failed)
        return;
    len = wr->len - mark - 2;
    if (len > UINT16_MAX) {
        wr->failed = true;
        return;
    }
    put_uint(wr->p + mark, len, 2);
}

bool kgr_wr_ok(const struct kgr_wr *wr)
{
    return !wr->failed;
}

struct kgr_slice kgr_wr_slice(const struct kgr_wr *wr)
{
    return wr->failed ? kgr_slice(NULL, 0) : kgr_slice(wr->p, wr->len);
}

void kgr_copy(void *dst, const void *src, size_t len)
{
    if (len != 0)
        memcpy(dst, src, len);
}

bool kgr_slice_equal(struct kgr_slice a, struct kgr_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
