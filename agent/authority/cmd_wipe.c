/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>

#include "agent/authority/ac.h"
#include "agent/base/log.h"
#include "agent/daemon/wipe.h"
#include "agent/keys/state_key.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/remove.h"
#include "agent/tpm/tpm.h"

#define DATABASE "ac.db"

/* A state that cannot be read any more does not tell what stands in the TPM: that stays there, and is said. */
static enum kgr_error remains(struct kgr_ac *ac, const char *folder,
                              struct kgr_tpm_remains out[KGR_AC_ANCHORS_MAX], size_t *out_num,
                              struct kgr_diag *diag)
{
    struct kgr_ac_anchor anchors[KGR_AC_ANCHORS_MAX];
    struct kgr_page_keys keys;
    uint64_t counter = 0;
    size_t num = 0;
    enum kgr_error err = kgr_vault_open(&ac->vault, ac->tpm, folder, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_read(ac->tpm, &counter, &ac->vault.counter, diag);
    if (err != KGR_OK)
        return err;
    keys = kgr_state_keys(ac->vault.root);
    err = kgr_ac_state_open(&ac->state, folder, &keys, counter, false, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_anchors(ac->state, anchors, &num, diag);
    for (size_t i = 0; err == KGR_OK && i < num; i++)
        out[i] = (struct kgr_tpm_remains){anchors[i].handle, anchors[i].name};
    if (err == KGR_OK)
        *out_num = num;
    kgr_ac_state_close(ac->state);
    ac->state = NULL;
    return err;
}

static enum kgr_error remove_keys(struct kgr_ac *ac, const char *folder, struct kgr_diag *diag)
{
    struct kgr_tpm_remains found[KGR_AC_ANCHORS_MAX];
    struct kgr_diag own = {.text = ""};
    size_t num = 0;
    enum kgr_error err = remains(ac, folder, found, &num, &own);
    if (err == KGR_ERR_CORRUPT || err == KGR_ERR_VERSION)
        kgr_warn("left-in-tpm", "reason=\"%s\"", kgr_diag_text(&own, err));
    else if (err != KGR_OK && err != KGR_ERR_NO_KEY && err != KGR_ERR_STATE)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return kgr_tpm_remove_all(ac->tpm, found, num, diag);
}

enum kgr_error kgr_ac_cmd_wipe(const struct kgr_ac_settings *settings,
                               const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    enum kgr_error err =
        kgr_wipe_confirm(options->values[KGR_AC_WIPE_YES] != NULL,
                         "every key of this AC: its key server obeys nobody then", diag);
    if (err == KGR_OK)
        err = kgr_lockfile_take(&ac.lock, settings->state, false, diag);
    if (err == KGR_OK)
        err = kgr_tpm_open_as(&ac.tpm, &settings->tpm, diag);
    if (err == KGR_OK)
        err = remove_keys(&ac, settings->state, diag);
    if (err == KGR_OK)
        err = kgr_wipe_files(settings->state, DATABASE, diag);
    if (err == KGR_OK)
        err = kgr_vault_erase(ac.tpm, settings->state, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK)
        printf("wiped: nothing of this AC is left in %s or in the TPM\n", settings->state);
    return err;
}
