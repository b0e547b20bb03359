/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/sealed.h"

#include <pthread.h>
#include <stdlib.h>

#include "agent/base/secret.h"
#include "agent/tpm/sealed.h"
#include "agent/tpm/template.h"

struct kgr_sealed_key {
    enum kgr_suite suite;
    const struct kgr_tpm_object *parent; /* borrowed */
    struct kgr_key_blobs blobs;
    struct kgr_tpm_auth *auth_enc; /* owned, in the arena */
    struct kgr_tpm_auth *auth_mac;
    pthread_rwlock_t lock;         /* of keys */
    struct kgr_software_key *keys; /* owned; NULL: sealed */
};

enum kgr_error kgr_sealed_key_new(struct kgr_sealed_key **out, enum kgr_suite suite,
                                  const struct kgr_tpm_object *parent,
                                  const struct kgr_key_blobs *blobs, struct kgr_tpm_auth *auth_enc,
                                  struct kgr_tpm_auth *auth_mac)
{
    struct kgr_sealed_key *key;
    enum kgr_error err = kgr_tpm_check_form(&blobs->enc.pub, suite, KGR_TPM_ENC, KGR_TPM_DATA);

    if (err == KGR_OK)
        err = kgr_tpm_check_form(&blobs->mac.pub, suite, KGR_TPM_MAC, KGR_TPM_DATA);
    if (err != KGR_OK)
        return err;
    key = calloc(1, sizeof(*key));
    if (key == NULL || pthread_rwlock_init(&key->lock, NULL) != 0) {
        free(key);
        return KGR_ERR_NO_MEMORY;
    }
    key->suite = suite;
    key->parent = parent;
    key->blobs = *blobs;
    key->auth_enc = auth_enc;
    key->auth_mac = auth_mac;
    *out = key;
    return KGR_OK;
}

void kgr_sealed_key_free(struct kgr_sealed_key *key)
{
    if (key == NULL)
        return;
    kgr_software_key_free(key->keys);
    kgr_secret_free(key->auth_enc);
    kgr_secret_free(key->auth_mac);
    (void)pthread_rwlock_destroy(&key->lock);
    free(key);
}

static enum kgr_error arena_is_full(struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_NO_MEMORY,
                        "the guarded arena is full: no room for another key in sealed custody");
}

/* With the lock held for writing. */
static enum kgr_error unseal(struct kgr_sealed_key *key, struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    size_t enc_len = kgr_suite_enc_key_len(key->suite);
    size_t mac_len = kgr_suite_mac_key_len(key->suite);
    uint8_t *bytes = kgr_secret_alloc(enc_len + mac_len);
    enum kgr_error err = KGR_OK;

    if (bytes == NULL)
        return arena_is_full(diag);
    err = kgr_tpm_unseal(tpm, bytes, enc_len, key->parent, key->auth_enc, &key->blobs.enc, diag);
    if (err == KGR_OK)
        err = kgr_tpm_unseal(tpm, bytes + enc_len, mac_len, key->parent, key->auth_mac,
                             &key->blobs.mac, diag);
    if (err == KGR_OK)
        err = kgr_software_key_new(&key->keys, key->suite, kgr_slice(bytes, enc_len),
                                   kgr_slice(bytes + enc_len, mac_len));
    kgr_secret_free(bytes);
    return err == KGR_ERR_NO_MEMORY ? arena_is_full(diag) : err;
}

enum kgr_error kgr_sealed_key_use(struct kgr_sealed_key *key, struct kgr_tpm *tpm,
                                  kgr_sealed_op *op, void *arg, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_OK;

    (void)pthread_rwlock_rdlock(&key->lock);
    if (key->keys == NULL) {
        (void)pthread_rwlock_unlock(&key->lock);
        if (tpm == NULL)
            return kgr_diag_set(diag, KGR_ERR_STATE, "the key is sealed");
        (void)pthread_rwlock_wrlock(&key->lock);
        if (key->keys == NULL)
            err = unseal(key, tpm, diag);
    }
    if (err == KGR_OK)
        err = op(key->keys, arg);
    (void)pthread_rwlock_unlock(&key->lock);
    return err;
}

bool kgr_sealed_key_is_open(struct kgr_sealed_key *key)
{
    bool open;

    /* The worker holds it for as long as its TPM takes. */
    if (pthread_rwlock_tryrdlock(&key->lock) != 0)
        return false;
    open = key->keys != NULL;
    (void)pthread_rwlock_unlock(&key->lock);
    return open;
}

struct kgr_software_key *kgr_sealed_key_hold(struct kgr_sealed_key *key)
{
    struct kgr_software_key *keys = NULL;

    if (pthread_rwlock_tryrdlock(&key->lock) != 0)
        return NULL;
    if (key->keys != NULL)
        keys = kgr_software_key_hold(key->keys);
    (void)pthread_rwlock_unlock(&key->lock);
    return keys;
}

void kgr_sealed_key_close(struct kgr_sealed_key *key)
{
    (void)pthread_rwlock_wrlock(&key->lock);
    kgr_software_key_free(key->keys);
    key->keys = NULL;
    (void)pthread_rwlock_unlock(&key->lock);
}
