/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/anchor.h"

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/state_key.h"
#include "agent/node/store/store.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"

#include <stdlib.h>

static const char not_initialised[] = "not initialised; run kgr-agent init";

/* open_state follows the opening, or the making, of the vault. */
static enum kgr_error open_state(struct kgr_anchor *anchor, struct kgr_tpm *tpm, const char *folder,
                                 bool create, struct kgr_diag *diag)
{
    struct kgr_page_keys keys;
    uint64_t counter = 0;
    enum kgr_error err = kgr_tpm_counter_read(tpm, &counter, &anchor->vault.counter, diag);

    anchor->root = anchor->vault.root;
    keys = kgr_state_keys(anchor->root);
    if (err == KGR_OK)
        err = kgr_node_store_open(&anchor->state, folder, &keys, counter,
                                  create && counter == anchor->vault.first, diag);
    if (err == KGR_ERR_NO_KEY)
        err = kgr_vault_no_state(&anchor->vault, counter, folder, diag);
    if (err == KGR_OK)
        err = kgr_auth_derive(anchor->root, &anchor->storage_auth, "storage", kgr_slice(NULL, 0));
    return err;
}

static enum kgr_error save(const struct kgr_anchor *anchor, struct kgr_diag *diag)
{
    struct kgr_db *db = anchor->state.db;
    enum kgr_error err = kgr_db_begin(db, diag);

    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_STORAGE_HANDLE, anchor->storages[0].handle, diag);
    if (err == KGR_OK)
        err =
            kgr_meta_set(db, KGR_META_STORAGE_PUBLIC,
                         kgr_slice(anchor->storage_public.bytes, anchor->storage_public.len), diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    kgr_db_rollback(db);
    return err;
}

static enum kgr_error create_storage(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                     enum kgr_suite best, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_public;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);

    if (err == KGR_OK)
        err = kgr_tpm_create_storage(tpm, &anchor->storages[0], &anchor->storage_public, &srk,
                                     KGR_TPM_FIRST_HANDLE, best, anchor->storage_auth, diag);
    kgr_tpm_release(tpm, &srk);
    if (err != KGR_OK)
        return err;
    err = save(anchor, diag);
    if (err != KGR_OK && kgr_tpm_evict(tpm, anchor->storages[0].handle, NULL) != KGR_OK)
        kgr_warn("left_in_tpm", "handle=0x%08x", anchor->storages[0].handle);
    return err;
}

enum kgr_error kgr_anchor_create(struct kgr_tpm *tpm, const char *folder, enum kgr_suite best,
                                 struct kgr_diag *diag)
{
    struct kgr_anchor *anchor = calloc(1, sizeof(*anchor));
    uint64_t handle = 0;
    enum kgr_error err;

    if (anchor == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    err = kgr_vault_exists(folder) ? kgr_vault_open(&anchor->vault, tpm, folder, diag)
                                   : kgr_vault_create(&anchor->vault, tpm, folder, diag);
    if (err == KGR_OK)
        err = open_state(anchor, tpm, folder, true, diag);
    if (err == KGR_OK) {
        err = kgr_meta_get_u64(anchor->state.db, KGR_META_STORAGE_HANDLE, &handle, diag);
        if (err == KGR_OK)
            err = kgr_diag_set(diag, KGR_ERR_EXISTS, "this node is initialised already");
        else if (err == KGR_ERR_NO_KEY)
            err = create_storage(anchor, tpm, best, diag);
    }
    kgr_anchor_deinit(anchor);
    free(anchor);
    return err;
}

static enum kgr_error open_storage(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                   struct kgr_diag *diag)
{
    struct kgr_db *db = anchor->state.db;
    struct kgr_diag own = {{0}};
    struct kgr_tpm_name name;
    uint64_t handle = 0;
    size_t len = 0;
    enum kgr_error err = kgr_meta_get_u64(db, KGR_META_STORAGE_HANDLE, &handle, diag);

    if (err == KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s", not_initialised);
    if (err == KGR_OK)
        err = kgr_meta_get(db, KGR_META_STORAGE_PUBLIC, anchor->storage_public.bytes,
                           sizeof(anchor->storage_public.bytes), &len, diag);
    anchor->storage_public.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &anchor->storage_public);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(tpm, &anchor->storages[0], (uint32_t)handle, &name,
                                 anchor->storage_auth, &own);
    anchor->storage = &anchor->storages[0];
    if (err == KGR_ERR_NO_KEY && kgr_meta_get_u64(db, KGR_META_REVOKED, &handle, NULL) == KGR_OK) {
        anchor->storages[0] = (struct kgr_tpm_object){0};
        return KGR_OK; /* it was evicted with all that hung on it */
    }
    /* The database says that it was made: what is missing is missing in the TPM. */
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT)
        return kgr_diag_set(
            diag, KGR_ERR_CORRUPT,
            "the TPM does not hold this node's storage key; wrong TPM, or a key was "
            "evicted: kgr-agent wipe, init, then enroll with a new credential");
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return kgr_tpm_session_start(tpm, anchor->storage, diag);
}

enum kgr_error kgr_anchor_open(struct kgr_anchor *out, struct kgr_tpm *tpm, const char *folder,
                               struct kgr_diag *diag)
{
    enum kgr_error err;

    *out = (struct kgr_anchor){0};
    err = kgr_vault_open(&out->vault, tpm, folder, diag);
    if (err == KGR_OK)
        err = open_state(out, tpm, folder, false, diag);
    if (err == KGR_ERR_NO_KEY)
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: %s", folder, not_initialised);
    if (err == KGR_OK)
        err = open_storage(out, tpm, diag);
    if (err != KGR_OK)
        kgr_anchor_deinit(out);
    return err;
}

enum kgr_error kgr_anchor_find_remains(struct kgr_tpm_remains out[KGR_ANCHOR_REMAINS],
                                       size_t *out_num, struct kgr_tpm *tpm, const char *folder,
                                       void (*also)(struct kgr_db *db), struct kgr_diag *diag)
{
    struct kgr_anchor anchor = {0};
    enum kgr_error err = kgr_vault_open(&anchor.vault, tpm, folder, diag);

    if (err == KGR_OK)
        err = open_state(&anchor, tpm, folder, false, diag);
    if (err == KGR_OK)
        err = kgr_anchor_remains(out, out_num, anchor.state.db, diag);
    if (err == KGR_OK && also != NULL)
        also(anchor.state.db);
    kgr_anchor_deinit(&anchor);
    return err;
}

void kgr_anchor_deinit(struct kgr_anchor *anchor)
{
    kgr_state_close(&anchor->state);
    kgr_secret_free(anchor->storage_auth);
    kgr_vault_close(&anchor->vault);
    *anchor = (struct kgr_anchor){0};
}

enum kgr_error kgr_anchor_new_epoch(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                    uint32_t *out_epoch, bool *out_rolled_back,
                                    struct kgr_diag *diag)
{
    uint64_t next = 0;
    enum kgr_error err;

    if (anchor->state.counter >= UINT32_MAX)
        return kgr_diag_set(diag, KGR_ERR_STATE, "all epochs of the TPM's counter are spent");
    err = kgr_state_announce(&anchor->state, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_increment(tpm, &next, &anchor->vault.counter, diag);
    if (err == KGR_OK)
        err =
            kgr_state_enter(&anchor->state, next, out_rolled_back, kgr_node_store_drop_pairs, diag);
    if (err == KGR_OK)
        *out_epoch = (uint32_t)next;
    return err;
}
