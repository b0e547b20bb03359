/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"

/*
 * Fields that many messages share. Readers mark the input as malformed when a value is none of the
 * stated ones; writers fail on values that a reader would refuse.
 */
void kgr_rd_nid(struct kgr_rd *rd, struct kgr_nid *out);
void kgr_wr_nid(struct kgr_wr *wr, const struct kgr_nid *nid);

/* An N_ID that may be missing: length 0, which is an empty string here. */
void kgr_rd_opt_nid(struct kgr_rd *rd, struct kgr_nid *out);
void kgr_wr_opt_nid(struct kgr_wr *wr, const struct kgr_nid *nid);

/*
 * Text as vec8 or vec16, at most cap - 1 bytes, NUL-terminated here. Control characters (a line feed
 * in a vec16 excepted) are malformed for the reader and become '?' at the writer, so that what a
 * terminal gets to see cannot steer it. The writers cut at the last byte that the field can hold.
 */
void kgr_rd_text8(struct kgr_rd *rd, char *out, size_t cap);
void kgr_wr_text8(struct kgr_wr *wr, const char *text, size_t cap);
void kgr_rd_text16(struct kgr_rd *rd, char *out, size_t cap);
void kgr_wr_text16(struct kgr_wr *wr, const char *text, size_t cap);

/* A host name or address: vec8 of 1 to 255 characters of A-Z a-z 0-9 . _ - : % */
#define KGR_HOST_MAX 255
void kgr_rd_host(struct kgr_rd *rd, char out[KGR_HOST_MAX + 1]);
bool kgr_host_valid(const char *host);

/* kgr_rd_flags reads a u8 of which only the bits in known may be set. */
uint8_t kgr_rd_flags(struct kgr_rd *rd, uint8_t known);
/* kgr_rd_range reads a u8 from lo to hi. */
uint8_t kgr_rd_range(struct kgr_rd *rd, uint8_t lo, uint8_t hi);

/* The end of every decoder and encoder: KGR_ERR_CORRUPT, KGR_ERR_SHORT_BUFFER. */
KGR_MUST_CHECK enum kgr_error kgr_rd_result(const struct kgr_rd *rd);
KGR_MUST_CHECK enum kgr_error kgr_wr_result(const struct kgr_wr *wr);
