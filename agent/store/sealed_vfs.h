/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/page.h"

/*
 * A VFS of SQLite's in which every page, in the database file and in its write-ahead log, is sealed. Within agent/store
 * only. One database uses one VFS, on one thread.
 *
 * A page on disk is bound to its number; a page in the log also to the log's salts and its place there. What stays in
 * clear are the sizes of both files and the log's headers (page numbers and SQLite's checksums, which are of
 * the content: they show whether two versions of a page are equal, nothing more). SQLite is given reserved
 * bytes at the end of every page for what sealing adds.
 *
 * Only the database and its log exist on disk: a rollback journal or a temporary file, which would hold content in clear,
 * cannot be opened.
 */
#define KGR_PAGE_RESERVED (KGR_PAGE_LEN - KGR_PAGE_CONTENT)

/* Where a log has its parts (https://www.sqlite.org/fileformat2.html, section 4.1). */
#define KGR_WAL_HEADER_LEN 32u
#define KGR_WAL_FRAME_LEN  24u
#define KGR_WAL_SALTS_AT   16u
#define KGR_WAL_SALTS_LEN  8u

/* The associated data of a page. */
#define KGR_PAGE_AAD_MAX 32
struct kgr_slice kgr_page_aad(uint8_t out[KGR_PAGE_AAD_MAX], uint32_t number);
struct kgr_slice kgr_wal_aad(uint8_t out[KGR_PAGE_AAD_MAX], const uint8_t salts[KGR_WAL_SALTS_LEN],
                             uint64_t frame_at, uint32_t number);

struct kgr_sealed_vfs;

/* kgr_sealed_vfs_new registers a VFS; cipher is borrowed until kgr_sealed_vfs_free. */
KGR_MUST_CHECK enum kgr_error kgr_sealed_vfs_new(struct kgr_sealed_vfs **out,
                                                 const struct kgr_page_cipher *cipher);
/* kgr_sealed_vfs_free after every file of it is closed; accepts NULL. */
void kgr_sealed_vfs_free(struct kgr_sealed_vfs *vfs);
const char *kgr_sealed_vfs_name(const struct kgr_sealed_vfs *vfs);
/* kgr_sealed_vfs_refused is the number of the first page that did not open; 0: none. */
uint32_t kgr_sealed_vfs_refused(const struct kgr_sealed_vfs *vfs);
