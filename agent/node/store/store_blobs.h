/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/keys/blobs.h"
#include "agent/store/db.h"

/* Columns that more than one table of a node has. For the files store*.c only. */

/* Four columns or parameters from first on: enc public, enc private, mac public, mac private. */
void kgr_store_bind_blobs(struct kgr_stmt *stmt, int first, const struct kgr_key_blobs *blobs);
KGR_MUST_CHECK enum kgr_error kgr_store_read_blobs(struct kgr_stmt *stmt, int first,
                                                   struct kgr_key_blobs *out,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_store_read_nid(struct kgr_stmt *stmt, int column,
                                                 struct kgr_nid *out, struct kgr_diag *diag);
