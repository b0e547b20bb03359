/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/audit/signature.h"
#include "agent/base/diag.h"
#include "agent/wire/body_audit.h"

/*
 * Whether records of an audit log follow one another (docs/protocol.md, section 9.3), whether the heads among them are signed by
 * the log's key, and whether they hold the record that was checked last time. Begin with a zeroed struct and the pinned record,
 * if any. Pure.
 */
struct kgr_audit_chain {
    uint64_t last; /* record; 0: none yet */
    uint8_t hash[KGR_DIGEST_LEN];
    uint64_t first;     /* record that the chain began with */
    uint64_t pinned_id; /* 0: nothing is pinned */
    uint8_t pinned_hash[KGR_DIGEST_LEN];
    bool pinned_seen;
    struct kgr_audit_key key;
    uint8_t recent[KGR_AUDIT_HEAD_REACH][KGR_DIGEST_LEN]; /* hashes, by number */
    uint64_t num_heads;                                   /* whose signatures were verified */
    uint64_t signed_id; /* the newest record that one signs; 0: none */
};

/*
 * kgr_audit_chain_begin takes the hash of the record before the first one, which must be the id of the log of key if the first
 * record is number 1. KGR_ERR_CORRUPT.
 */
KGR_MUST_CHECK enum kgr_error kgr_audit_chain_begin(struct kgr_audit_chain *chain,
                                                    const uint8_t before[KGR_DIGEST_LEN],
                                                    uint64_t first, const struct kgr_audit_key *key,
                                                    struct kgr_diag *diag);
/* kgr_audit_chain_step takes the next record: KGR_ERR_CORRUPT says what is wrong with it. */
KGR_MUST_CHECK enum kgr_error kgr_audit_chain_step(struct kgr_audit_chain *chain,
                                                   const struct kgr_audit_entry *entry,
                                                   struct kgr_diag *diag);
/* kgr_audit_chain_end: KGR_ERR_CORRUPT when the log ends before the pinned record. */
KGR_MUST_CHECK enum kgr_error kgr_audit_chain_end(const struct kgr_audit_chain *chain,
                                                  struct kgr_diag *diag);
