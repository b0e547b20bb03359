/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fake-state.h"
#include "tests/support/p11-fake.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

/* The request's key bytes, and what is wrong with asking for them. Locked. */
static enum kgr_error key_bytes(const struct kgr_key *key, bool mac, bool send, uint8_t out[64],
                                size_t *out_len)
{
    enum kgr_error err = fake_request();
    const struct kgr_peer *found = fake_find(key->peer, key->generation);

    if (err == KGR_OK && (key->generation == 0 || found == NULL)) {
        err = KGR_ERR_UNKNOWN_PEER;
    }
    if (err == KGR_OK && !(send ? found->may_send : found->may_receive)) {
        err = KGR_ERR_EXPIRED;
    }
    if (err == KGR_OK) {
        *out_len = fake_key(key->peer, key->generation, found->suite, mac, out);
    }
    return err;
}

static const EVP_CIPHER *cipher_of(enum kgr_mode mode, size_t key_len)
{
    bool big = key_len == 32;

    switch (mode) {
    case KGR_MODE_ECB:
        return big ? EVP_aes_256_ecb() : EVP_aes_128_ecb();
    case KGR_MODE_CBC:
        return big ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
    case KGR_MODE_CTR:
        return big ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
    case KGR_MODE_CFB:
        return big ? EVP_aes_256_cfb128() : EVP_aes_128_cfb128();
    default:
        return big ? EVP_aes_256_ofb() : EVP_aes_128_ofb();
    }
}

/* The IV with which a further call continues. */
static void next_iv(enum kgr_mode mode, uint8_t *iv, const uint8_t *plain, const uint8_t *secret,
                    size_t len)
{
    size_t last = len >= KGR_BLOCK_LEN ? len - KGR_BLOCK_LEN : 0;

    if (mode == KGR_MODE_CTR) {
        for (size_t n = len / KGR_BLOCK_LEN; n > 0; n--) {
            for (int i = KGR_BLOCK_LEN - 1; i >= 0 && ++iv[i] == 0; i--) {
            }
        }
    } else if (len >= KGR_BLOCK_LEN && mode != KGR_MODE_ECB) {
        for (size_t i = 0; i < KGR_BLOCK_LEN; i++) {
            iv[i] = (uint8_t)(secret[last + i] ^ (mode == KGR_MODE_OFB ? plain[last + i] : 0));
        }
    }
}

static enum kgr_error transform(const struct kgr_key *key, bool encrypt, enum kgr_mode mode,
                                uint8_t *iv, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t bytes[64];
    size_t bytes_len = 0;
    enum kgr_error err;
    uint8_t *result;
    EVP_CIPHER_CTX *ctx;
    int n = 0;

    if (len == 0 || len > KGR_DATA_MAX ||
        ((mode == KGR_MODE_ECB || mode == KGR_MODE_CBC) && len % KGR_BLOCK_LEN != 0)) {
        return KGR_ERR_INVALID;
    }
    fake_lock();
    err = key_bytes(key, false, encrypt, bytes, &bytes_len);
    fake_unlock();
    if (err != KGR_OK) {
        return err;
    }
    ctx = EVP_CIPHER_CTX_new();
    result = malloc(len);
    if (ctx == NULL || result == NULL ||
        EVP_CipherInit_ex(ctx, cipher_of(mode, bytes_len), NULL, bytes, iv, encrypt) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
        EVP_CipherUpdate(ctx, result, &n, in, (int)len) != 1 || (size_t)n != len) {
        abort();
    }
    if (iv != NULL) {
        next_iv(mode, iv, encrypt ? in : result, encrypt ? result : in, len);
    }
    memcpy(out, result, len);
    free(result);
    EVP_CIPHER_CTX_free(ctx);
    return KGR_OK;
}

enum kgr_error kgr_encrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
    (void)client;
    return transform(key, true, mode, iv, in, len, out);
}

enum kgr_error kgr_decrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
    (void)client;
    return transform(key, false, mode, iv, in, len, out);
}

/* A MAC is made to sign and to verify alike. */
static enum kgr_error mac_key(const struct kgr_key *key, uint8_t out[64], size_t *out_len)
{
    const struct kgr_peer *found = fake_find(key->peer, key->generation);

    return key_bytes(key, true, found != NULL && found->may_send, out, out_len);
}

enum kgr_error kgr_mac(struct kgr_client *client, const struct kgr_key *key, const uint8_t *in,
                       size_t len, uint8_t *out, size_t *out_len)
{
    uint8_t bytes[64];
    size_t bytes_len = 0;
    unsigned n = 0;
    enum kgr_error err;

    (void)client;
    if (len > KGR_DATA_MAX) {
        return KGR_ERR_TOO_LARGE;
    }
    fake_lock();
    err = mac_key(key, bytes, &bytes_len);
    fake_unlock();
    if (err == KGR_OK) {
        if (HMAC(bytes_len == 32 ? EVP_sha256() : EVP_sha384(), bytes, (int)bytes_len, in, len, out,
                 &n) == NULL) {
            abort();
        }
        *out_len = n;
    }
    return err;
}

static EVP_MAC_CTX *mac_new(const uint8_t *key, size_t key_len)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    char sha256[] = "SHA256";
    char sha384[] = "SHA384";
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_utf8_string("digest", key_len == 32 ? sha256 : sha384, 0),
        OSSL_PARAM_construct_end(),
    };

    if (ctx == NULL || EVP_MAC_init(ctx, key, key_len, params) != 1) {
        abort();
    }
    EVP_MAC_free(mac);
    return ctx;
}

enum kgr_error kgr_mac_start(struct kgr_client *client, const struct kgr_key *key, uint32_t *out_id)
{
    uint8_t bytes[64];
    size_t bytes_len = 0;
    enum kgr_error err;
    uint32_t id = 0;

    (void)client;
    fake_lock();
    err = mac_key(key, bytes, &bytes_len);
    while (err == KGR_OK && fake.macs[id] != NULL) {
        err = ++id == FAKE_MAX_MACS ? KGR_ERR_QUOTA : KGR_OK;
    }
    if (err == KGR_OK) {
        fake.macs[id] = mac_new(bytes, bytes_len);
        *out_id = id + 1;
    }
    fake_unlock();
    return err;
}

static EVP_MAC_CTX **mac_of(uint32_t id)
{
    return id >= 1 && id <= FAKE_MAX_MACS && fake.macs[id - 1] != NULL ? &fake.macs[id - 1] : NULL;
}

enum kgr_error kgr_mac_update(struct kgr_client *client, uint32_t id, const uint8_t *in, size_t len)
{
    enum kgr_error err;
    EVP_MAC_CTX **mac;

    (void)client;
    if (len > KGR_DATA_MAX) {
        return KGR_ERR_TOO_LARGE;
    }
    fake_lock();
    err = fake_request();
    mac = mac_of(id);
    if (err == KGR_OK && mac == NULL) {
        err = KGR_ERR_STATE;
    }
    if (err == KGR_OK && EVP_MAC_update(*mac, in, len) != 1) {
        abort();
    }
    fake_unlock();
    return err;
}

enum kgr_error kgr_mac_final(struct kgr_client *client, uint32_t id, uint8_t *out, size_t *out_len)
{
    enum kgr_error err;
    EVP_MAC_CTX **mac;
    size_t n = 0;

    (void)client;
    fake_lock();
    err = fake_request();
    mac = mac_of(id);
    if (err == KGR_OK && mac == NULL) {
        err = KGR_ERR_STATE;
    }
    if (err == KGR_OK && EVP_MAC_final(*mac, out, &n, KGR_MAC_MAX) != 1) {
        abort();
    }
    if (mac != NULL) {
        EVP_MAC_CTX_free(*mac);
        *mac = NULL;
    }
    fake_unlock();
    if (err == KGR_OK) {
        *out_len = n;
    }
    return err;
}

void kgr_mac_abort(struct kgr_client *client, uint32_t id)
{
    EVP_MAC_CTX **mac;

    (void)client;
    fake_lock();
    mac = mac_of(id);
    if (mac != NULL) {
        EVP_MAC_CTX_free(*mac);
        *mac = NULL;
    }
    fake_unlock();
}

/*
 * No record of the protocol: magic, stored flag, sequence, plaintext, HMAC-SHA256. Enough to see what
 * a door passes on.
 */
#define RECORD_HEAD 17
#define RECORD_TAG  32

static void record_tag(uint8_t out[RECORD_TAG], const uint8_t *key, const uint8_t *aad,
                       size_t aad_len, const uint8_t *record, size_t len)
{
    EVP_MAC_CTX *ctx = mac_new(key, RECORD_TAG);
    size_t n = 0;

    if (EVP_MAC_update(ctx, aad, aad_len) != 1 || EVP_MAC_update(ctx, record, len) != 1 ||
        EVP_MAC_final(ctx, out, &n, RECORD_TAG) != 1) {
        abort();
    }
    EVP_MAC_CTX_free(ctx);
}

enum kgr_error kgr_seal(struct kgr_client *client, const char *peer, bool stored,
                        const uint8_t *aad, size_t aad_len, const uint8_t *plaintext,
                        size_t plaintext_len, uint8_t *out, size_t out_cap, size_t *out_len)
{
    const struct kgr_peer *key;
    uint8_t bytes[64];
    enum kgr_error err;

    (void)client;
    if (out_cap < plaintext_len + KGR_RECORD_OVERHEAD) {
        return KGR_ERR_SHORT_BUFFER;
    }
    if (plaintext_len > KGR_DATA_MAX || aad_len > KGR_AAD_MAX) {
        return KGR_ERR_TOO_LARGE;
    }
    fake_lock();
    err = fake_request();
    key = fake_current(peer);
    if (err == KGR_OK && key == NULL) {
        err = KGR_ERR_NO_KEY;
    }
    if (err == KGR_OK) {
        (void)fake_key(peer, key->generation, key->suite, true, bytes);
        memcpy(out, "FAKEREC", 8);
        out[8] = stored;
        memcpy(out + 9, &fake.next_sequence, 8);
        fake.next_sequence++;
    }
    fake_unlock();
    if (err == KGR_OK) {
        memmove(out + RECORD_HEAD, plaintext, plaintext_len);
        record_tag(out + RECORD_HEAD + plaintext_len, bytes, aad, aad_len, out,
                   RECORD_HEAD + plaintext_len);
        *out_len = RECORD_HEAD + plaintext_len + RECORD_TAG;
    }
    return err;
}

enum kgr_error kgr_open(struct kgr_client *client, const char *peer, bool stored,
                        const uint8_t *aad, size_t aad_len, const uint8_t *record,
                        size_t record_len, uint8_t *out, size_t out_cap, size_t *out_len)
{
    const struct kgr_peer *key;
    uint8_t tag[RECORD_TAG];
    uint8_t bytes[64];
    uint64_t sequence = 0;
    enum kgr_error err;

    (void)client;
    if (out_cap < record_len) {
        return KGR_ERR_SHORT_BUFFER;
    }
    if (record_len < RECORD_HEAD + RECORD_TAG) {
        return KGR_ERR_CORRUPT;
    }
    fake_lock();
    err = fake_request();
    key = fake_current(peer);
    if (err == KGR_OK && key == NULL) {
        err = KGR_ERR_NO_KEY;
    }
    if (err == KGR_OK) {
        (void)fake_key(peer, key->generation, key->suite, true, bytes);
        record_tag(tag, bytes, aad, aad_len, record, record_len - RECORD_TAG);
        memcpy(&sequence, record + 9, 8);
        if (memcmp(tag, record + record_len - RECORD_TAG, RECORD_TAG) != 0) {
            err = KGR_ERR_CORRUPT;
        } else if (!(stored && record[8] != 0) && sequence <= fake.opened) {
            err = KGR_ERR_REPLAY;
        } else if (sequence > fake.opened) {
            fake.opened = sequence;
        }
    }
    fake_unlock();
    if (err == KGR_OK) {
        *out_len = record_len - RECORD_HEAD - RECORD_TAG;
        memmove(out, record + RECORD_HEAD, *out_len);
    }
    return err;
}
