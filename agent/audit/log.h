/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/store/db.h"
#include "agent/wire/body_audit.h"

/*
 * The rows of an audit log: what an operator must be able to prove later, in a chain of hashes (docs/protocol.md, section 9.3).
 * A record is written in the transaction of what it tells of. One thread, the database's.
 */
#define KGR_AUDIT_TABLE                                                                            \
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, before BLOB NOT NULL,"     \
    " entry BLOB NOT NULL, hash BLOB NOT NULL);"

struct kgr_audit_log {
    struct kgr_db *db;          /* borrowed; has KGR_AUDIT_TABLE */
    uint8_t id[KGR_DIGEST_LEN]; /* stands before record 1 */
    uint64_t keep;              /* as many of the newest records stay */
};

struct kgr_audit_event {
    uint8_t what;    /* enum kgr_audit_what */
    uint8_t kind;    /* of an order, op refused; else 0 */
    uint64_t number; /* of an order, generation, record that a head signs; else 0 */
    enum kgr_error status;
    uint32_t count;      /* 0 counts as 1 */
    const char *subject; /* N_IDs, or NULL; cut at KGR_AUDIT_SUBJECT_MAX */
    const char *text;    /* or NULL; cut at KGR_AUDIT_TEXT_MAX */
};

/* The newest record; none is number 0 with the log's id. */
struct kgr_audit_last {
    uint64_t id;
    uint8_t hash[KGR_DIGEST_LEN];
};
KGR_MUST_CHECK enum kgr_error kgr_audit_log_last(const struct kgr_audit_log *log,
                                                 struct kgr_audit_last *out, struct kgr_diag *diag);
/*
 * kgr_audit_log_append adds a record within a transaction and drops the oldest when there are too many; *out_id (may be NULL)
 * gets its number. Errors of the database.
 */
KGR_MUST_CHECK enum kgr_error kgr_audit_log_append(const struct kgr_audit_log *log,
                                                   const struct kgr_audit_event *event,
                                                   uint64_t time_s, uint64_t *out_id,
                                                   struct kgr_diag *diag);
/* kgr_audit_log_page writes a head and as many entries from query on as fit into max bytes of wr. */
KGR_MUST_CHECK enum kgr_error kgr_audit_log_page(const struct kgr_audit_log *log, struct kgr_wr *wr,
                                                 size_t max, const struct kgr_audit_query *query,
                                                 struct kgr_diag *diag);
