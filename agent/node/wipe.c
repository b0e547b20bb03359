/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/wipe.h"

#include "agent/base/log.h"
#include "agent/node/mirror/mirror.h"
#include "agent/node/store/anchor.h"
#include "agent/node/commands.h"
#include "agent/tpm/tpm.h"

#include <stdio.h>

#define DATABASE "agent.db"

/* A state that cannot be read any more does not tell what stands in the TPM: that stays there, and is said. */
static enum kgr_error remove_keys(struct kgr_tpm *tpm, const char *folder, struct kgr_diag *diag)
{
    struct kgr_tpm_remains remains[KGR_ANCHOR_REMAINS];
    struct kgr_diag own = {{0}};
    size_t num = 0;
    enum kgr_error err =
        kgr_anchor_find_remains(remains, &num, tpm, folder, kgr_mirrors_wipe, &own);

    if (err == KGR_ERR_CORRUPT || err == KGR_ERR_VERSION)
        kgr_warn("left_in_tpm", "reason=\"%s\"", kgr_diag_text(&own, err));
    else if (err != KGR_OK && err != KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return kgr_tpm_remove_all(tpm, remains, num, diag);
}

enum kgr_error kgr_cmd_wipe(const struct kgr_settings *settings, bool yes, struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err =
        kgr_wipe_confirm(yes, "every key of this node, in the TPM and on disk", diag);

    if (err == KGR_OK)
        err = kgr_tpm_open_as(&tpm, &settings->tpm, diag);
    if (err == KGR_OK)
        err = remove_keys(tpm, settings->state, diag);
    if (err == KGR_OK)
        err = kgr_wipe_files(settings->state, DATABASE, diag);
    if (err == KGR_OK)
        err = kgr_vault_erase(tpm, settings->state, diag);
    kgr_tpm_close(tpm);
    if (err == KGR_OK)
        printf("wiped: nothing of this node is left in %s or in the TPM\n", settings->state);
    return err;
}
