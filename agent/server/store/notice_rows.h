/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/server/machines/notices.h"
#include "agent/store/db.h"

/* The table of notices. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notice_keep(struct kgr_db *db, const struct kgr_nid *nid,
                                                 const struct kgr_notices_entry *entry,
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_notice_erase(struct kgr_db *db, const struct kgr_nid *nid,
                                                  uint64_t word, struct kgr_diag *diag);
/* kgr_ks_notice_erase_all erases those of one node. */
KGR_MUST_CHECK enum kgr_error kgr_ks_notice_erase_all(struct kgr_db *db, const struct kgr_nid *nid,
                                                      struct kgr_diag *diag);
/* kgr_ks_notice_each calls fn with all, those of a node in the order of words. */
typedef enum kgr_error kgr_ks_notice_fn(void *arg, const struct kgr_nid *nid,
                                        const struct kgr_notices_entry *entry);
KGR_MUST_CHECK enum kgr_error kgr_ks_notice_each(struct kgr_db *db, kgr_ks_notice_fn *fn, void *arg,
                                                 struct kgr_diag *diag);
