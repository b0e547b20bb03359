/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/framekey.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/seal/hkdf.h"
#include "agent/tpm/object.h"
#include "agent/wire/credential.h"

/* What bounds the TPM's work for one key (docs/protocol.md, section 3.1). */
#define FRAMES_A_SECOND 20
#define FRAMES_BURST    40

#define NTAG_ENC "kgr ntag enc"
#define NTAG_MAC "kgr ntag mac"

static struct kgr_ks_key *new_key(const uint8_t *key_id, enum kgr_suite suite, uint64_t now_ms)
{
    struct kgr_ks_key *key = calloc(1, sizeof *key);

    if (key == NULL)
        return NULL;
    memcpy(key->key_id, key_id, sizeof key->key_id);
    key->suite = suite;
    key->refs = 1;
    kgr_bucket_init(&key->bucket, FRAMES_A_SECOND, FRAMES_BURST, now_ms);
    return key;
}

enum kgr_error kgr_ks_key_new_ntag(struct kgr_ks_key **out, const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                   const struct kgr_tpm_blob *ntag, uint64_t now_ms)
{
    struct kgr_ks_key *key = new_key(key_id, KGR_SUITE_AES128_SHA256, now_ms);

    if (key == NULL)
        return KGR_ERR_NO_MEMORY;
    key->is_ntag = true;
    key->ntag = *ntag;
    *out = key;
    return KGR_OK;
}

enum kgr_error kgr_ks_key_new_nksk(struct kgr_ks_key **out, const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                   enum kgr_suite suite, const struct kgr_key_blobs *blobs,
                                   const struct kgr_tpm_object *storage,
                                   const struct kgr_auth_root *root, uint64_t first_slot_id,
                                   uint64_t now_ms)
{
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    struct kgr_ks_key *key = new_key(key_id, suite, now_ms);
    enum kgr_error err = key == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_ks_nksk_auth(root, &enc, &mac, key_id);
    if (err == KGR_OK)
        err = kgr_keyset_new(&key->keys, suite, storage, blobs, first_slot_id, enc,
                             first_slot_id + 1, mac);
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        kgr_secret_free(mac);
        free(key);
        return err;
    }
    *out = key;
    return KGR_OK;
}

void kgr_ks_key_ref(struct kgr_ks_key *key)
{
    key->refs++;
}

bool kgr_ks_key_unref(struct kgr_ks_key *key)
{
    assert(key->refs > 0);
    return --key->refs == 0;
}

void kgr_ks_key_free(struct kgr_ks_key *key)
{
    if (key == NULL)
        return;
    kgr_keyset_free(key->keys);
    free(key);
}

enum kgr_error kgr_ks_nksk_auth(const struct kgr_auth_root *root, struct kgr_tpm_auth **out_enc,
                                struct kgr_tpm_auth **out_mac,
                                const uint8_t key_id[KGR_KS_KEY_ID_LEN])
{
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    enum kgr_error err =
        kgr_auth_derive(root, &enc, "nksk enc", kgr_slice(key_id, KGR_KS_KEY_ID_LEN));

    if (err == KGR_OK)
        err = kgr_auth_derive(root, &mac, "nksk mac", kgr_slice(key_id, KGR_KS_KEY_ID_LEN));
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        return err;
    }
    *out_enc = enc;
    *out_mac = mac;
    return KGR_OK;
}

enum kgr_error kgr_ks_ntag_auth(const struct kgr_auth_root *root, struct kgr_tpm_auth **out,
                                const uint8_t key_id[KGR_KS_KEY_ID_LEN])
{
    return kgr_auth_derive(root, out, "ntag", kgr_slice(key_id, KGR_KS_KEY_ID_LEN));
}

static struct kgr_ks_key **bucket_of(struct kgr_ks_keys *keys, const uint8_t *key_id)
{
    return &keys->buckets[(key_id[0] << 8 | key_id[1]) % KGR_KS_KEYS_BUCKETS];
}

void kgr_ks_keys_add(struct kgr_ks_keys *keys, struct kgr_ks_key *key)
{
    struct kgr_ks_key **bucket = bucket_of(keys, key->key_id);

    key->next = *bucket;
    *bucket = key;
}

void kgr_ks_keys_take(struct kgr_ks_keys *keys, struct kgr_ks_key *key)
{
    for (struct kgr_ks_key **at = bucket_of(keys, key->key_id); *at != NULL; at = &(*at)->next) {
        if (*at == key) {
            *at = key->next;
            key->next = NULL;
            return;
        }
    }
}

struct kgr_ks_key *kgr_ks_keys_find(struct kgr_ks_keys *keys,
                                    const uint8_t key_id[KGR_KS_KEY_ID_LEN])
{
    struct kgr_ks_key *key = *bucket_of(keys, key_id);

    while (key != NULL && memcmp(key->key_id, key_id, sizeof key->key_id) != 0)
        key = key->next;
    return key;
}

/* The keys of NTAG, derived for one use: docs/protocol.md, section 2. */
static enum kgr_error derive_ntag(struct kgr_software_key **out, struct kgr_ks_key *key,
                                  struct kgr_slice ntag)
{
    const size_t enc_len = 16, mac_len = 32;
    uint8_t *bytes = kgr_secret_alloc(enc_len + mac_len);
    struct kgr_slice salt = kgr_slice(key->key_id, sizeof key->key_id);
    enum kgr_error err = bytes == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_hkdf(bytes, enc_len, ntag, salt, kgr_slice(NTAG_ENC, sizeof NTAG_ENC - 1));
    if (err == KGR_OK)
        err = kgr_hkdf(bytes + enc_len, mac_len, ntag, salt,
                       kgr_slice(NTAG_MAC, sizeof NTAG_MAC - 1));
    if (err == KGR_OK)
        err = kgr_software_key_new(out, key->suite, kgr_slice(bytes, enc_len),
                                   kgr_slice(bytes + enc_len, mac_len));
    kgr_secret_free(bytes);
    return err;
}

static enum kgr_error open_ntag(struct kgr_ks_crypt *out, struct kgr_ks_key *key,
                                const struct kgr_tpm_object *storage,
                                const struct kgr_auth_root *root, struct kgr_tpm *tpm,
                                struct kgr_diag *diag)
{
    struct kgr_tpm_auth *auth = NULL;
    uint8_t *ntag = kgr_secret_alloc(KGR_NTAG_LEN);
    enum kgr_error err = ntag == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_ks_ntag_auth(root, &auth, key->key_id);
    if (err == KGR_OK)
        err = kgr_tpm_unseal(tpm, ntag, KGR_NTAG_LEN, storage, auth, &key->ntag, diag);
    if (err == KGR_OK)
        err = derive_ntag(&out->software, key, kgr_slice(ntag, KGR_NTAG_LEN));
    if (err == KGR_OK)
        out->seal = kgr_software_key_seal(out->software);
    kgr_secret_free(auth);
    kgr_secret_free(ntag);
    /* Damage of our own blob is not damage of the frame. */
    return err == KGR_ERR_CORRUPT ? KGR_ERR_TPM : err;
}

enum kgr_error kgr_ks_crypt_open(struct kgr_ks_crypt *out, struct kgr_ks_key *key,
                                 const struct kgr_tpm_object *storage,
                                 const struct kgr_auth_root *root, struct kgr_tpm *tpm,
                                 struct kgr_diag *diag)
{
    *out = (struct kgr_ks_crypt){0};
    if (key->is_ntag)
        return open_ntag(out, key, storage, root, tpm, diag);
    out->use = (struct kgr_keyset_use){.tpm = tpm, .key = key->keys, .diag = diag};
    out->seal = kgr_keyset_use_seal(&out->use);
    return KGR_OK;
}

void kgr_ks_crypt_close(struct kgr_ks_crypt *crypt)
{
    kgr_software_key_free(crypt->software);
    crypt->software = NULL;
}
