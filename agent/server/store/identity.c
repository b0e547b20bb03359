/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/identity.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/keys/state_key.h"
#include "agent/seal/digest.h"
#include "agent/server/orders/ac.h"
#include "agent/server/store/store.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"
#include "agent/wire/credential.h"

enum { STORAGE, SIGNING, NUM_KEYS };

static const char *const labels[NUM_KEYS] = {"storage", "signing"};

static const char not_initialised[] = "this KS is not initialised; run: kgr-ks init --ac FILE";

static enum kgr_error set_public(struct kgr_tpm_public *out, struct kgr_slice bytes,
                                 enum kgr_error (*check)(const struct kgr_tpm_public *))
{
    enum kgr_error err = kgr_tpm_public_set(out, bytes);

    return err != KGR_OK ? err : check(out);
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

/* open_state follows the opening, or the making, of the vault. */
static enum kgr_error open_state(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                 const char *folder, bool create, struct kgr_diag *diag)
{
    struct kgr_page_keys keys;
    uint64_t counter = 0;
    enum kgr_error err = kgr_tpm_counter_read(tpm, &counter, &id->vault.counter, diag);

    id->root = id->vault.root;
    keys = kgr_state_keys(id->root);
    if (err == KGR_OK)
        err = kgr_ks_store_open(&id->state, folder, &keys, counter,
                                create && counter == id->vault.first, diag);
    if (err == KGR_ERR_NO_KEY)
        err = kgr_vault_no_state(&id->vault, counter, folder, diag);
    return err == KGR_OK ? derive(id) : err;
}

static enum kgr_error create_keys(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                  const struct kgr_tpm_object *srk, enum kgr_suite best,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_object ek = {0};
    enum kgr_error err = kgr_tpm_ek(tpm, &ek, &id->ek_pub, diag);

    if (err != KGR_OK)
        return err;
    kgr_tpm_release(tpm, &ek);
    err = kgr_tpm_create_storage(tpm, &id->storage, &id->storage_pub, srk, KGR_TPM_FIRST_HANDLE,
                                 best, id->auths[STORAGE], diag);
    if (err == KGR_OK)
        err = kgr_tpm_create_signing(tpm, &id->signing, &id->signing_pub, srk, KGR_TPM_FIRST_HANDLE,
                                     id->auths[SIGNING], diag);
    return err;
}

/* What was made persistent before the rest failed must not stay: handles are few. */
static void undo_keys(const struct kgr_ks_identity *id, struct kgr_tpm *tpm)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = KGR_OK;

    if (id->signing.handle != 0)
        err = kgr_tpm_evict(tpm, id->signing.handle, &diag);
    if (id->storage.handle != 0 && err == KGR_OK)
        err = kgr_tpm_evict(tpm, id->storage.handle, &diag);
    if (err != KGR_OK)
        kgr_warn("init-undo", "reason=\"%s\"", kgr_diag_text(&diag, err));
}

static enum kgr_error save(const struct kgr_ks_identity *id, struct kgr_diag *diag)
{
    struct kgr_db *db = id->state.db;
    const struct {
        const char *name;
        struct kgr_slice value;
    } values[] = {
        {"storage_pub", kgr_slice(id->storage_pub.bytes, id->storage_pub.len)},
        {"signing_pub", kgr_slice(id->signing_pub.bytes, id->signing_pub.len)},
        {"ek_pub", kgr_slice(id->ek_pub.bytes, id->ek_pub.len)},
        {"topic0", kgr_slice(id->topic0, sizeof id->topic0)},
    };
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < KGR_ARRAY_LEN(values) && err == KGR_OK; i++)
        err = kgr_ks_meta_set(db, values[i].name, values[i].value, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "storage_handle", id->storage.handle, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_set_u64(db, "signing_handle", id->signing.handle, diag);
    return err;
}

static enum kgr_error create_all(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                 struct kgr_slice file, struct kgr_ks_ac_keys *ac,
                                 enum kgr_suite best, struct kgr_diag *diag)
{
    struct kgr_tpm_object srk = {0};
    struct kgr_tpm_public srk_pub;
    struct kgr_db *db = id->state.db;
    enum kgr_error err = kgr_tpm_srk(tpm, &srk, &srk_pub, diag);

    if (err == KGR_OK)
        err = kgr_db_begin(db, diag);
    if (err == KGR_OK)
        err = create_keys(id, tpm, &srk, best, diag);
    if (err == KGR_OK)
        err = kgr_tpm_random(tpm, id->topic0, sizeof id->topic0, diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_make(ac, id, tpm, diag);
    if (err == KGR_OK)
        err = save(id, diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_save(db, KGR_KS_AC_PRESENT, file, ac, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    if (err != KGR_OK) {
        kgr_db_rollback(db);
        undo_keys(id, tpm);
    }
    kgr_tpm_release(tpm, &srk);
    return err;
}

static bool is_made(struct kgr_db *db)
{
    uint64_t handle;

    return kgr_ks_meta_get_u64(db, "storage_handle", &handle, NULL) != KGR_ERR_NO_KEY;
}

enum kgr_error kgr_ks_identity_create(struct kgr_tpm *tpm, const char *folder,
                                      struct kgr_slice file, enum kgr_suite best,
                                      struct kgr_diag *diag)
{
    struct kgr_ks_identity *id = calloc(1, sizeof *id);
    struct kgr_ks_ac_keys *ac = calloc(1, sizeof *ac);
    enum kgr_error err =
        id == NULL || ac == NULL ? KGR_ERR_NO_MEMORY : kgr_ks_ac_read(ac, file, diag);

    if (err == KGR_OK)
        kgr_ks_ac_prepare(ac);
    if (err == KGR_OK)
        err = kgr_vault_exists(folder) ? kgr_vault_open(&id->vault, tpm, folder, diag)
                                       : kgr_vault_create(&id->vault, tpm, folder, diag);
    if (err == KGR_OK)
        err = open_state(id, tpm, folder, true, diag);
    if (err == KGR_OK && is_made(id->state.db))
        err = kgr_diag_set(diag, KGR_ERR_EXISTS,
                           "this KS is initialised already; for another ks.pub: kgr-ks ac replace "
                           "ac.pub -o ks.pub");
    if (err == KGR_OK)
        err = create_all(id, tpm, file, ac, best, diag);
    free(ac);
    if (id != NULL)
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

static enum kgr_error load(struct kgr_ks_identity *id, struct kgr_diag *diag)
{
    struct kgr_db *db = id->state.db;
    enum kgr_error err;

    if (!is_made(db))
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s", not_initialised);
    err = load_public(db, "storage_pub", &id->storage_pub, kgr_tpm_check_storage, diag);
    if (err == KGR_OK)
        err = load_public(db, "signing_pub", &id->signing_pub, kgr_tpm_check_signing, diag);
    if (err == KGR_OK)
        err = load_public(db, "ek_pub", &id->ek_pub, kgr_tpm_check_ek, diag);
    if (err == KGR_OK)
        err = kgr_ks_meta_get_exact(db, "topic0", id->topic0, sizeof id->topic0, diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_public(db, &id->ac_storage, &id->ac_ek, diag);
    return err != KGR_OK ? err : kgr_tpm_public_hash(id->ks, &id->signing_pub);
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

static enum kgr_error open_all(struct kgr_ks_identity *id, struct kgr_tpm *tpm, const char *folder,
                               struct kgr_diag *diag)
{
    enum kgr_error err = kgr_vault_open(&id->vault, tpm, folder, diag);

    if (err == KGR_OK)
        err = open_state(id, tpm, folder, false, diag);
    if (err == KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s", not_initialised);
    if (err == KGR_OK)
        err = load(id, diag);
    if (err == KGR_OK)
        err = open_key(id->state.db, tpm, "storage_handle", &id->storage_pub, id->auths[STORAGE],
                       &id->storage, diag);
    if (err == KGR_OK)
        err = open_key(id->state.db, tpm, "signing_handle", &id->signing_pub, id->auths[SIGNING],
                       &id->signing, diag);
    return err == KGR_OK ? kgr_tpm_session_start(tpm, &id->storage, diag) : err;
}

enum kgr_error kgr_ks_identity_open(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                    const char *folder, struct kgr_diag *diag)
{
    enum kgr_error err = open_all(id, tpm, folder, diag);

    if (err != KGR_OK)
        kgr_ks_identity_close(id);
    return err;
}

static enum kgr_error key_remains(struct kgr_tpm_remains *out, struct kgr_db *db,
                                  const char *handle_name, const char *pub_name,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_public pub;
    uint64_t handle = 0;
    size_t len = 0;
    enum kgr_error err = kgr_ks_meta_get_u64(db, handle_name, &handle, diag);

    if (err == KGR_OK)
        err = kgr_ks_meta_get(db, pub_name, pub.bytes, sizeof pub.bytes, &len, diag);
    pub.len = (uint16_t)len;
    if (err == KGR_OK)
        err = kgr_tpm_public_name(&out->name, &pub);
    out->handle = (uint32_t)handle;
    return err;
}

enum kgr_error kgr_ks_identity_remains(struct kgr_tpm_remains out[KGR_KS_REMAINS],
                                       struct kgr_tpm *tpm, const char *folder,
                                       struct kgr_diag *diag)
{
    struct kgr_ks_identity *id = calloc(1, sizeof *id);
    enum kgr_error err =
        id == NULL ? KGR_ERR_NO_MEMORY : kgr_vault_open(&id->vault, tpm, folder, diag);

    if (err == KGR_OK)
        err = open_state(id, tpm, folder, false, diag);
    if (err == KGR_OK)
        err = key_remains(&out[0], id->state.db, "signing_handle", "signing_pub", diag);
    if (err == KGR_OK)
        err = key_remains(&out[1], id->state.db, "storage_handle", "storage_pub", diag);
    if (id != NULL)
        kgr_ks_identity_close(id);
    free(id);
    return err;
}

void kgr_ks_identity_close(struct kgr_ks_identity *id)
{
    kgr_state_close(&id->state);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        kgr_secret_free(id->auths[i]);
        id->auths[i] = NULL;
    }
    kgr_vault_close(&id->vault);
    id->root = NULL;
}

enum kgr_error kgr_ks_identity_start(
    struct kgr_ks_identity *id, struct kgr_tpm *tpm, uint32_t *out_epoch, bool *out_restored,
    enum kgr_error (*on_restored)(struct kgr_db *db, struct kgr_diag *diag), struct kgr_diag *diag)
{
    uint64_t next = 0;
    enum kgr_error err;

    if (id->state.counter >= UINT32_MAX)
        return kgr_diag_set(diag, KGR_ERR_TPM, "the epoch counter of the TPM is spent");
    err = kgr_state_announce(&id->state, diag);
    if (err == KGR_OK)
        err = kgr_tpm_counter_increment(tpm, &next, &id->vault.counter, diag);
    if (err == KGR_OK)
        err = kgr_state_enter(&id->state, next, out_restored, on_restored, diag);
    if (err == KGR_OK)
        *out_epoch = (uint32_t)next;
    return err;
}

static enum kgr_error finish_file(struct kgr_wr *wr, const struct kgr_identity *file)
{
    uint8_t hash[KGR_SHA256_LEN];
    struct kgr_slice covered;
    enum kgr_error err = kgr_identity_encode(wr, file);

    if (err != KGR_OK)
        return err;
    covered = kgr_wr_slice(wr);
    err = kgr_sha256(hash, &covered, 1);
    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(wr, hash, sizeof hash);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

enum kgr_error kgr_ks_identity_file(const struct kgr_ks_identity *id, const char *host,
                                    uint16_t port, uint8_t *out, size_t *out_len,
                                    struct kgr_diag *diag)
{
    struct kgr_identity file = {
        .kind = KGR_IDENTITY_KS,
        .signing = kgr_slice(id->signing_pub.bytes, id->signing_pub.len),
        .storage = kgr_slice(id->storage_pub.bytes, id->storage_pub.len),
        .ek = kgr_slice(id->ek_pub.bytes, id->ek_pub.len),
        .host = kgr_slice(host, strlen(host)),
        .port = port,
    };
    uint8_t *grant = malloc(KGR_AC_GRANT_MAX);
    size_t grant_len = 0;
    struct kgr_wr wr;
    enum kgr_error err = grant == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_wr_init(&wr, out, KGR_KS_PUB_MAX);
    if (err == KGR_OK)
        err = kgr_ks_ac_grant(id->state.db, grant, &grant_len, diag);
    if (err == KGR_OK)
        err = kgr_ac_grant_decode(&file.grant, kgr_slice(grant, grant_len));
    if (err == KGR_OK)
        err = finish_file(&wr, &file);
    free(grant);
    *out_len = wr.len;
    return err;
}
