/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/chain.h"

#include <inttypes.h>
#include <string.h>

#include "agent/seal/digest.h"

static uint8_t *recent(struct kgr_audit_chain *chain, uint64_t id)
{
    return chain->recent[id % KGR_AUDIT_HEAD_REACH];
}

enum kgr_error kgr_audit_chain_begin(struct kgr_audit_chain *chain,
                                     const uint8_t before[KGR_DIGEST_LEN], uint64_t first,
                                     const struct kgr_audit_key *key, struct kgr_diag *diag)
{
    if (first == 1 && memcmp(before, key->id, KGR_DIGEST_LEN) != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log does not begin with the key that signs it");
    memcpy(chain->hash, before, sizeof chain->hash);
    chain->key = *key;
    chain->first = first;
    chain->last = first - 1;
    memcpy(recent(chain, chain->last), before, KGR_DIGEST_LEN);
    return KGR_OK;
}

/* A head may sign what was before the first record here: nobody can check that any more. */
static enum kgr_error check_head(struct kgr_audit_chain *chain, const struct kgr_audit_entry *entry,
                                 struct kgr_diag *diag)
{
    uint64_t n = entry->number;

    if (n >= entry->id || entry->id - n > KGR_AUDIT_HEAD_REACH)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log is broken: record %" PRIu64 " is no head", entry->id);
    if (n + 1 < chain->first)
        return KGR_OK;
    if (kgr_audit_signature_verify(&chain->key, n, recent(chain, n), entry->text) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log was rewritten: record %" PRIu64
                            " signs another record %" PRIu64 " (after %" PRIu64
                            ", the newest that is signed)",
                            entry->id, n, chain->signed_id);
    chain->num_heads++;
    chain->signed_id = n;
    return KGR_OK;
}

enum kgr_error kgr_audit_chain_step(struct kgr_audit_chain *chain,
                                    const struct kgr_audit_entry *entry, struct kgr_diag *diag)
{
    uint8_t hash[KGR_DIGEST_LEN];
    if (entry->id != chain->last + 1)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log is broken: record %" PRIu64 " follows record %" PRIu64,
                            entry->id, chain->last);
    enum kgr_error err = kgr_audit_hash(hash, chain->hash, entry->covered);
    if (err != KGR_OK)
        return err;
    if (memcmp(hash, entry->hash, sizeof hash) != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log is broken: record %" PRIu64
                            " or the one before it was changed",
                            entry->id);
    if (entry->id == chain->pinned_id) {
        chain->pinned_seen = true;
        if (memcmp(hash, chain->pinned_hash, sizeof hash) != 0)
            return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                                "the audit log was rewritten: record %" PRIu64
                                " is not the one that was verified before",
                                entry->id);
    }
    if (entry->what == KGR_AUDIT_HEAD)
        err = check_head(chain, entry, diag);
    memcpy(chain->hash, hash, sizeof hash);
    memcpy(recent(chain, entry->id), hash, sizeof hash);
    chain->last = entry->id;
    return err;
}

enum kgr_error kgr_audit_chain_end(const struct kgr_audit_chain *chain, struct kgr_diag *diag)
{
    if (chain->pinned_id > chain->last)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log was shortened: it ends at record %" PRIu64
                            ", and record %" PRIu64 " was verified before",
                            chain->last, chain->pinned_id);
    return KGR_OK;
}
