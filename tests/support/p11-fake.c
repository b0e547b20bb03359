/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEYS 8192
#define MAX_MACS 256

struct kgr_client {
    int unused;
};

struct mac {
    EVP_MAC_CTX *ctx;
};

static struct {
    pthread_mutex_t lock;
    bool ready; /* the first state was made */
    bool present;
    bool resident;
    uint32_t modes;
    struct kgr_peer keys[MAX_KEYS];
    size_t num_keys;
    struct mac macs[MAX_MACS];
    enum kgr_error fail_with;
    unsigned fail_after;
    unsigned num_requests;
    unsigned num_lists;
    size_t num_stirred;
    uint64_t next_sequence; /* of records sealed */
    uint64_t opened;        /* the highest sequence of a record that was opened */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct kgr_peer *find(const char *peer, uint64_t generation)
{
    for (size_t i = 0; i < fake.num_keys; i++) {
        if (strcmp(fake.keys[i].peer, peer) == 0 && fake.keys[i].generation == generation) {
            return &fake.keys[i];
        }
    }
    return NULL;
}

static struct kgr_peer *current(const char *peer)
{
    struct kgr_peer *best = NULL;

    for (size_t i = 0; i < fake.num_keys; i++) {
        struct kgr_peer *key = &fake.keys[i];

        if (strcmp(key->peer, peer) == 0 && key->may_send &&
            (best == NULL || key->generation > best->generation)) {
            best = key;
        }
    }
    return best;
}

static void put(const char *peer, uint64_t generation, enum kgr_suite_id suite,
                enum kgr_custody custody, bool may_send, bool may_receive)
{
    struct kgr_peer *key = find(peer, generation);

    if (key == NULL) {
        if (fake.num_keys == MAX_KEYS) {
            abort();
        }
        key = &fake.keys[fake.num_keys++];
    }
    memset(key, 0, sizeof(*key));
    (void)snprintf(key->peer, sizeof(key->peer), "%s", peer);
    key->generation = generation;
    key->state = KGR_STATE_READY;
    key->custody = custody;
    key->suite = suite;
    key->age_s = 60;
    key->expires_s = 86400;
    key->may_send = may_send;
    key->may_receive = may_receive;
    memset(key->iv, (int)(0x40 + generation), sizeof(key->iv));
    (void)snprintf(key->receive_topic, sizeof(key->receive_topic), "kgr/receive-%.20s", peer);
    (void)snprintf(key->send_topic, sizeof(key->send_topic), "kgr/send-%.20s", peer);
}

static void reset(void)
{
    for (size_t i = 0; i < MAX_MACS; i++) {
        EVP_MAC_CTX_free(fake.macs[i].ctx);
        fake.macs[i].ctx = NULL;
    }
    fake.ready = true;
    fake.present = true;
    fake.resident = true;
    fake.modes = 1U << KGR_MODE_ECB | 1U << KGR_MODE_CBC | 1U << KGR_MODE_CTR | 1U << KGR_MODE_CFB |
                 1U << KGR_MODE_OFB;
    fake.num_keys = 0;
    fake.fail_with = KGR_OK;
    fake.num_requests = 0;
    fake.num_lists = 0;
    fake.num_stirred = 0;
    fake.next_sequence = 1;
    fake.opened = 0;
    put("gateway-00002", 1, KGR_SUITE_AES_128_CBC_HMAC_SHA256, KGR_CUSTODY_RESIDENT, true, true);
    put("gateway-00003", 1, KGR_SUITE_AES_256_CBC_HMAC_SHA384, KGR_CUSTODY_RESIDENT, true, true);
}

static void lock(void)
{
    (void)pthread_mutex_lock(&fake.lock);
    if (!fake.ready) {
        reset();
    }
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&fake.lock);
}

/* Every request begins with it, under the lock. */
static enum kgr_error request(void)
{
    enum kgr_error err = fake.fail_with;

    fake.num_requests++;
    if (!fake.present) {
        return KGR_ERR_NO_AGENT;
    }
    if (err != KGR_OK && fake.fail_after-- == 0) {
        fake.fail_with = KGR_OK;
        return err;
    }
    return KGR_OK;
}

void fake_reset(void)
{
    lock();
    reset();
    unlock();
}

void fake_set_present(bool present)
{
    lock();
    fake.present = present;
    unlock();
}

void fake_set_modes(uint32_t modes)
{
    lock();
    fake.modes = modes;
    unlock();
}

void fake_set_resident(bool resident)
{
    lock();
    fake.resident = resident;
    unlock();
}

void fake_put(const char *peer, uint64_t generation, enum kgr_suite_id suite,
              enum kgr_custody custody, bool may_send, bool may_receive)
{
    lock();
    put(peer, generation, suite, custody, may_send, may_receive);
    unlock();
}

void fake_drop(const char *peer, uint64_t generation)
{
    struct kgr_peer *key;

    lock();
    key = find(peer, generation);
    if (key != NULL) {
        *key = fake.keys[--fake.num_keys];
    }
    unlock();
}

void fake_fail(enum kgr_error err, unsigned after)
{
    lock();
    fake.fail_with = err;
    fake.fail_after = after;
    unlock();
}

unsigned fake_num_requests(void)
{
    unsigned num;

    lock();
    num = fake.num_requests;
    unlock();
    return num;
}

unsigned fake_num_lists(void)
{
    unsigned num;

    lock();
    num = fake.num_lists;
    unlock();
    return num;
}

unsigned fake_num_macs(void)
{
    unsigned num = 0;

    lock();
    for (size_t i = 0; i < MAX_MACS; i++) {
        num += fake.macs[i].ctx != NULL;
    }
    unlock();
    return num;
}

size_t fake_num_stirred(void)
{
    size_t num;

    lock();
    num = fake.num_stirred;
    unlock();
    return num;
}

size_t fake_key(const char *peer, uint64_t generation, enum kgr_suite_id suite, bool mac,
                uint8_t out[64])
{
    char seed[128];
    int len = snprintf(seed, sizeof(seed), "%s/%llu/%s", peer, (unsigned long long)generation,
                       mac ? "mac" : "cipher");

    (void)SHA512((const unsigned char *)seed, (size_t)len, out);
    if (suite == KGR_SUITE_AES_128_CBC_HMAC_SHA256) {
        return mac ? 32 : 16;
    }
    return mac ? 48 : 32;
}

enum kgr_error kgr_client_new(struct kgr_client **out, const struct kgr_client_options *options)
{
    struct kgr_client *client = calloc(1, sizeof(*client));

    (void)options;
    if (client == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    *out = client;
    return KGR_OK;
}

void kgr_client_free(struct kgr_client *client)
{
    free(client);
}

const char *kgr_client_reason(char *out, size_t out_cap)
{
    (void)snprintf(out, out_cap, "the fake's reason");
    return out;
}

enum kgr_error kgr_get_status(struct kgr_client *client, struct kgr_status *out)
{
    enum kgr_error err;

    (void)client;
    lock();
    err = request();
    if (err == KGR_OK) {
        memset(out, 0, sizeof(*out));
        (void)snprintf(out->node, sizeof(out->node), "gateway-00001");
        (void)snprintf(out->version, sizeof(out->version), "1.2.3");
        out->registered = true;
        out->tpm_resident = fake.resident;
        out->modes = fake.modes;
    }
    unlock();
    return err;
}

enum kgr_error kgr_list_peers(struct kgr_client *client, struct kgr_peer **out, size_t *out_num)
{
    struct kgr_peer *list = calloc(MAX_KEYS, sizeof(*list));
    size_t num = 0;
    enum kgr_error err;

    (void)client;
    if (list == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    lock();
    err = request();
    fake.num_lists++;
    for (size_t i = 0; i < fake.num_keys && err == KGR_OK; i++) {
        if (current(fake.keys[i].peer) == &fake.keys[i]) {
            list[num++] = fake.keys[i];
        }
    }
    unlock();
    if (err != KGR_OK) {
        free(list);
        return err;
    }
    *out = list;
    *out_num = num;
    return KGR_OK;
}

enum kgr_error kgr_get_key(struct kgr_client *client, const struct kgr_key *key,
                           struct kgr_peer *out)
{
    const struct kgr_peer *found;
    enum kgr_error err;

    (void)client;
    lock();
    err = request();
    if (err == KGR_OK) {
        found = key->generation != 0 ? find(key->peer, key->generation) : current(key->peer);
        if (found != NULL) {
            *out = *found;
        } else {
            err = KGR_ERR_UNKNOWN_PEER;
        }
    }
    unlock();
    return err;
}

/* The request's key bytes, and what is wrong with asking for them. Locked. */
static enum kgr_error key_bytes(const struct kgr_key *key, bool mac, bool send, uint8_t out[64],
                                size_t *out_len)
{
    enum kgr_error err = request();
    const struct kgr_peer *found = find(key->peer, key->generation);

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
    lock();
    err = key_bytes(key, false, encrypt, bytes, &bytes_len);
    unlock();
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
    const struct kgr_peer *found = find(key->peer, key->generation);

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
    lock();
    err = mac_key(key, bytes, &bytes_len);
    unlock();
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
    lock();
    err = mac_key(key, bytes, &bytes_len);
    while (err == KGR_OK && fake.macs[id].ctx != NULL) {
        err = ++id == MAX_MACS ? KGR_ERR_QUOTA : KGR_OK;
    }
    if (err == KGR_OK) {
        fake.macs[id].ctx = mac_new(bytes, bytes_len);
        *out_id = id + 1;
    }
    unlock();
    return err;
}

static struct mac *mac_of(uint32_t id)
{
    return id >= 1 && id <= MAX_MACS && fake.macs[id - 1].ctx != NULL ? &fake.macs[id - 1] : NULL;
}

enum kgr_error kgr_mac_update(struct kgr_client *client, uint32_t id, const uint8_t *in, size_t len)
{
    enum kgr_error err;
    struct mac *mac;

    (void)client;
    if (len > KGR_DATA_MAX) {
        return KGR_ERR_TOO_LARGE;
    }
    lock();
    err = request();
    mac = mac_of(id);
    if (err == KGR_OK && mac == NULL) {
        err = KGR_ERR_STATE;
    }
    if (err == KGR_OK && EVP_MAC_update(mac->ctx, in, len) != 1) {
        abort();
    }
    unlock();
    return err;
}

enum kgr_error kgr_mac_final(struct kgr_client *client, uint32_t id, uint8_t *out, size_t *out_len)
{
    enum kgr_error err;
    struct mac *mac;
    size_t n = 0;

    (void)client;
    lock();
    err = request();
    mac = mac_of(id);
    if (err == KGR_OK && mac == NULL) {
        err = KGR_ERR_STATE;
    }
    if (err == KGR_OK && EVP_MAC_final(mac->ctx, out, &n, KGR_MAC_MAX) != 1) {
        abort();
    }
    if (mac != NULL) {
        EVP_MAC_CTX_free(mac->ctx);
        mac->ctx = NULL;
    }
    unlock();
    if (err == KGR_OK) {
        *out_len = n;
    }
    return err;
}

void kgr_mac_abort(struct kgr_client *client, uint32_t id)
{
    struct mac *mac;

    (void)client;
    lock();
    mac = mac_of(id);
    if (mac != NULL) {
        EVP_MAC_CTX_free(mac->ctx);
        mac->ctx = NULL;
    }
    unlock();
}

enum kgr_error kgr_get_random(struct kgr_client *client, uint8_t *out, size_t len)
{
    enum kgr_error err;

    (void)client;
    lock();
    err = request();
    unlock();
    if (err == KGR_OK && RAND_bytes(out, (int)len) != 1) {
        abort();
    }
    return err;
}

enum kgr_error kgr_add_random(struct kgr_client *client, const uint8_t *in, size_t len)
{
    enum kgr_error err;

    (void)client;
    (void)in;
    lock();
    err = request();
    if (err == KGR_OK) {
        fake.num_stirred += len;
    }
    unlock();
    return err;
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
    lock();
    err = request();
    key = current(peer);
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
    unlock();
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
    lock();
    err = request();
    key = current(peer);
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
    unlock();
    if (err == KGR_OK) {
        *out_len = record_len - RECORD_HEAD - RECORD_TAG;
        memmove(out, record + RECORD_HEAD, *out_len);
    }
    return err;
}
