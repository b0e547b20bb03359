/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/broker_config.h"
#include "agent/authority/ac.h"

#include <stdio.h>
#include <string.h>

#include "agent/authority/next.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/auth.h"
#include "agent/keys/state_key.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"
#include "agent/tpm/tpm.h"

static const char *const auth_labels[] = {"storage", "signing"};

static enum kgr_error not_initialised(struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_CONFIG, "this AC is not initialised; run kgr-ac init");
}

static enum kgr_error open_vault(struct kgr_ac *ac, const char *folder, bool create,
                                 struct kgr_diag *diag)
{
    bool exists = kgr_vault_exists(folder);
    if (!exists && !create) /* told without a TPM */
        return not_initialised(diag);
    enum kgr_error err = kgr_tpm_open_as(&ac->tpm, &ac->settings->tpm, diag);
    if (err == KGR_OK)
        err = exists ? kgr_vault_open(&ac->vault, ac->tpm, folder, diag)
                     : kgr_vault_create(&ac->vault, ac->tpm, folder, diag);
    ac->root = ac->vault.root;
    return err;
}

enum kgr_error kgr_ac_open_state(struct kgr_ac *ac, const struct kgr_ac_settings *settings,
                                 bool create, struct kgr_diag *diag)
{
    uint64_t counter = 0;
    ac->settings = settings;
    enum kgr_error err = kgr_lockfile_take(&ac->lock, settings->state, create, diag);
    if (err == KGR_OK)
        err = open_vault(ac, settings->state, create, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_read(ac->tpm, &counter, &ac->vault.counter, diag);
    if (err != KGR_OK)
        return err;
    struct kgr_page_keys keys = kgr_state_keys(ac->root);
    err = kgr_ac_state_open(&ac->state, settings->state, &keys, counter,
                            create && counter == ac->vault.first, diag);
    if (err == KGR_ERR_NO_KEY)
        err = kgr_vault_no_state(&ac->vault, counter, settings->state, diag);
    return err == KGR_ERR_NO_KEY ? not_initialised(diag) : err;
}

/* The first keys have values without a number. */
enum kgr_error kgr_ac_auth(const struct kgr_ac *ac, struct kgr_tpm_auth **out,
                           enum kgr_ac_which which, uint32_t generation, struct kgr_diag *diag)
{
    const uint8_t id[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16),
                           (uint8_t)(generation >> 8), (uint8_t)generation};
    enum kgr_error err =
        kgr_auth_derive(ac->root, out, auth_labels[which],
                        generation != 0 ? kgr_slice(id, sizeof id) : kgr_slice(NULL, 0));
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "cannot derive authorisation values");
}

static enum kgr_error derive_auths(struct kgr_ac *ac, struct kgr_diag *diag)
{
    uint32_t generation = 0;
    enum kgr_error err = kgr_ac_state_generation(ac->state, &generation, diag);
    for (int i = 0; err == KGR_OK && i < (int)KGR_ARRAY_LEN(ac->auths); i++)
        err = kgr_ac_auth(ac, &ac->auths[i], (enum kgr_ac_which)i, generation, diag);
    return err;
}

static enum kgr_error find_keys(struct kgr_ac *ac, struct kgr_diag *diag)
{
    struct kgr_ac_anchor a;
    enum kgr_error err = kgr_ac_state_anchor(ac->state, &a, KGR_AC_STORAGE, diag);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(ac->tpm, &ac->storage, a.handle, &a.name,
                                 ac->auths[KGR_AC_STORAGE], diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(ac->tpm, &ac->storage, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_anchor(ac->state, &a, KGR_AC_SIGNING, diag);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(ac->tpm, &ac->signing, a.handle, &a.name,
                                 ac->auths[KGR_AC_SIGNING], diag);
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the keys of this AC are not in this TPM");
    return err;
}

enum kgr_error kgr_ac_open(struct kgr_ac *ac, const struct kgr_ac_settings *settings,
                           struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_open_state(ac, settings, false, diag);
    if (err == KGR_OK)
        err = derive_auths(ac, diag);
    if (err == KGR_OK)
        err = find_keys(ac, diag);
    if (err == KGR_OK)
        err = kgr_ac_evict_retired(ac, diag);
    return err;
}

enum kgr_error kgr_ac_brokers(struct kgr_ac *ac, struct kgr_brokers *out,
                              struct kgr_ac_broker *room, struct kgr_diag *diag)
{
    enum kgr_error err;
    *out = ac->settings->brokers;
    if (out->num > 0 && out->list[0].host != NULL)
        return KGR_OK;
    err = kgr_ac_state_broker(ac->state, room, diag);
    if (err == KGR_OK)
        kgr_brokers_complete(out, room->host, room->port);
    return err;
}

void kgr_ac_close(struct kgr_ac *ac)
{
    kgr_tpm_close(ac->tpm);
    ac->tpm = NULL;
    kgr_ac_state_close(ac->state);
    ac->state = NULL;
    for (size_t i = 0; i < KGR_ARRAY_LEN(ac->auths); i++) {
        kgr_secret_free(ac->auths[i]);
        ac->auths[i] = NULL;
    }
    kgr_vault_close(&ac->vault);
    ac->root = NULL;
    kgr_lockfile_release(&ac->lock);
}

/* The persistent keys below the SRK; what was made before a failure is taken back. */
static enum kgr_error make_keys(struct kgr_ac *ac, struct kgr_ac_identity *out,
                                const struct kgr_tpm_object *srk, struct kgr_diag *diag)
{
    struct kgr_tpm_object ek = {0};
    enum kgr_error err =
        kgr_tpm_create_storage(ac->tpm, &ac->storage, &out->storage, srk, KGR_TPM_FIRST_HANDLE,
                               KGR_SUITE_AES128_SHA256, ac->auths[KGR_AC_STORAGE], diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_signing(ac->tpm, &ac->signing, &out->signing, srk,
                                     KGR_TPM_FIRST_HANDLE, ac->auths[KGR_AC_SIGNING], diag);
    if (err == KGR_OK)
        err = kgr_tpm_ek(ac->tpm, &ek, &out->ek, diag);
    kgr_tpm_release(ac->tpm, &ek);
    return err;
}

static void take_back(struct kgr_ac *ac)
{
    const struct kgr_tpm_object *keys[] = {&ac->signing, &ac->storage};
    struct kgr_diag diag = {0};
    enum kgr_error err = KGR_OK;
    for (size_t i = 0; i < KGR_ARRAY_LEN(keys); i++) {
        enum kgr_error evicted =
            keys[i]->handle == 0 ? KGR_OK : kgr_tpm_evict(ac->tpm, keys[i]->handle, &diag);
        err = err == KGR_OK ? evicted : err;
    }
    if (err != KGR_OK)
        kgr_warn("tpm-not-cleaned", "reason=\"%s\"", kgr_diag_text(&diag, err));
}

struct kgr_ac_anchor kgr_ac_anchor_of(const struct kgr_tpm_object *object)
{
    const struct kgr_ac_anchor a = {object->handle, object->name};
    return a;
}

static enum kgr_error store_founding(struct kgr_ac *ac, const struct kgr_ac_identity *identity,
                                     struct kgr_diag *diag)
{
    const struct kgr_ac_founding founding = {.storage = kgr_ac_anchor_of(&ac->storage),
                                             .signing = kgr_ac_anchor_of(&ac->signing),
                                             .identity = identity};
    return kgr_ac_state_found(ac->state, &founding, diag);
}

enum kgr_error kgr_ac_found(struct kgr_ac *ac, struct kgr_ac_identity *out, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_pub;
    enum kgr_error err = derive_auths(ac, diag);
    if (err == KGR_OK)
        err = kgr_tpm_srk(ac->tpm, &srk, &srk_pub, diag);
    if (err == KGR_OK) {
        err = make_keys(ac, out, &srk, diag);
        if (err == KGR_OK)
            err = store_founding(ac, out, diag);
        if (err != KGR_OK)
            take_back(ac);
    }
    kgr_tpm_release(ac->tpm, &srk);
    return err;
}
