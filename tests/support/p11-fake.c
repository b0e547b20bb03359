/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/p11-fake.h"
#include "tests/support/p11-fake-state.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kgr_client {
    int unused;
};

struct fake_state fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct kgr_peer *fake_find(const char *peer, uint64_t generation)
{
    for (size_t i = 0; i < fake.num_keys; i++) {
        if (strcmp(fake.keys[i].peer, peer) == 0 && fake.keys[i].generation == generation) {
            return &fake.keys[i];
        }
    }
    return NULL;
}

struct kgr_peer *fake_current(const char *peer)
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
    struct kgr_peer *key = fake_find(peer, generation);

    if (key == NULL) {
        if (fake.num_keys == FAKE_MAX_KEYS) {
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
    for (size_t i = 0; i < FAKE_MAX_MACS; i++) {
        EVP_MAC_CTX_free(fake.macs[i]);
        fake.macs[i] = NULL;
    }
    fake.ready = true;
    fake.present = true;
    fake.resident = true;
    fake.pin = NULL;
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

void fake_lock(void)
{
    (void)pthread_mutex_lock(&fake.lock);
    if (!fake.ready) {
        reset();
    }
}

void fake_unlock(void)
{
    (void)pthread_mutex_unlock(&fake.lock);
}

/* Every request begins with it, under the lock. */
enum kgr_error fake_request(void)
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
    fake_lock();
    reset();
    fake_unlock();
}

void fake_set_present(bool present)
{
    fake_lock();
    fake.present = present;
    fake_unlock();
}

void fake_set_modes(uint32_t modes)
{
    fake_lock();
    fake.modes = modes;
    fake_unlock();
}

void fake_set_resident(bool resident)
{
    fake_lock();
    fake.resident = resident;
    fake_unlock();
}

void fake_set_pin(const char *pin)
{
    fake_lock();
    fake.pin = pin;
    fake_unlock();
}

void fake_put(const char *peer, uint64_t generation, enum kgr_suite_id suite,
              enum kgr_custody custody, bool may_send, bool may_receive)
{
    fake_lock();
    put(peer, generation, suite, custody, may_send, may_receive);
    fake_unlock();
}

void fake_drop(const char *peer, uint64_t generation)
{
    struct kgr_peer *key;

    fake_lock();
    key = fake_find(peer, generation);
    if (key != NULL) {
        *key = fake.keys[--fake.num_keys];
    }
    fake_unlock();
}

void fake_fail(enum kgr_error err, unsigned after)
{
    fake_lock();
    fake.fail_with = err;
    fake.fail_after = after;
    fake_unlock();
}

unsigned fake_num_requests(void)
{
    unsigned num;

    fake_lock();
    num = fake.num_requests;
    fake_unlock();
    return num;
}

unsigned fake_num_lists(void)
{
    unsigned num;

    fake_lock();
    num = fake.num_lists;
    fake_unlock();
    return num;
}

unsigned fake_num_macs(void)
{
    unsigned num = 0;

    fake_lock();
    for (size_t i = 0; i < FAKE_MAX_MACS; i++) {
        num += fake.macs[i] != NULL;
    }
    fake_unlock();
    return num;
}

size_t fake_num_stirred(void)
{
    size_t num;

    fake_lock();
    num = fake.num_stirred;
    fake_unlock();
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
    fake_lock();
    err = fake_request();
    if (err == KGR_OK) {
        memset(out, 0, sizeof(*out));
        (void)snprintf(out->node, sizeof(out->node), "gateway-00001");
        (void)snprintf(out->version, sizeof(out->version), "1.2.3");
        out->registered = true;
        out->tpm_resident = fake.resident;
        out->modes = fake.modes;
        out->pin = fake.pin != NULL;
    }
    fake_unlock();
    return err;
}

enum kgr_error kgr_list_keys(struct kgr_client *client, const char *peer, struct kgr_peer **out,
                             size_t *out_num)
{
    struct kgr_peer *list = calloc(FAKE_MAX_KEYS, sizeof(*list));
    size_t num = 0;
    enum kgr_error err;

    (void)client;
    if (list == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    fake_lock();
    err = fake_request();
    fake.num_lists += peer == NULL;
    for (size_t i = 0; i < fake.num_keys && err == KGR_OK; i++) {
        if (peer == NULL || strcmp(fake.keys[i].peer, peer) == 0) {
            list[num++] = fake.keys[i];
        }
    }
    fake_unlock();
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
    fake_lock();
    err = fake_request();
    if (err == KGR_OK) {
        found =
            key->generation != 0 ? fake_find(key->peer, key->generation) : fake_current(key->peer);
        if (found != NULL) {
            *out = *found;
        } else {
            err = KGR_ERR_UNKNOWN_PEER;
        }
    }
    fake_unlock();
    return err;
}

enum kgr_error kgr_check_pin(struct kgr_client *client, const uint8_t *pin, size_t len)
{
    enum kgr_error err;

    (void)client;
    fake_lock();
    err = fake_request();
    if (err == KGR_OK && fake.pin == NULL) {
        err = KGR_ERR_STATE;
    } else if (err == KGR_OK && (strlen(fake.pin) != len || memcmp(fake.pin, pin, len) != 0)) {
        err = KGR_ERR_NOT_AUTHORIZED;
    }
    fake_unlock();
    return err;
}

enum kgr_error kgr_get_random(struct kgr_client *client, uint8_t *out, size_t len)
{
    enum kgr_error err;

    (void)client;
    fake_lock();
    err = fake_request();
    fake_unlock();
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
    fake_lock();
    err = fake_request();
    if (err == KGR_OK) {
        fake.num_stirred += len;
    }
    fake_unlock();
    return err;
}
