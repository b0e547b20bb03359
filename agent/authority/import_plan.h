/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/authority/import_file.h"
#include "agent/authority/roster.h"

/* What an import would change at a KS that has this roster. Pure. */
enum kgr_import_change {
    KGR_IMPORT_SAME,
    KGR_IMPORT_ADD,   /* a node */
    KGR_IMPORT_ALLOW, /* a pair that may have no keys */
    KGR_IMPORT_ALTER, /* the minimums of a pair that may */
    KGR_IMPORT_END,   /* a pair that may have keys gets none any more */
    KGR_IMPORT_CHANGES,
};

struct kgr_import_step {
    const struct kgr_import_entry *entry; /* borrowed */
    enum kgr_import_change change;
    const struct kgr_pair_entry *before; /* borrowed: of ALTER */
};

struct kgr_import_plan {
    struct kgr_import_step *steps; /* owned; nodes first, then as in the file */
    size_t num_steps;
    size_t num_by_change[KGR_IMPORT_CHANGES];
};

/*
 * kgr_import_plan_make: KGR_ERR_REVOKED when the file wants a node back that was revoked, or a pair of one; KGR_ERR_UNKNOWN_PEER when a
 * pair names a node that neither the KS knows nor the file adds. name and line stand in the text.
 */
KGR_MUST_CHECK enum kgr_error
kgr_import_plan_make(struct kgr_import_plan *out, const struct kgr_import_file *file,
                     const char *name, const struct kgr_roster *roster, struct kgr_diag *diag);
void kgr_import_plan_deinit(struct kgr_import_plan *plan);

/* kgr_import_change_word: "same", "add node", "allow", "alter", "deny". */
const char *kgr_import_change_word(enum kgr_import_change change);
