/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/audit/chain.h"

/* An exported audit log (docs/protocol.md, section 9.3). Pure. */
#define KGR_AUDIT_EXPORT_HEAD_MAX (8u + 2u + KGR_WIRE_PUBLIC_MAX + KGR_DIGEST_LEN)

/* kgr_audit_export_begin writes what stands before the entries. */
KGR_MUST_CHECK enum kgr_error kgr_audit_export_begin(struct kgr_wr *wr, struct kgr_slice pub,
                                                     const uint8_t before[KGR_DIGEST_LEN]);
/*
 * kgr_audit_export_verify reads a whole file. chain is as for kgr_audit_chain_begin; after KGR_ERR_CORRUPT chain->last is
 * the last record that stands, and diag says what is wrong with what follows it. The last record must be a signed head.
 */
KGR_MUST_CHECK enum kgr_error kgr_audit_export_verify(struct kgr_audit_chain *chain,
                                                      struct kgr_slice file, struct kgr_diag *diag);
