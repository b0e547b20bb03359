/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/export.h"

#include <inttypes.h>
#include <string.h>

static const char magic[8] = "KGRAUDT1";

enum kgr_error kgr_audit_export_begin(struct kgr_wr *wr, struct kgr_slice pub,
                                      const uint8_t before[KGR_DIGEST_LEN])
{
    kgr_wr_bytes(wr, magic, sizeof magic);
    kgr_wire_write_vec16(wr, pub, KGR_WIRE_PUBLIC_MAX);
    kgr_wr_bytes(wr, before, KGR_DIGEST_LEN);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

/* The first record says with which number the chain begins. */
static enum kgr_error step(struct kgr_audit_chain *chain, struct kgr_rd *rd, bool is_first,
                           const uint8_t *before, const struct kgr_audit_key *key,
                           struct kgr_audit_entry *entry, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    kgr_audit_entry_read(rd, entry);
    if (!kgr_rd_ok(rd))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the audit log is broken: what follows record %" PRIu64 " is no record",
                            chain->last);
    if (is_first)
        err = kgr_audit_chain_begin(chain, before, entry->id, key, diag);
    return err == KGR_OK ? kgr_audit_chain_step(chain, entry, diag) : err;
}

enum kgr_error kgr_audit_export_verify(struct kgr_audit_chain *chain, struct kgr_slice file,
                                       struct kgr_diag *diag)
{
    struct kgr_audit_entry entry = {.what = 0};
    struct kgr_audit_key key;
    const uint8_t *head, *before;
    struct kgr_slice pub;
    struct kgr_rd rd;
    enum kgr_error err = KGR_OK;
    bool is_first = true;

    kgr_rd_init(&rd, file.p, file.len);
    head = kgr_rd_ref(&rd, sizeof magic);
    pub = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    before = kgr_rd_ref(&rd, KGR_DIGEST_LEN);
    if (!kgr_rd_ok(&rd) || memcmp(head, magic, sizeof magic) != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "this is no exported audit log");
    if (kgr_audit_key_read(&key, pub) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the signing key of the audit log is damaged");
    for (; err == KGR_OK && rd.len > 0; is_first = false)
        err = step(chain, &rd, is_first, before, &key, &entry, diag);
    if (err == KGR_OK)
        err = kgr_audit_chain_end(chain, diag);
    if (err == KGR_OK && (entry.what != KGR_AUDIT_HEAD || chain->num_heads == 0))
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT,
                           "the audit log was shortened: it ends at record %" PRIu64
                           ", which is no signed head",
                           chain->last);
    return err;
}
