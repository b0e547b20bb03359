/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/identity.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/seal/digest.h"
#include "agent/server/store.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"

enum { STORAGE, SIGNING, COUNTER, NUM_KEYS };

static const char *const labels[NUM_KEYS] = {"storage", "signing", "counter"};

static enum kgr_error set_public(struct kgr_tpm_public *out, struct kgr_slice bytes,
                                 enum kgr_error (*check)(const struct kgr_tpm_public *))
{
    enum kgr_error err = kgr_tpm_public_set(out, bytes);

    return err != KGR_OK ? err : check(out);
}

/* The AC's identity file: damage is found by its hash, impostors by the hands that carried it. */
static enum kgr_error read_ac(struct kgr_ks_identity *out, struct kgr_slice file,
                              struct kgr_diag *diag)
{
    struct kgr_identity ac;
    uint8_t hash[KGR_SHA256_LEN];

    if (kgr_identity_decode(&ac, file) != KGR_OK || ac.kind != KGR_IDENTITY_AC)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "this is not the identity file of an AC (kgr-ac init makes it)");
    if (kgr_sha256(hash, &ac.covered, 1) != KGR_OK || memcmp(hash, ac.hash, sizeof hash) != 0 ||
        set_public(&out->ac_signing, ac.signing, kgr_tpm_check_signing) != KGR_OK ||
        set_public(&out->ac_storage, ac.storage, kgr_tpm_check_storage) != KGR_OK ||
        set_public(&out->ac_ek, ac.ek, kgr_tpm_check_ek) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the identity file of the AC is damaged");
    return KGR_OK;
}

static enum kgr_error derive(struct kgr_ks_identity *id)
{
    for (size_t i = 0; i < NUM_KEYS; i++) {
        enum kgr_error err =
            kgr_auth_derive(id->root, &id->auths[i], labels[i], kgr_slice(NULL, 0));
        if (err != KGR_OK)
            return err;
    }
    return KGR_OK;
}

/* The root is random, sealed below the SRK of this TPM, and everything else follows from it. */
static enum kgr_error create_root(struct kgr_ks_identity *id, struct kgr_db *db,
                                  struct kgr_tpm *tpm, const struct kgr_tpm_object *srk,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_blob blob;
    uint8_t *bytes = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    enum kgr_error err = bytes == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, bytes, KGR_AUTH_ROOT_LEN, diag);
    if (err == KGR_OK)
        err = kgr_tpm_seal(tpm, &blob, srk, NULL, kgr_slice(bytes, KGR_AUTH_ROOT_LEN), diag);
    if (err == KGR_OK)
        err = kgr_auth_root_new(&id->root, bytes);
    kgr_secret_free(bytes);
    if (err == KGR_OK)
        err = kgr_ks_meta_set(db, "root_pub", kgr_slice(blob.pub.bytes, blob.pub.len), diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set(db, "root_priv", kgr_slice(blob.priv.bytes, blob.priv.len), diag);
    return err != KGR_OK ? err : derive(id);
}

static enum kgr_error create_keys(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                  const struct kgr_tpm_object *srk, struct kgr_diag *diag)
{
    struct kgr_tpm_object ek = {0};
    enum kgr_error err = kgr_tpm_ek(tpm, &ek, &id->ek_pub, diag);

    if (err != KGR_OK)
        return err;
    kgr_tpm_release(tpm, &ek);
    err = kgr_tpm_create_storage(tpm, &id->storage, &id->storage_pub, srk, KGR_TPM_FIRST_HANDLE,
                                 id->auths[STORAGE], diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_signing(tpm, &id->signing, &id->signing_pub, srk, KGR_TPM_FIRST_HANDLE,
                                     id->auths[SIGNING], diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_define(tpm, &id->counter, KGR_TPM_FIRST_NV, id->auths[COUNTER], diag);
    return err;
}

/* What was made persistent before the rest failed must not stay: handles are few. */
static void undo_keys(const struct kgr_ks_identity *id, struct kgr_tpm *tpm)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = KGR_OK;

    if (id->counter.handle != 0)
        err = kgr_tpm_counter_undefine(tpm, id->counter.handle, &diag);
    if (id->signing.handle != 0 && err == KGR_OK)
        err = kgr_tpm_evict(tpm, id->signing.handle, &diag);
    if (id->storage.handle != 0 && err == KGR_OK)
        err = kgr_tpm_evict(tpm, id->storage.handle, &diag);
    if (err != KGR_OK)
        kgr_warn("init-undo", "reason=\"%s\"", kgr_diag_text(&diag, err));
}

static enum kgr_error save(const struct kgr_ks_identity *id, struct kgr_db *db, struct kgr_tpm *tpm,
                           const struct kgr_tpm_name *srk, struct kgr_slice ac,
                           struct kgr_diag *diag)
{
    const struct {
        const char *name;
        struct kgr_slice value;
    } values[] = {
        {"srk_name", kgr_slice(srk->bytes, srk->len)},
        {"storage_pub", kgr_slice(id->storage_pub.bytes, id->storage_pub.len)},
        {"signing_pub", kgr_slice(id->signing_pub.bytes, id->signing_pub.len)},
        {"ek_pub", kgr_slice(id->ek_pub.bytes, id->ek_pub.len)},
        {"counter_name", kgr_slice(id->counter.name.bytes, id->counter.name.len)},
        {"topic0", kgr_slice(id->topic0, sizeof id->topic0)},
        {"ac", ac},
    };
    uint64_t epoch = 0;
    enum kgr_error err = kgr_tpm_counter_read(tpm, &epoch, &id->counter, diag);

    for (size_t i = 0; i < KGR_ARRAY_LEN(values) && err == KGR_OK; i++)
        err = kgr_ks_meta_set(db, values[i].name, values[i].value, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "storage_handle", id->storage.handle, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "signing_handle", id->signing.handle, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "counter_index", id->counter.handle, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "epoch", epoch, diag);
    return err;
}

static enum kgr_error create_all(struct kgr_ks_identity *id, struct kgr_db *db, struct kgr_tpm *tpm,
                                 struct kgr_slice ac, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_pub;
    enum kgr_error err = read_ac(id, ac, diag);

    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, &srk, &srk_pub, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &srk, diag);
    if (err == KGR_OK)
        err = kgr_db_begin(db, diag);
    if (err == KGR_OK)
        err = create_root(id, db, tpm, &srk, diag);
    if (err == KGR_OK)
        err = create_keys(id, tpm, &srk, diag);
    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, id->topic0, sizeof id->topic0, diag);
    if (err == KGR_OK)
        err = save(id, db, tpm, &srk.name, ac, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    if (err != KGR_OK) {
        kgr_db_rollback(db);
        undo_keys(id, tpm);
    }
    kgr_tpm_release(tpm, &srk);
    return err;
}

enum kgr_error kgr_ks_identity_create(struct kgr_db *db, struct kgr_tpm *tpm, struct kgr_slice ac,
                                      struct kgr_diag *diag)
{
    struct kgr_ks_identity *id;
    uint64_t epoch;
    enum kgr_error err = kgr_ks_meta_get_u64(db, "epoch", &epoch, NULL);

    if (err == KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "this KS is initialised already");
    if (err != KGR_ERR_NO_KEY)
        return err;
    id = calloc(1, sizeof *id);
    if (id == NULL)
        return KGR_ERR_NO_MEMORY;
    err = create_all(id, db, tpm, ac, diag);
    kgr_ks_identity_close(id);
    free(id);
    return err;
}

static enum kgr_error load_public(struct kgr_db *db, const char *name, struct kgr_tpm_public *out,
                                  enum kgr_error (*check)(const struct kgr_tpm_public *),
                                  struct kgr_diag *diag)
{
    uint8_t bytes[KGR_TPM_PUBLIC_MAX];
    size_t len = 0;
    enum kgr_error err = kgr_ks_meta_get(db, name, bytes, sizeof bytes, &len, diag);

    if (err != KGR_OK)
        return err;
    if (set_public(out, kgr_slice(bytes, len), check) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the database's %s is damaged", name);
    return KGR_OK;
}

enum kgr_error kgr_ks_identity_load(struct kgr_ks_identity *out, struct kgr_db *db,
                                    struct kgr_diag *diag)
{
    uint8_t ac[KGR_IDENTITY_MAX];
    size_t ac_len = 0;
    uint64_t epoch;
    enum kgr_error err = kgr_ks_meta_get_u64(db, "epoch", &epoch, NULL);

    if (err == KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, KGR_ERR_STATE,
                            "this KS is not initialised; run: kgr-ks init --ac FILE");
    if (err == KGR_OK)
        err = load_public(db, "storage_pub", &out->storage_pub, kgr_tpm_check_storage, diag);
    if (err == KGR_OK)
        err = load_public(db, "signing_pub", &out->signing_pub, kgr_tpm_check_signing, diag);
    if (err == KGR_OK)
        err = load_public(db, "ek_pub", &out->ek_pub, kgr_tpm_check_ek, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_get_exact(db, "topic0", out->topic0, sizeof out->topic0, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_get(db, "ac", ac, sizeof ac, &ac_len, diag);
    if (err == KGR_OK)
        err = read_ac(out, kgr_slice(ac, ac_len), diag);
    return err != KGR_OK ? err : kgr_tpm_public_hash(out->ks, &out->signing_pub);
}

static enum kgr_error load_blob_half(struct kgr_db *db, const char *name, uint8_t *out,
                                     uint16_t *out_len, size_t cap, struct kgr_diag *diag)
{
    size_t len = 0;
    enum kgr_error err = kgr_ks_meta_get(db, name, out, cap, &len, diag);

    if (err == KGR_OK)
        *out_len = (uint16_t)len;
    return err;
}

static enum kgr_error open_root(struct kgr_ks_identity *id, struct kgr_db *db, struct kgr_tpm *tpm,
                                const struct kgr_tpm_object *srk, struct kgr_diag *diag)
{
    struct kgr_tpm_blob blob;
    uint8_t *bytes = NULL;
    enum kgr_error err =
        load_blob_half(db, "root_pub", blob.pub.bytes, &blob.pub.len, sizeof blob.pub.bytes, diag);

    if (err == KGR_OK)
        err = load_blob_half(db, "root_priv", blob.priv.bytes, &blob.priv.len,
                             sizeof blob.priv.bytes, diag);
    if (err != KGR_OK)
        return err;
    bytes = kgr_secret_alloc(KGR_AUTH_ROOT_LEN);
    if (bytes == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_tpm_unseal(tpm, bytes, KGR_AUTH_ROOT_LEN, srk, NULL, &blob, diag);
    if (err == KGR_OK)
        err = kgr_auth_root_new(&id->root, bytes);
    kgr_secret_free(bytes);
    return err != KGR_OK ? err : derive(id);
}

/* A persistent object that must be exactly the one that was made here. */
static enum kgr_error open_key(struct kgr_db *db, struct kgr_tpm *tpm, const char *handle_name,
                               const struct kgr_tpm_public *pub, const struct kgr_tpm_auth *auth,
                               struct kgr_tpm_object *out, struct kgr_diag *diag)
{
    struct kgr_tpm_name name;
    uint64_t handle = 0;
    enum kgr_error err = kgr_ks_meta_get_u64(db, handle_name, &handle, diag);

    if (err == KGR_OK)
        err = kgr_tpm_public_name(&name, pub);
    if (err == KGR_OK)
        err = kgr_tpm_persistent(tpm, out, (uint32_t)handle, &name, auth, diag);
    return err;
}

static enum kgr_error open_counter(struct kgr_ks_identity *id, struct kgr_db *db,
                                   struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_name name;
    uint64_t index = 0;
    size_t len = 0;
    enum kgr_error err = kgr_ks_meta_get_u64(db, "counter_index", &index, diag);

    if (err == KGR_OK)
        err = kgr_ks_meta_get(db, "counter_name", name.bytes, sizeof name.bytes, &len, diag);
    if (err != KGR_OK)
        return err;
    name.len = (uint16_t)len;
    return kgr_tpm_counter_open(tpm, &id->counter, (uint32_t)index, &name, id->auths[COUNTER],
                                diag);
}

static enum kgr_error pinned_srk(struct kgr_db *db, struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_name pinned;
    size_t len = 0;
    enum kgr_error err =
        kgr_ks_meta_get(db, "srk_name", pinned.bytes, sizeof pinned.bytes, &len, diag);

    if (err == KGR_OK)
        err = kgr_tpm_srk(tpm, out, &pub, diag);
    if (err != KGR_OK)
        return err;
    pinned.len = (uint16_t)len;
    if (!kgr_tpm_name_equal(&out->name, &pinned))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "the TPM is not the one of this KS, or was cleared");
    return KGR_OK;
}

enum kgr_error kgr_ks_identity_open(struct kgr_ks_identity *id, struct kgr_db *db,
                                    struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    enum kgr_error err = kgr_ks_identity_load(id, db, diag);

    if (err == KGR_OK)
        err = pinned_srk(db, tpm, &srk, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &srk, diag);
    if (err == KGR_OK)
        err = open_root(id, db, tpm, &srk, diag);
    if (err == KGR_OK)
        err = open_key(db, tpm, "storage_handle", &id->storage_pub, id->auths[STORAGE],
                       &id->storage, diag);
    if (err == KGR_OK)
        err = open_key(db, tpm, "signing_handle", &id->signing_pub, id->auths[SIGNING],
                       &id->signing, diag);
    if (err == KGR_OK)
        err = open_counter(id, db, tpm, diag);
    if (err == KGR_OK)
        err = kgr_tpm_session_start(tpm, &id->storage, diag);
    kgr_tpm_release(tpm, &srk);
    if (err != KGR_OK)
        kgr_ks_identity_close(id);
    return err;
}

void kgr_ks_identity_close(struct kgr_ks_identity *id)
{
    for (size_t i = 0; i < NUM_KEYS; i++) {
        kgr_secret_free(id->auths[i]);
        id->auths[i] = NULL;
    }
    kgr_auth_root_free(id->root);
    id->root = NULL;
}

enum kgr_error kgr_ks_identity_start(const struct kgr_ks_identity *id, struct kgr_db *db,
                                     struct kgr_tpm *tpm, uint32_t *out_epoch, bool *out_restored,
                                     struct kgr_diag *diag)
{
    uint64_t stored = 0, counter = 0, next = 0;
    enum kgr_error err = kgr_ks_meta_get_u64(db, "epoch", &stored, diag);

    if (err == KGR_OK)
        err = kgr_tpm_counter_read(tpm, &counter, &id->counter, diag);
    /* Announced before it is taken: a crash in between is no sign of a restored database. */
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "epoch", counter + 1, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_increment(tpm, &next, &id->counter, diag);
    if (err != KGR_OK)
        return err;
    if (next == 0 || next > UINT32_MAX)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the epoch counter of the TPM is spent");
    *out_epoch = (uint32_t)next;
    *out_restored = counter != stored && counter + 1 != stored;
    return KGR_OK;
}

enum kgr_error kgr_ks_identity_file(const struct kgr_ks_identity *id, uint8_t *out, size_t *out_len)
{
    struct kgr_identity file = {
        .kind = KGR_IDENTITY_KS,
        .signing = kgr_slice(id->signing_pub.bytes, id->signing_pub.len),
        .storage = kgr_slice(id->storage_pub.bytes, id->storage_pub.len),
        .ek = kgr_slice(id->ek_pub.bytes, id->ek_pub.len),
    };
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_slice covered;
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, out, KGR_IDENTITY_MAX);
    err = kgr_identity_encode(&wr, &file);
    if (err != KGR_OK)
        return err;
    covered = kgr_wr_slice(&wr);
    err = kgr_sha256(hash, &covered, 1);
    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(&wr, hash, sizeof hash);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_TOO_LARGE;
    *out_len = wr.len;
    return KGR_OK;
}
