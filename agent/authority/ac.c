/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ac.h"

#include <stdio.h>
#include <string.h>

#include "agent/authority/next.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/auth.h"
#include "agent/store/db.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/sealed.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"
#include "agent/tpm/tpm.h"

static const char *const auth_labels[] = {"storage", "signing", "counter"};

enum kgr_error kgr_ac_open_state(struct kgr_ac *ac, const struct kgr_ac_settings *settings,
                                 bool create, struct kgr_diag *diag)
{
    ac->settings = settings;
    enum kgr_error err = kgr_lockfile_take(&ac->lock, settings->state, create, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_open(&ac->state, settings->state, diag);
    return err;
}

/* The first keys, and the counter, have values without a number. */
enum kgr_error kgr_ac_auth(const struct kgr_ac *ac, struct kgr_tpm_auth **out,
                           enum kgr_ac_which which, uint32_t generation, struct kgr_diag *diag)
{
    const uint8_t id[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16),
                           (uint8_t)(generation >> 8), (uint8_t)generation};
    bool numbered = which != KGR_AC_COUNTER && generation != 0;
    enum kgr_error err = kgr_auth_derive(ac->root, out, auth_labels[which],
                                         numbered ? kgr_slice(id, sizeof id) : kgr_slice(NULL, 0));
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "cannot derive authorisation values");
}

static enum kgr_error derive_auths(struct kgr_ac *ac, const uint8_t *root, struct kgr_diag *diag)
{
    uint32_t generation = 0;
    enum kgr_error err = kgr_auth_root_new(&ac->root, root);
    if (err == KGR_OK)
        err = kgr_ac_state_generation(ac->state, &generation, diag);
    for (int i = 0; err == KGR_OK && i < (int)KGR_ARRAY_LEN(ac->auths); i++)
        err = kgr_ac_auth(ac, &ac->auths[i], (enum kgr_ac_which)i, generation, diag);
    return err;
}

/* The SRK of this TPM, which must be the one that init found, with a session salted by it. */
static enum kgr_error begin_session(struct kgr_ac *ac, struct kgr_tpm_object *out_srk,
                                    const struct kgr_tpm_name *pinned, struct kgr_diag *diag)
{
    struct kgr_tpm_public srk_pub;
    enum kgr_error err = kgr_tpm_srk(ac->tpm, out_srk, &srk_pub, diag);
    if (err == KGR_OK && pinned != NULL && !kgr_tpm_name_equal(&out_srk->name, pinned))
        err = kgr_diag_set(diag, KGR_ERR_TPM,
                           "this is not the TPM of this AC (another storage root key)");
    return err == KGR_OK ? kgr_tpm_session_start(ac->tpm, out_srk, diag) : err;
}

static enum kgr_error load_root(struct kgr_ac *ac, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_name pinned;
    struct kgr_tpm_blob blob;
    uint8_t *root = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    if (root == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    enum kgr_error err = kgr_ac_state_root(ac->state, &blob, &pinned, diag);
    if (err == KGR_OK)
        err = begin_session(ac, &srk, &pinned, diag);
    if (err == KGR_OK)
        err = kgr_tpm_unseal(ac->tpm, root, KGR_AUTH_ROOT_LEN, &srk, NULL, &blob, diag);
    if (err == KGR_OK)
        err = derive_auths(ac, root, diag);
    kgr_tpm_release(ac->tpm, &srk);
    kgr_secret_free(root);
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
    if (err == KGR_OK)
        err = kgr_ac_state_anchor(ac->state, &a, KGR_AC_COUNTER, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_open(ac->tpm, &ac->counter_nv, a.handle, &a.name,
                                   ac->auths[KGR_AC_COUNTER], diag);
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the keys of this AC are not in this TPM");
    return err;
}

enum kgr_error kgr_ac_open(struct kgr_ac *ac, const struct kgr_ac_settings *settings,
                           struct kgr_diag *diag)
{
    struct kgr_ac_anchor anchor; /* asked for first: without init there is no need of a TPM */
    enum kgr_error err = kgr_ac_open_state(ac, settings, false, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_anchor(ac->state, &anchor, KGR_AC_STORAGE, diag);
    if (err == KGR_OK)
        err = kgr_tpm_open(&ac->tpm, settings->tcti, diag);
    if (err == KGR_OK)
        err = load_root(ac, diag);
    if (err == KGR_OK)
        err = find_keys(ac, diag);
    if (err == KGR_OK)
        err = kgr_ac_evict_retired(ac, diag);
    return err;
}

enum kgr_error kgr_ac_broker(struct kgr_ac *ac, struct kgr_ac_broker *out, struct kgr_diag *diag)
{
    if (ac->settings->host == NULL)
        return kgr_ac_state_broker(ac->state, out, diag);
    snprintf(out->host, sizeof out->host, "%s", ac->settings->host);
    out->port = ac->settings->port;
    return KGR_OK;
}

void kgr_ac_close(struct kgr_ac *ac)
{
    kgr_tpm_close(ac->tpm);
    ac->tpm = NULL;
    for (size_t i = 0; i < KGR_ARRAY_LEN(ac->auths); i++) {
        kgr_secret_free(ac->auths[i]);
        ac->auths[i] = NULL;
    }
    kgr_auth_root_free(ac->root);
    ac->root = NULL;
    kgr_ac_state_close(ac->state);
    ac->state = NULL;
    kgr_lockfile_release(&ac->lock);
}

/* The persistent keys and the counter below the SRK; what was made before a failure is taken back. */
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
        err = kgr_tpm_counter_define(ac->tpm, &ac->counter_nv, KGR_TPM_FIRST_NV,
                                     ac->auths[KGR_AC_COUNTER], diag);
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
    if (ac->counter_nv.handle != 0)
        err = kgr_tpm_counter_undefine(ac->tpm, ac->counter_nv.handle, &diag);
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

/* Random, sealed below the SRK: what stands on disk opens nothing without this TPM. */
static enum kgr_error make_root(struct kgr_ac *ac, struct kgr_tpm_blob *out,
                                const struct kgr_tpm_object *srk, struct kgr_diag *diag)
{
    uint8_t *root = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    if (root == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    enum kgr_error err = kgr_tpm_random(ac->tpm, root, KGR_AUTH_ROOT_LEN, diag);
    if (err == KGR_OK)
        err = kgr_tpm_seal(ac->tpm, out, srk, NULL, kgr_slice(root, KGR_AUTH_ROOT_LEN), diag);
    if (err == KGR_OK)
        err = derive_auths(ac, root, diag);
    kgr_secret_free(root);
    return err;
}

static enum kgr_error store_founding(struct kgr_ac *ac, const struct kgr_tpm_blob *root,
                                     const struct kgr_tpm_object *srk,
                                     const struct kgr_ac_identity *identity, struct kgr_diag *diag)
{
    const struct kgr_ac_founding founding = {.root = root,
                                             .srk = srk->name,
                                             .storage = kgr_ac_anchor_of(&ac->storage),
                                             .signing = kgr_ac_anchor_of(&ac->signing),
                                             .counter = kgr_ac_anchor_of(&ac->counter_nv),
                                             .identity = identity};
    return kgr_ac_state_found(ac->state, &founding, diag);
}

enum kgr_error kgr_ac_found(struct kgr_ac *ac, struct kgr_ac_identity *out, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_blob root;
    enum kgr_error err = kgr_tpm_open(&ac->tpm, ac->settings->tcti, diag);
    if (err != KGR_OK)
        return err;
    err = begin_session(ac, &srk, NULL, diag);
    if (err == KGR_OK)
        err = make_root(ac, &root, &srk, diag);
    if (err == KGR_OK) {
        err = make_keys(ac, out, &srk, diag);
        if (err == KGR_OK)
            err = store_founding(ac, &root, &srk, out, diag);
        if (err != KGR_OK)
            take_back(ac);
    }
    kgr_tpm_release(ac->tpm, &srk);
    return err;
}
