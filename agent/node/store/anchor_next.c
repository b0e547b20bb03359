/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/anchor.h"

#include "agent/base/log.h"
#include "agent/node/store/store.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"

/* The storage key that is to come, and the one that was. What is on disk says at any time which of them may stand. */

enum kgr_error kgr_anchor_make(const struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                               enum kgr_suite best, struct kgr_tpm_blob *out, uint32_t *out_handle,
                               struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_public;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);

    if (err == KGR_OK)
        err = kgr_tpm_make_storage(tpm, out, out_handle, &srk, KGR_TPM_FIRST_HANDLE, best,
                                   anchor->storage_auth, diag);
    kgr_tpm_release(tpm, &srk);
    return err;
}

enum kgr_error kgr_anchor_place(const struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                struct kgr_tpm_object *out, const struct kgr_tpm_blob *blob,
                                uint32_t handle, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_public;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_public, diag);

    if (err == KGR_OK)
        err = kgr_tpm_place(tpm, out, blob, &srk, handle, anchor->storage_auth, diag);
    kgr_tpm_release(tpm, &srk);
    return err;
}

static enum kgr_error save(struct kgr_db *db, const char *handle_name, uint32_t handle,
                           const char *public_name, const struct kgr_tpm_public *pub,
                           struct kgr_diag *diag)
{
    enum kgr_error err = kgr_meta_set_u64(db, handle_name, handle, diag);

    return err == KGR_OK ? kgr_meta_set(db, public_name, kgr_slice(pub->bytes, pub->len), diag)
                         : err;
}

static enum kgr_error erase(struct kgr_db *db, const char *handle_name, const char *public_name,
                            struct kgr_diag *diag)
{
    enum kgr_error err = kgr_meta_erase(db, handle_name, diag);

    return err == KGR_OK ? kgr_meta_erase(db, public_name, diag) : err;
}

static enum kgr_error load(struct kgr_db *db, const char *handle_name, const char *public_name,
                           uint32_t *out_handle, struct kgr_tpm_public *out,
                           struct kgr_tpm_name *out_name, struct kgr_diag *diag)
{
    uint64_t handle = 0;
    size_t len = 0;
    enum kgr_error err = kgr_meta_get_u64(db, handle_name, &handle, diag);

    if (err == KGR_OK)
        err = kgr_meta_get(db, public_name, out->bytes, sizeof(out->bytes), &len, diag);
    if (err != KGR_OK)
        return err;
    out->len = (uint16_t)len;
    *out_handle = (uint32_t)handle;
    return kgr_tpm_public_name(out_name, out);
}

enum kgr_error kgr_anchor_save_next(struct kgr_db *db, const struct kgr_tpm_public *pub,
                                    uint32_t handle, struct kgr_diag *diag)
{
    return save(db, KGR_META_NEXT_HANDLE, handle, KGR_META_NEXT_PUBLIC, pub, diag);
}

static struct kgr_tpm_object *other_place(struct kgr_anchor *anchor)
{
    return anchor->storage == &anchor->storages[0] ? &anchor->storages[1] : &anchor->storages[0];
}

void kgr_anchor_set_next(struct kgr_anchor *anchor, const struct kgr_tpm_object *object,
                         const struct kgr_tpm_public *pub)
{
    struct kgr_tpm_object *place = other_place(anchor);

    *place = *object;
    anchor->next = place;
    anchor->next_public = *pub;
}

enum kgr_error kgr_anchor_save_switch(const struct kgr_anchor *anchor, struct kgr_db *db,
                                      struct kgr_diag *diag)
{
    enum kgr_error err = save(db, KGR_META_DEAD_HANDLE, anchor->storage->handle,
                              KGR_META_DEAD_PUBLIC, &anchor->storage_public, diag);

    if (err == KGR_OK)
        err = save(db, KGR_META_STORAGE_HANDLE, anchor->next->handle, KGR_META_STORAGE_PUBLIC,
                   &anchor->next_public, diag);
    return err == KGR_OK ? erase(db, KGR_META_NEXT_HANDLE, KGR_META_NEXT_PUBLIC, diag) : err;
}

void kgr_anchor_switch(struct kgr_anchor *anchor)
{
    anchor->storage = anchor->next;
    anchor->storage_public = anchor->next_public;
    anchor->next = NULL;
    anchor->burying = true;
}

enum kgr_error kgr_anchor_save_drop(struct kgr_db *db, struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_name name;
    uint32_t handle;
    enum kgr_error err =
        load(db, KGR_META_NEXT_HANDLE, KGR_META_NEXT_PUBLIC, &handle, &pub, &name, diag);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err == KGR_OK)
        err = save(db, KGR_META_DEAD_HANDLE, handle, KGR_META_DEAD_PUBLIC, &pub, diag);
    return err == KGR_OK ? erase(db, KGR_META_NEXT_HANDLE, KGR_META_NEXT_PUBLIC, diag) : err;
}

void kgr_anchor_drop(struct kgr_anchor *anchor)
{
    anchor->burying = anchor->burying || anchor->next != NULL;
    anchor->next = NULL;
}

enum kgr_error kgr_anchor_load_dead(struct kgr_db *db, struct kgr_anchor_dead *out,
                                    struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;

    return load(db, KGR_META_DEAD_HANDLE, KGR_META_DEAD_PUBLIC, &out->handle, &pub, &out->name,
                diag);
}

enum kgr_error kgr_anchor_evict_dead(const struct kgr_tpm_object *storage, struct kgr_tpm *tpm,
                                     const struct kgr_anchor_dead *dead, struct kgr_diag *diag)
{
    /* A session that the TPM lost is started again with its salt key, which must be there. */
    enum kgr_error err = kgr_tpm_session_start(tpm, storage, diag);

    return err == KGR_OK ? kgr_tpm_evict_named(tpm, dead->handle, &dead->name, diag) : err;
}

enum kgr_error kgr_anchor_forget_dead(struct kgr_anchor *anchor, struct kgr_db *db,
                                      struct kgr_diag *diag)
{
    enum kgr_error err = erase(db, KGR_META_DEAD_HANDLE, KGR_META_DEAD_PUBLIC, diag);

    if (err == KGR_OK)
        anchor->burying = false;
    return err;
}

static enum kgr_error bury(struct kgr_anchor *anchor, struct kgr_tpm *tpm, struct kgr_db *db,
                           struct kgr_diag *diag)
{
    struct kgr_anchor_dead dead;
    enum kgr_error err = kgr_anchor_load_dead(db, &dead, diag);

    if (err == KGR_ERR_NO_KEY)
        return KGR_OK;
    if (err == KGR_OK)
        err = kgr_anchor_evict_dead(anchor->storage, tpm, &dead, diag);
    return err == KGR_OK ? kgr_anchor_forget_dead(anchor, db, diag) : err;
}

enum kgr_error kgr_anchor_open_next(struct kgr_anchor *anchor, struct kgr_tpm *tpm,
                                    struct kgr_db *db, struct kgr_diag *diag)
{
    struct kgr_diag own = {{0}};
    struct kgr_tpm_object object;
    struct kgr_tpm_public pub;
    struct kgr_tpm_name name;
    uint32_t handle;
    enum kgr_error err = bury(anchor, tpm, db, &own);

    if (err != KGR_OK) {
        kgr_error_log("storage_key_not_evicted", "reason=\"%s\"", kgr_diag_text(&own, err));
        anchor->burying = true; /* until the next start */
    }
    err = load(db, KGR_META_NEXT_HANDLE, KGR_META_NEXT_PUBLIC, &handle, &pub, &name, diag);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(tpm, &object, handle, &name, anchor->storage_auth, &own);
    if (err == KGR_OK)
        kgr_anchor_set_next(anchor, &object, &pub);
    /* Nothing there, or the key of another program: it was not placed. */
    return err == KGR_ERR_NO_KEY || err == KGR_ERR_CORRUPT ? KGR_OK : err;
}

enum kgr_error kgr_anchor_remains(struct kgr_tpm_remains out[KGR_ANCHOR_REMAINS], size_t *out_num,
                                  struct kgr_db *db, struct kgr_diag *diag)
{
    static const char *const names[KGR_ANCHOR_REMAINS][2] = {
        {KGR_META_STORAGE_HANDLE, KGR_META_STORAGE_PUBLIC},
        {KGR_META_NEXT_HANDLE, KGR_META_NEXT_PUBLIC},
        {KGR_META_DEAD_HANDLE, KGR_META_DEAD_PUBLIC},
    };
    struct kgr_tpm_public pub;

    *out_num = 0;
    for (size_t i = 0; i < KGR_ANCHOR_REMAINS; i++) {
        struct kgr_tpm_remains *remains = &out[*out_num];
        enum kgr_error err =
            load(db, names[i][0], names[i][1], &remains->handle, &pub, &remains->name, diag);

        if (err == KGR_OK)
            ++*out_num;
        else if (err != KGR_ERR_NO_KEY)
            return err;
    }
    return KGR_OK;
}
