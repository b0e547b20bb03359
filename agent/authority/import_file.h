/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/wire/order.h"

/*
 * A list of nodes and pairs as text (docs/operator.md, "Many nodes at once"): a record a line, comma-separated, spaces around a
 * value do not count, "#" begins a comment. Pure.
 *     node,N_ID[,EK-HASH[,VALID]]
 *     pair,N_ID,N_ID[,MIN-SUITE[,MIN-CUSTODY]]
 *     deny,N_ID,N_ID
 */
#define KGR_IMPORT_DEFAULT_VALIDITY_S (7u * 86400u)

enum kgr_import_kind { KGR_IMPORT_NODE, KGR_IMPORT_PAIR, KGR_IMPORT_DENY };

struct kgr_import_entry {
    unsigned int line;
    enum kgr_import_kind kind;
    struct kgr_nid nids[2]; /* one for a node */
    bool has_ek;
    uint8_t ek_hash[KGR_DIGEST_LEN];
    uint32_t validity_s;
    uint8_t min_suite;
    uint8_t min_custody;
};

struct kgr_import_file {
    struct kgr_import_entry *entries; /* owned */
    size_t num_entries;
};

/*
 * kgr_import_file_parse reads text; name stands in errors as "name:line: ". The first mistake is KGR_ERR_INVALID; a node or pair that
 * stands there twice is one. *out is freed by kgr_import_file_deinit, also after a failure; begin with {0}.
 */
KGR_MUST_CHECK enum kgr_error kgr_import_file_parse(struct kgr_import_file *out, const char *name,
                                                    struct kgr_slice text, struct kgr_diag *diag);
void kgr_import_file_deinit(struct kgr_import_file *file);
