/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/wipe.h"

#include "agent/base/log.h"
#include "agent/daemon/wipe.h"
#include "agent/server/store/identity.h"
#include "agent/tpm/tpm.h"

#define DATABASE "ks.db"

/* A state that cannot be read any more does not tell what stands in the TPM: that stays there, and is said. */
static enum kgr_error remove_keys(struct kgr_tpm *tpm, const char *dir, struct kgr_diag *diag)
{
    struct kgr_tpm_remains remains[KGR_KS_REMAINS];
    struct kgr_diag own = {{0}};
    enum kgr_error err = kgr_ks_identity_remains(remains, tpm, dir, &own);

    if (err == KGR_ERR_CORRUPT || err == KGR_ERR_VERSION)
        kgr_warn("left-in-tpm", "reason=\"%s\"", kgr_diag_text(&own, err));
    else if (err != KGR_OK && err != KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return kgr_tpm_remove_all(tpm, remains, err == KGR_OK ? KGR_KS_REMAINS : 0, diag);
}

enum kgr_error kgr_ks_wipe(const char *dir, const struct kgr_tpm_access *access,
                           struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err = kgr_tpm_open_as(&tpm, access, diag);

    if (err == KGR_OK)
        err = remove_keys(tpm, dir, diag);
    if (err == KGR_OK)
        err = kgr_wipe_files(dir, DATABASE, diag);
    if (err == KGR_OK)
        err = kgr_vault_erase(tpm, dir, diag);
    kgr_tpm_close(tpm);
    return err;
}
