/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/anchor.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/store.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"

#include <stdlib.h>

/* The root is sealed below the SRK without a value of its own: it is what values are made from. */

static enum kgr_error save_blob(struct kgr_db *db, const struct kgr_tpm_blob *blob,
                                struct kgr_diag *diag)
{
    enum kgr_error err =
        kgr_meta_set(db, KGR_META_ROOT_PUBLIC, kgr_slice(blob->pub.bytes, blob->pub.len), diag);

    if (err == KGR_OK)
        err = kgr_meta_set(db, KGR_META_ROOT_PRIVATE, kgr_slice(blob->priv.bytes, blob->priv.len),
                           diag);
    return err;
}

static enum kgr_error derive(struct kgr_anchor *anchor)
{
    enum kgr_error err =
        kgr_auth_derive(anchor->root, &anchor->storage_auth, "storage", kgr_slice(NULL, 0));

    if (err == KGR_OK)
        err = kgr_auth_derive(anchor->root, &anchor->counter_auth, "counter", kgr_slice(NULL, 0));
    return err;
}

static enum kgr_error create_root(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                  struct kgr_tpm_blob *out, const struct kgr_tpm_object *srk,
                                  struct kgr_diag *diag)
{
    uint8_t *bytes = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    enum kgr_error err;

    if (bytes == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded arena is full");
    err = kgr_tpm_random(tpm, bytes, KGR_AUTH_ROOT_LEN, diag);
    if (err == KGR_OK)
        err = kgr_tpm_seal(tpm, out, srk, NULL, kgr_slice(bytes, KGR_AUTH_ROOT_LEN), diag);
    if (err == KGR_OK)
        err = kgr_auth_root_new(&anchor->root, bytes);
    kgr_secret_free(bytes);
    return err == KGR_OK ? derive(anchor) : err;
}

static enum kgr_error save(struct kgr_db *db, const struct kgr_tpm_object *srk,
                           const struct kgr_anchor *anchor, const struct kgr_tpm_blob *root,
                           uint64_t epoch, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(db, diag);

    if (err == KGR_OK)
        err = save_blob(db, root, diag);
    if (err == KGR_OK)
        err = kgr_meta_set(db, KGR_META_SRK_NAME, kgr_slice(srk->name.bytes, srk->name.len), diag);
    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_STORAGE_HANDLE, anchor->storage.handle, diag);
    if (err == KGR_OK)
        err =
            kgr_meta_set(db, KGR_META_STORAGE_PUBLIC,
                         kgr_slice(anchor->storage_public.bytes, anchor->storage_public.len), diag);
    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_COUNTER_HANDLE, anchor->counter.handle, diag);
    if (err == KGR_OK)
        err = kgr_meta_set(db, KGR_META_COUNTER_NAME,
                           kgr_slice(anchor->counter.name.bytes, anchor->counter.name.len), diag);
    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_EPOCH, epoch, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    kgr_db_rollback(db);
    return err;
}

static void undo(struct kgr_tpm *tpm, const struct kgr_anchor *anchor)
{
    if (anchor->counter.handle != 0 &&
        kgr_tpm_counter_undefine(tpm, anchor->counter.handle, NULL) != KGR_OK)
        kgr_warn("left_in_tpm", "nv=0x%08x", anchor->counter.handle);
    if (anchor->storage.handle != 0 && kgr_tpm_evict(tpm, anchor->storage.handle, NULL) != KGR_OK)
        kgr_warn("left_in_tpm", "handle=0x%08x", anchor->storage.handle);
}

enum kgr_error kgr_anchor_create(struct kgr_tpm *tpm, struct kgr_db *db, struct kgr_diag *diag)
{
    struct kgr_anchor anchor = {0};
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_public;
    struct kgr_tpm_blob *root;
    uint64_t epoch = 0;
    enum kgr_error err = kgr_meta_get_u64(db, KGR_META_STORAGE_HANDLE, &epoch, diag);

    if (err == KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "this node is initialised already");
    if (err != KGR_ERR_NO_KEY)
        return err;
    root = malloc(sizeof(*root));
    err = root == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;
    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &srk, diag);
    if (err == KGR_OK)
        err = create_root(&anchor, tpm, root, &srk, diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_storage(tpm, &anchor.storage, &anchor.storage_public, &srk,
                                     KGR_TPM_FIRST_HANDLE, anchor.storage_auth, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_define(tpm, &anchor.counter, KGR_TPM_FIRST_NV, anchor.counter_auth,
                                     diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_read(tpm, &epoch, &anchor.counter, diag);
    if (err == KGR_OK)
        err = save(db, &srk, &anchor, root, epoch, diag);
    if (err != KGR_OK)
        undo(tpm, &anchor);
    free(root);
    kgr_tpm_release(tpm, &srk);
    kgr_anchor_deinit(&anchor);
    return err;
}

static enum kgr_error load_blob(struct kgr_db *db, struct kgr_tpm_blob *out, struct kgr_diag *diag)
{
    size_t len = 0;
    enum kgr_error err =
        kgr_meta_get(db, KGR_META_ROOT_PUBLIC, out->pub.bytes, sizeof(out->pub.bytes), &len, diag);

    out->pub.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_meta_get(db, KGR_META_ROOT_PRIVATE, out->priv.bytes, sizeof(out->priv.bytes),
                           &len, diag);
    out->priv.len = (uint16_t)len;
    return err;
}

static enum kgr_error load_name(struct kgr_db *db, const char *what, struct kgr_tpm_name *out,
                                struct kgr_diag *diag)
{
    size_t len = 0;
    enum kgr_error err = kgr_meta_get(db, what, out->bytes, sizeof(out->bytes), &len, diag);

    if (err == KGR_OK)
        out->len = (uint16_t)len;
    return err;
}

static enum kgr_error open_root(struct kgr_anchor *anchor, struct kgr_tpm *tpm, struct kgr_db *db,
                                struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_public;
    struct kgr_tpm_name pinned;
    struct kgr_tpm_blob blob;
    uint8_t *bytes = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    enum kgr_error err = bytes == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = load_name(db, KGR_META_SRK_NAME, &pinned, diag);
    if (err == KGR_OK)
        err = load_blob(db, &blob, diag);
    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);
    if (err == KGR_OK && !kgr_tpm_name_equal(&srk.name, &pinned))
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT,
                           "this TPM is not the one that the state was made with (another SRK)");
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &srk, diag);
    if (err == KGR_OK)
        err = kgr_tpm_unseal(tpm, bytes, KGR_AUTH_ROOT_LEN, &srk, NULL, &blob, diag);
    if (err == KGR_OK)
        err = kgr_auth_root_new(&anchor->root, bytes);
    kgr_tpm_release(tpm, &srk);
    kgr_secret_free(bytes);
    return err;
}

static enum kgr_error open_objects(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                   struct kgr_db *db, struct kgr_diag *diag)
{
    struct kgr_tpm_name name;
    uint64_t handle = 0;
    size_t len = 0;
    enum kgr_error err = kgr_meta_get(db, KGR_META_STORAGE_PUBLIC, anchor->storage_public.bytes,
                                      sizeof(anchor->storage_public.bytes), &len, diag);

    anchor->storage_public.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, &anchor->storage_public);
    if (err == KGR_OK)
        err = kgr_meta_get_u64(db, KGR_META_STORAGE_HANDLE, &handle, diag);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(tpm, &anchor->storage, (uint32_t)handle, &name,
                                 anchor->storage_auth, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &anchor->storage, diag);
    if (err == KGR_OK)
        err = load_name(db, KGR_META_COUNTER_NAME, &name, diag);
    if (err == KGR_OK)
        err = kgr_meta_get_u64(db, KGR_META_COUNTER_HANDLE, &handle, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_open(tpm, &anchor->counter, (uint32_t)handle, &name,
                                   anchor->counter_auth, diag);
    return err;
}

enum kgr_error kgr_anchor_open(struct kgr_anchor *out, struct kgr_tpm *tpm, struct kgr_db *db,
                               struct kgr_diag *diag)
{
    uint64_t handle;
    enum kgr_error err = kgr_meta_get_u64(db, KGR_META_STORAGE_HANDLE, &handle, diag);

    if (err == KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "not initialised; run kgr-agent init");
    *out = (struct kgr_anchor){0};
    if (err == KGR_OK)
        err = open_root(out, tpm, db, diag);
    if (err == KGR_OK)
        err = derive(out);
    if (err == KGR_OK)
        err = open_objects(out, tpm, db, diag);
    if (err != KGR_OK)
        kgr_anchor_deinit(out);
    /* The database says that it was made: what is missing is missing in the TPM. */
    return err == KGR_ERR_NO_KEY
               ? kgr_diag_set(
                     diag, KGR_ERR_CORRUPT,
                     "the TPM does not hold what the state says; wrong TPM, or it was cleared")
               : err;
}

void kgr_anchor_deinit(struct kgr_anchor *anchor)
{
    kgr_secret_free(anchor->storage_auth);
    kgr_secret_free(anchor->counter_auth);
    kgr_auth_root_free(anchor->root);
    *anchor = (struct kgr_anchor){0};
}

/*
 * The intention is written before the counter moves: a crash between the counter and the database is
 * no rollback.
 */
enum kgr_error kgr_anchor_new_epoch(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                    struct kgr_db *db, uint32_t *out_epoch, bool *out_rolled_back,
                                    struct kgr_diag *diag)
{
    uint64_t stored = 0;
    uint64_t intended = 0;
    uint64_t now = 0;
    uint64_t next = 0;
    enum kgr_error err = kgr_meta_get_u64(db, KGR_META_EPOCH_NEXT, &intended, diag);

    if (err == KGR_OK || err == KGR_ERR_NO_KEY)
        err = kgr_meta_get_u64(db, KGR_META_EPOCH, &stored, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_read(tpm, &now, &anchor->counter, diag);
    if (err == KGR_OK && now >= UINT32_MAX)
        err = kgr_diag_set(diag, KGR_ERR_STATE, "all epochs of the TPM's counter are spent");
    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_EPOCH_NEXT, now + 1, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_increment(tpm, &next, &anchor->counter, diag);
    if (err == KGR_OK)
        err = kgr_db_begin(db, diag);
    if (err == KGR_OK)
        err = kgr_meta_set_u64(db, KGR_META_EPOCH, next, diag);
    if (err == KGR_OK)
        err = kgr_meta_erase(db, KGR_META_EPOCH_NEXT, diag);
    /* In the same transaction: a crash must not make the rollback forgotten and its keys used. */
    if (err == KGR_OK && now != stored && now != intended)
        err = kgr_node_store_drop_pairs(db, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    kgr_db_rollback(db);
    if (err != KGR_OK)
        return err;
    *out_epoch = (uint32_t)next;
    *out_rolled_back = now != stored && now != intended;
    return KGR_OK;
}
