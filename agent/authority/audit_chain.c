/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/audit_chain.h"

#include <inttypes.h>
#include <string.h>

#include "agent/seal/digest.h"

enum kgr_error kgr_audit_chain_begin(struct kgr_audit_chain *chain,
                                     const uint8_t before[KGR_DIGEST_LEN], uint64_t first,
                                     const uint8_t ks[KGR_DIGEST_LEN], struct kgr_diag *diag)
{
    if (first == 1 && memcmp(before, ks, KGR_DIGEST_LEN) != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log does not begin with this key server");
    memcpy(chain->hash, before, sizeof chain->hash);
    chain->first = first;
    chain->last = first - 1;
    return KGR_OK;
}

enum kgr_error kgr_audit_chain_step(struct kgr_audit_chain *chain,
                                    const struct kgr_audit_entry *entry, struct kgr_diag *diag)
{
    const struct kgr_slice parts[] = {
        kgr_slice(KGR_LABEL_AUDIT, strlen(KGR_LABEL_AUDIT)),
        kgr_slice(chain->hash, sizeof chain->hash),
        entry->covered,
    };
    uint8_t hash[KGR_DIGEST_LEN];
    if (entry->id != chain->last + 1)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log is broken: record %" PRIu64 " follows record %" PRIu64,
                            entry->id, chain->last);
    enum kgr_error err = kgr_sha256(hash, parts, KGR_ARRAY_LEN(parts));
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
    memcpy(chain->hash, hash, sizeof hash);
    chain->last = entry->id;
    return KGR_OK;
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
