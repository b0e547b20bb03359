/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/replace.h"

#include <stdlib.h>

#include "agent/server/orders/ac.h"
#include "agent/server/orders/audit.h"
#include "agent/server/ks.h"

static enum kgr_error replace(struct kgr_ks *ks, struct kgr_slice file,
                              const struct kgr_ks_ac_keys *keys, struct kgr_diag *diag)
{
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_SERVICE, .text = "another AC was put in the place of the present one"};
    enum kgr_error err = kgr_db_begin(ks->db, diag);

    if (err == KGR_OK)
        err = kgr_ks_ac_replace(ks->db, file, keys, diag);
    if (err == KGR_OK)
        err = kgr_ks_audit(ks, &event, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(ks->db, diag);
    if (err != KGR_OK)
        kgr_db_rollback(ks->db);
    return err;
}

enum kgr_error kgr_ks_replace_ac(struct kgr_tpm *tpm, const char *folder, struct kgr_slice ac,
                                 struct kgr_diag *diag)
{
    struct kgr_ks *ks = calloc(1, sizeof *ks); /* as much of a KS as a record in its log needs */
    struct kgr_ks_ac_keys *keys = calloc(1, sizeof *keys);
    enum kgr_error err =
        ks == NULL || keys == NULL ? KGR_ERR_NO_MEMORY : kgr_ks_ac_read(keys, ac, diag);

    if (err == KGR_OK) {
        kgr_ks_ac_prepare(keys);
        err = kgr_ks_identity_open(&ks->id, tpm, folder, diag);
    }
    if (err == KGR_OK) {
        ks->db = ks->id.state.db;
        err = kgr_ks_time_load(ks, diag);
    }
    if (err == KGR_OK)
        err = kgr_ks_ac_make(keys, &ks->id, tpm, diag);
    if (err == KGR_OK)
        err = replace(ks, ac, keys, diag);
    if (ks != NULL)
        kgr_ks_identity_close(&ks->id);
    free(ks);
    free(keys);
    return err;
}
