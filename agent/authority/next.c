/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/next.h"

#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/authority/grant.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"

/* Two keys on their way into the TPM. */
struct making {
    uint32_t generation;
    struct kgr_tpm_auth *storage_auth;
    struct kgr_tpm_auth *signing_auth;
    struct kgr_tpm_object storage;
    struct kgr_tpm_object signing;
    struct kgr_ac_identity identity;
};

static enum kgr_error make(struct kgr_ac *ac, struct making *m, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0}, ek = {0};
    struct kgr_tpm_public srk_pub;
    enum kgr_error err = kgr_ac_auth(ac, &m->storage_auth, KGR_AC_STORAGE, m->generation, diag);
    if (err == KGR_OK)
        err = kgr_ac_auth(ac, &m->signing_auth, KGR_AC_SIGNING, m->generation, diag);
    if (err == KGR_OK)
        err = kgr_tpm_srk(ac->tpm, &srk, &srk_pub, diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_storage(ac->tpm, &m->storage, &m->identity.storage, &srk,
                                     KGR_TPM_FIRST_HANDLE, KGR_SUITE_AES128_SHA256, m->storage_auth,
                                     diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_signing(ac->tpm, &m->signing, &m->identity.signing, &srk,
                                     KGR_TPM_FIRST_HANDLE, m->signing_auth, diag);
    if (err == KGR_OK)
        err = kgr_tpm_ek(ac->tpm, &ek, &m->identity.ek, diag);
    kgr_tpm_release(ac->tpm, &ek);
    kgr_tpm_release(ac->tpm, &srk);
    return err;
}

static enum kgr_error store(struct kgr_ac *ac, const struct making *m, struct kgr_diag *diag)
{
    const struct kgr_ac_next next = {.generation = m->generation,
                                     .storage = kgr_ac_anchor_of(&m->storage),
                                     .signing = kgr_ac_anchor_of(&m->signing),
                                     .identity = &m->identity};
    return kgr_ac_state_announce(ac->state, &next, diag);
}

static void take_back(struct kgr_ac *ac, const struct making *m)
{
    struct kgr_diag diag = {0};
    enum kgr_error err = KGR_OK;
    if (m->signing.handle != 0)
        err = kgr_tpm_evict(ac->tpm, m->signing.handle, &diag);
    if (m->storage.handle != 0 && err == KGR_OK)
        err = kgr_tpm_evict(ac->tpm, m->storage.handle, &diag);
    if (err != KGR_OK)
        kgr_warn("tpm-not-cleaned", "reason=\"%s\"", kgr_diag_text(&diag, err));
}

enum kgr_error kgr_ac_announce(struct kgr_ac *ac, struct kgr_diag *diag)
{
    struct making *m = calloc(1, sizeof *m);
    if (m == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_state_generation(ac->state, &m->generation, diag);
    m->generation++;
    if (err == KGR_OK)
        err = make(ac, m, diag);
    if (err == KGR_OK)
        err = store(ac, m, diag);
    if (err != KGR_OK)
        take_back(ac, m);
    kgr_secret_free(m->storage_auth);
    kgr_secret_free(m->signing_auth);
    free(m);
    return err;
}

/* use_next puts a next key in the place of a present one, in this process. */
static enum kgr_error use_next(struct kgr_ac *ac, struct kgr_tpm_object *object,
                               enum kgr_ac_which present, enum kgr_ac_which next,
                               struct kgr_diag *diag)
{
    struct kgr_ac_anchor a;
    struct kgr_tpm_auth *auth = NULL;
    uint32_t generation = 0;
    enum kgr_error err = kgr_ac_state_anchor(ac->state, &a, next, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_generation(ac->state, &generation, diag);
    if (err == KGR_OK)
        err = kgr_ac_auth(ac, &auth, present, generation + 1, diag);
    if (err != KGR_OK)
        return err;
    kgr_secret_free(ac->auths[present]);
    ac->auths[present] = auth;
    return kgr_tpm_persistent(ac->tpm, object, a.handle, &a.name, auth, diag);
}

enum kgr_error kgr_ac_adopt(struct kgr_ac *ac, const struct kgr_ac_grant *grant,
                            struct kgr_diag *diag)
{
    struct kgr_ac_nksk *nksk = malloc(sizeof *nksk);
    if (nksk == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = use_next(ac, &ac->storage, KGR_AC_STORAGE, KGR_AC_NEXT_STORAGE, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(ac->tpm, &ac->storage, diag);
    if (err == KGR_OK)
        err = use_next(ac, &ac->signing, KGR_AC_SIGNING, KGR_AC_NEXT_SIGNING, diag);
    if (err == KGR_OK)
        err = kgr_ac_import_grant(ac, nksk, grant, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_grant(ac->state, nksk, diag);
    free(nksk);
    return err;
}

enum kgr_error kgr_ac_settle(struct kgr_ac *ac, struct kgr_diag *diag)
{
    enum kgr_ac_stage stage;
    enum kgr_error err = kgr_ac_state_stage(ac->state, &stage, diag);
    if (err != KGR_OK || stage != KGR_AC_GRANTED)
        return err;
    err = kgr_ac_state_promote(ac->state, diag);
    return err == KGR_OK ? kgr_ac_evict_retired(ac, diag) : err;
}

/* Only what still is the key that was retired: handles are given to others again. */
static enum kgr_error evict(struct kgr_ac *ac, enum kgr_ac_which which, struct kgr_diag *diag)
{
    struct kgr_ac_anchor a;
    struct kgr_tpm_object object;
    enum kgr_error err = kgr_ac_state_anchor(ac->state, &a, which, diag);
    if (err != KGR_OK)
        return err;
    err = kgr_tpm_persistent(ac->tpm, &object, a.handle, &a.name, NULL, diag);
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT)
        return KGR_OK;
    return err == KGR_OK ? kgr_tpm_evict(ac->tpm, a.handle, diag) : err;
}

enum kgr_error kgr_ac_evict_retired(struct kgr_ac *ac, struct kgr_diag *diag)
{
    bool has = false;
    enum kgr_error err = kgr_ac_state_has_retired(ac->state, &has, diag);
    if (err != KGR_OK || !has)
        return err;
    err = evict(ac, KGR_AC_RETIRED_STORAGE, diag);
    if (err == KGR_OK)
        err = evict(ac, KGR_AC_RETIRED_SIGNING, diag);
    return err == KGR_OK ? kgr_ac_state_evicted(ac->state, diag) : err;
}
