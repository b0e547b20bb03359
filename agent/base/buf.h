/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Bounded reading and writing of big-endian wire data. Both sides keep a sticky failure: a decoder
 * reads like the table it implements and asks once at the end. After a failure getters return zero
 * and NULL, and nothing more is consumed or written.
 */

/* A borrowed run of bytes. {NULL, 0} is a valid empty slice. */
struct kgr_slice {
    const uint8_t *p;
    size_t len;
};

static inline struct kgr_slice kgr_slice(const void *p, size_t len)
{
    struct kgr_slice s = {p, len};
    return s;
}

struct kgr_rd {
    const uint8_t *p; /* borrowed */
    size_t len;       /* bytes left */
    bool failed;
};

void kgr_rd_init(struct kgr_rd *rd, const void *p, size_t len);
uint8_t kgr_rd_u8(struct kgr_rd *rd);
uint16_t kgr_rd_u16(struct kgr_rd *rd);
uint32_t kgr_rd_u32(struct kgr_rd *rd);
uint64_t kgr_rd_u64(struct kgr_rd *rd);
/* kgr_rd_bytes copies exactly len bytes into out; out is zeroed on failure. */
void kgr_rd_bytes(struct kgr_rd *rd, void *out, size_t len);
/* kgr_rd_ref borrows exactly len bytes of the input; NULL on failure. */
const uint8_t *kgr_rd_ref(struct kgr_rd *rd, size_t len);
/* Vectors: a length of 8 or 16 bits, then that many bytes; more than max is a failure. */
struct kgr_slice kgr_rd_vec8(struct kgr_rd *rd, size_t max);
struct kgr_slice kgr_rd_vec16(struct kgr_rd *rd, size_t max);
/* kgr_rd_rest borrows everything that is left. */
struct kgr_slice kgr_rd_rest(struct kgr_rd *rd);
/* kgr_rd_fail marks the input as malformed: for checks of values by the caller. */
void kgr_rd_fail(struct kgr_rd *rd);
bool kgr_rd_ok(const struct kgr_rd *rd);
/* kgr_rd_done: nothing failed and nothing is left. Every decoder ends with it. */
KGR_MUST_CHECK bool kgr_rd_done(const struct kgr_rd *rd);

struct kgr_wr {
    uint8_t *p; /* borrowed */
    size_t cap;
    size_t len; /* bytes written */
    bool failed;
};

void kgr_wr_init(struct kgr_wr *wr, void *p, size_t cap);
void kgr_wr_u8(struct kgr_wr *wr, uint8_t v);
void kgr_wr_u16(struct kgr_wr *wr, uint16_t v);
void kgr_wr_u32(struct kgr_wr *wr, uint32_t v);
void kgr_wr_u64(struct kgr_wr *wr, uint64_t v);
void kgr_wr_bytes(struct kgr_wr *wr, const void *p, size_t len);
void kgr_wr_zero(struct kgr_wr *wr, size_t len);
/* A slice longer than its length field can say is a failure. */
void kgr_wr_vec8(struct kgr_wr *wr, struct kgr_slice s);
void kgr_wr_vec16(struct kgr_wr *wr, struct kgr_slice s);
/* kgr_wr_reserve returns room for len bytes to be filled by the caller; NULL on failure. */
uint8_t *kgr_wr_reserve(struct kgr_wr *wr, size_t len);
/* A 16-bit length that is filled in later: mark = kgr_wr_begin16(wr); ...; kgr_wr_end16(wr, mark). */
size_t kgr_wr_begin16(struct kgr_wr *wr);
void kgr_wr_end16(struct kgr_wr *wr, size_t mark);
KGR_MUST_CHECK bool kgr_wr_ok(const struct kgr_wr *wr);
struct kgr_slice kgr_wr_slice(const struct kgr_wr *wr);

/* memcpy and memcmp with the empty-slice rule: NULL with length 0 is legal. */
void kgr_copy(void *dst, const void *src, size_t len);
bool kgr_slice_equal(struct kgr_slice a, struct kgr_slice b); /* not for secrets */
