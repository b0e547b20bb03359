/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/authority/grant.h"
#include "agent/authority/identity_file.h"
#include "agent/mqtt/broker_config.h"
#include "agent/base/text.h"
#include "agent/tpm/template.h"

/* The identity of the AC, made now if there is none: a lost ac.pub is no reason for new keys. */
static enum kgr_error know_or_found(struct kgr_ac *ac, struct kgr_ac_identity *out,
                                    bool *out_is_new, struct kgr_diag *diag)
{
    struct kgr_diag own = {.text = ""};
    enum kgr_error err = kgr_ac_state_identity(ac->state, out, &own);
    *out_is_new = err == KGR_ERR_STATE;
    if (*out_is_new)
        return kgr_ac_found(ac, out, diag);
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
}

enum kgr_error kgr_ac_cmd_init(const struct kgr_ac_settings *settings,
                               const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct kgr_new_file file = KGR_NEW_FILE_INIT;
    bool is_new = false;
    const char *path = options->values[KGR_AC_INIT_OUTPUT];
    if (path == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "name the file for the AC's identity: init -o ac.pub");
    struct kgr_ac_identity *identity = malloc(sizeof *identity);
    if (identity == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_new_file_begin(&file, path, diag);
    if (err == KGR_OK)
        err = kgr_ac_open_state(&ac, settings, true, diag);
    if (err == KGR_OK)
        err = know_or_found(&ac, identity, &is_new, diag);
    if (err == KGR_OK)
        err = kgr_identity_file_write(&file, identity, diag);
    kgr_new_file_abandon(&file);
    kgr_ac_close(&ac);
    free(identity);
    if (err == KGR_OK)
        printf("AC %s in %s; give %s to the key server: kgr-ks init --ac %s -o ks.pub\n",
               is_new ? "initialised" : "was initialised before", settings->state, path, path);
    return err;
}

/* What pin works with; large, so not on the stack. */
struct pinning {
    struct kgr_ks_pub file;
    struct kgr_ac_identity known;
    struct kgr_ac_nksk nksk;
};

/* Pins the KS of the file unless another one is pinned. */
static enum kgr_error pin(struct kgr_ac *ac, struct pinning *p, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_state_ks(ac->state, &p->known, NULL);
    if (err == KGR_OK && !kgr_tpm_public_equal(&p->known.signing, &p->file.ks.signing))
        return kgr_diag_set(diag, KGR_ERR_STATE,
                            "another key server is pinned already; another one needs an AC of its "
                            "own (another state folder)");
    if (err != KGR_OK && err != KGR_ERR_STATE)
        return kgr_diag_set(diag, err, "cannot tell whether a key server is pinned already");
    err = kgr_ac_import_grant(ac, &p->nksk, &p->file.grant, diag);
    return err != KGR_OK
               ? err
               : kgr_ac_state_pin(ac->state, &p->file.ks, &p->nksk, &p->file.broker, diag);
}

enum kgr_error kgr_ac_cmd_pin(const struct kgr_ac_settings *settings,
                              const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    uint8_t hash[KGR_TPM_HASH_LEN];
    char hex[2 * KGR_TPM_HASH_LEN + 1], broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_brokers brokers = settings->brokers;
    struct pinning *p = calloc(1, sizeof *p);
    if (p == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_identity_file_read(&p->file, options->operands[0], diag);
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = pin(&ac, p, diag);
    if (err == KGR_OK)
        err = kgr_tpm_public_hash(hash, &p->file.ks.signing);
    if (err == KGR_OK)
        kgr_brokers_complete(&brokers, p->file.broker.host, p->file.broker.port);
    if (err == KGR_OK && settings->remote)
        printf("pinned the key server %s; orders go over the broker %s\n",
               kgr_hex(hex, hash, sizeof hash), kgr_broker_text(broker, &brokers.list[0]));
    else if (err == KGR_OK)
        printf("pinned the key server %s; orders go to its socket %s\n",
               kgr_hex(hex, hash, sizeof hash), settings->ks_socket);
    kgr_ac_close(&ac);
    free(p);
    return err;
}
