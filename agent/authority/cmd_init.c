/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/authority/ac.h"
#include "agent/authority/identity_file.h"
#include "agent/base/text.h"
#include "agent/tpm/template.h"

enum kgr_error kgr_ac_cmd_init(const struct kgr_ac_settings *settings,
                               const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = {0};
    struct kgr_ac_identity identity;
    const char *path = options->values[KGR_AC_INIT_OUTPUT];
    if (path == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "name the file for the AC's identity: init -o ac.pub");
    /* Better now than after the keys were made. */
    if (access(path, F_OK) == 0)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s exists; remove it or name another file",
                            path);
    enum kgr_error err = kgr_ac_open_state(&ac, settings, true, diag);
    if (err == KGR_OK)
        err = kgr_ac_found(&ac, &identity, diag);
    if (err == KGR_OK)
        err = kgr_identity_file_write(path, &identity, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK)
        printf("AC initialised in %s; give %s to the key server: kgr-ks init --ac %s -o ks.pub\n",
               settings->state, path, path);
    return err;
}

/* Pins ks unless another key server is pinned. known is room for the one that may be. */
static enum kgr_error pin(struct kgr_ac *ac, const struct kgr_ac_identity *ks,
                          struct kgr_ac_identity *known, struct kgr_diag *diag)
{
    if (!kgr_ac_state_is_founded(ac->state))
        return kgr_diag_set(diag, KGR_ERR_STATE, "this AC is not initialised; run kgr-ac init");
    if (kgr_ac_state_ks(ac->state, known, NULL) == KGR_OK &&
        !kgr_tpm_public_equal(&known->signing, &ks->signing))
        return kgr_diag_set(diag, KGR_ERR_STATE, "another key server is pinned already");
    return kgr_ac_state_set_ks(ac->state, ks, diag);
}

enum kgr_error kgr_ac_cmd_pin(const struct kgr_ac_settings *settings,
                              const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = {0};
    uint8_t hash[KGR_TPM_HASH_LEN];
    char hex[2 * KGR_TPM_HASH_LEN + 1];
    struct kgr_ac_identity *ids = calloc(2, sizeof *ids);
    if (ids == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_identity_file_read(&ids[0], options->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_ac_open_state(&ac, settings, false, diag);
    if (err == KGR_OK)
        err = pin(&ac, &ids[0], &ids[1], diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_hash(hash, &ids[0].signing);
    kgr_ac_close(&ac);
    free(ids);
    if (err == KGR_OK)
        printf("pinned the key server %s\n", kgr_hex(hex, hash, sizeof hash));
    return err;
}
