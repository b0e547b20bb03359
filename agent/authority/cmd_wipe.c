/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>

#include "agent/authority/ac.h"
#include "agent/base/log.h"
#include "agent/daemon/wipe.h"
#include "agent/tpm/remove.h"
#include "agent/tpm/tpm.h"

#define DATABASE "ac.db"

/* A database that cannot be read any more does not tell what stands in the TPM: that stays there, and is said. */
static enum kgr_error remove_from_tpm(const struct kgr_ac_settings *settings, struct kgr_diag *diag)
{
    struct kgr_tpm_remains remains[KGR_AC_ANCHORS_MAX];
    struct kgr_ac_anchor anchors[KGR_AC_ANCHORS_MAX];
    struct kgr_ac_state *state = NULL;
    struct kgr_diag own = {.text = ""};
    size_t num = 0;
    enum kgr_error err = kgr_ac_state_open(&state, settings->state, &own);
    if (err == KGR_OK)
        err = kgr_ac_state_anchors(state, anchors, &num, &own);
    for (size_t i = 0; err == KGR_OK && i < num; i++)
        remains[i] = (struct kgr_tpm_remains){anchors[i].handle, anchors[i].name};
    kgr_ac_state_close(state);
    if (err == KGR_ERR_STATE) /* never initialised */
        return KGR_OK;
    if (err == KGR_ERR_CORRUPT || err == KGR_ERR_VERSION) {
        kgr_warn("left-in-tpm", "reason=\"%s\"", kgr_diag_text(&own, err));
        return KGR_OK;
    }
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    struct kgr_tpm *tpm = NULL;
    err = kgr_tpm_open(&tpm, settings->tcti, diag);
    if (err == KGR_OK)
        err = kgr_tpm_remove_all(tpm, remains, num, diag);
    kgr_tpm_close(tpm);
    return err;
}

enum kgr_error kgr_ac_cmd_wipe(const struct kgr_ac_settings *settings,
                               const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_lockfile lock = {.fd = -1};
    enum kgr_error err =
        kgr_wipe_confirm(options->values[KGR_AC_WIPE_YES] != NULL,
                         "every key of this AC: its key server obeys nobody then", diag);
    if (err == KGR_OK)
        err = kgr_lockfile_take(&lock, settings->state, false, diag);
    if (err == KGR_OK && kgr_wipe_pending(settings->state, DATABASE))
        err = remove_from_tpm(settings, diag);
    if (err == KGR_OK)
        err = kgr_wipe_files(settings->state, DATABASE, diag);
    kgr_lockfile_release(&lock);
    if (err == KGR_OK)
        printf("wiped: nothing of this AC is left in %s or in the TPM\n", settings->state);
    return err;
}
