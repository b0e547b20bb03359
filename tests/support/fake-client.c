/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/fake-client.h"

#include "agent/base/clock.h"
#include "agent/base/text.h"
#include "agent/client/etm.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUM_STREAMS 16

struct kgr_client {
    int unused;
};

struct peer {
    const char *name;
    enum kgr_suite_id suite;
    uint64_t generation;
    uint8_t enc[32], mac[64]; /* instead of derived ones */
    size_t enc_len, mac_len;  /* 0: derived */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static OSSL_LIB_CTX *libctx;
static struct peer peers[] = {
    {.name = "N2", .suite = KGR_SUITE_AES_128_CBC_HMAC_SHA256, .generation = 7},
    {.name = "N3", .suite = KGR_SUITE_AES_256_CBC_HMAC_SHA384, .generation = 3}};
static EVP_MAC_CTX *streams[NUM_STREAMS];
static unsigned int num_calls, fail_after;
static bool knows_whole = true;
static enum kgr_error fail_err;
static char fail_reason[KGR_DIAG_MAX];
static char last_socket[128];
static int last_timeout_ms;
static _Thread_local char reason[KGR_DIAG_MAX];

static void must(int ok)
{
    if (ok != 1) {
        abort();
    }
}

static enum kgr_error refuse(enum kgr_error err, const char *text)
{
    snprintf(reason, sizeof(reason), "%s", text);
    return err;
}

/* Every request passes here. */
static enum kgr_error begin(void)
{
    enum kgr_error err = KGR_OK;

    pthread_mutex_lock(&lock);
    num_calls++;
    if (fail_err != KGR_OK && fail_after == 0) {
        err = refuse(fail_err, fail_reason);
    } else if (fail_err != KGR_OK) {
        fail_after--;
    }
    pthread_mutex_unlock(&lock);
    return err;
}

static struct peer *find_peer(const char *name)
{
    for (size_t i = 0; i < KGR_ARRAY_LEN(peers); i++) {
        if (strcmp(peers[i].name, name) == 0) {
            return &peers[i];
        }
    }
    return NULL;
}

void kgr_fake_reset(void)
{
    kgr_fake_deinit();
    libctx = OSSL_LIB_CTX_new();
    must(libctx != NULL);
    peers[0].generation = 7;
    peers[1].generation = 3;
    for (size_t i = 0; i < KGR_ARRAY_LEN(peers); i++) {
        peers[i].enc_len = peers[i].mac_len = 0;
    }
    num_calls = 0;
    knows_whole = true;
    kgr_fake_fail(KGR_OK, "", 0);
}

void kgr_fake_deinit(void)
{
    kgr_fake_drop_streams();
    OSSL_LIB_CTX_free(libctx);
    libctx = NULL;
}

void kgr_fake_set_generation(const char *peer, uint64_t generation)
{
    find_peer(peer)->generation = generation;
}

void kgr_fake_fail(enum kgr_error err, const char *text, unsigned int after)
{
    fail_err = err;
    fail_after = after;
    snprintf(fail_reason, sizeof(fail_reason), "%s", text);
}

void kgr_fake_drop_streams(void)
{
    for (size_t i = 0; i < NUM_STREAMS; i++) {
        EVP_MAC_CTX_free(streams[i]);
        streams[i] = NULL;
    }
}

void kgr_fake_know_whole(bool known)
{
    knows_whole = known;
}

unsigned int kgr_fake_calls(void)
{
    return num_calls;
}

const char *kgr_fake_socket(void)
{
    return last_socket;
}

int kgr_fake_timeout_ms(void)
{
    return last_timeout_ms;
}

static void derive(uint8_t *out, size_t len, const char *label, const char *peer,
                   uint64_t generation)
{
    char text[128];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len;
    EVP_MD *md = EVP_MD_fetch(libctx, "SHA512", NULL);
    int n = snprintf(text, sizeof(text), "%s %s %" PRIu64, label, peer, generation);

    must(md != NULL && n > 0);
    must(EVP_Digest(text, (size_t)n, digest, &digest_len, md, NULL));
    memcpy(out, digest, len);
    EVP_MD_free(md);
}

void kgr_fake_use_keys(const char *peer, const uint8_t *enc, size_t enc_len, const uint8_t *mac,
                       size_t mac_len)
{
    struct peer *found = find_peer(peer);

    memcpy(found->enc, enc, enc_len);
    memcpy(found->mac, mac, mac_len);
    found->enc_len = enc_len;
    found->mac_len = mac_len;
}

void kgr_fake_enc_key(uint8_t out[32], size_t *out_len, const char *peer, uint64_t generation)
{
    const struct peer *found = find_peer(peer);

    *out_len = found->suite == KGR_SUITE_AES_256_CBC_HMAC_SHA384 ? 32 : 16;
    if (found->enc_len > 0) {
        *out_len = found->enc_len;
        memcpy(out, found->enc, found->enc_len);
        return;
    }
    derive(out, *out_len, "enc", peer, generation);
}

void kgr_fake_mac_key(uint8_t out[64], size_t *out_len, const char *peer, uint64_t generation)
{
    const struct peer *found = find_peer(peer);

    *out_len = found->suite == KGR_SUITE_AES_256_CBC_HMAC_SHA384 ? 48 : 32;
    if (found->mac_len > 0) {
        *out_len = found->mac_len;
        memcpy(out, found->mac, found->mac_len);
        return;
    }
    derive(out, *out_len, "mac", peer, generation);
}

enum kgr_error kgr_client_new(struct kgr_client **out, const struct kgr_client_options *options)
{
    const char *path = options != NULL && options->socket != NULL ? options->socket : "";
    struct kgr_client *client;

    if (strlen(path) >= 108) {
        return refuse(KGR_ERR_INVALID, "the path of the socket is too long");
    }
    client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    snprintf(last_socket, sizeof(last_socket), "%s", path);
    last_timeout_ms = options != NULL ? options->timeout_ms : 0;
    *out = client;
    return KGR_OK;
}

void kgr_client_free(struct kgr_client *client)
{
    free(client);
}

const char *kgr_client_reason(char *out, size_t out_cap)
{
    snprintf(out, out_cap, "%s", reason);
    return out;
}

enum kgr_error kgr_key_from_uri(struct kgr_key *out, const char *uri)
{
    struct kgr_nid nid;
    uint64_t generation;
    enum kgr_error err = kgr_uri_parse(&nid, &generation, uri);

    if (err == KGR_OK) {
        memcpy(out->peer, nid.s, sizeof(out->peer));
        out->generation = generation;
    }
    return err;
}

enum kgr_error kgr_key_to_uri(char *out, size_t out_cap, const struct kgr_key *key)
{
    char uri[KGR_URI_MAX];
    struct kgr_nid nid;

    if (kgr_nid_set(&nid, key->peer, strlen(key->peer)) != KGR_OK) {
        return KGR_ERR_INVALID;
    }
    kgr_uri_format(uri, &nid, key->generation);
    if (strlen(uri) >= out_cap) {
        return KGR_ERR_SHORT_BUFFER;
    }
    memcpy(out, uri, strlen(uri) + 1);
    return KGR_OK;
}

/* Finds the peer and the generation that a request for key uses. */
static enum kgr_error resolve(const struct kgr_key *key, struct peer **out,
                              uint64_t *out_generation)
{
    struct peer *peer = find_peer(key->peer);

    if (peer == NULL) {
        return refuse(KGR_ERR_UNKNOWN_PEER, "no such peer");
    }
    if (peer->generation == 0) {
        return refuse(KGR_ERR_NO_KEY, "the key is not established yet");
    }
    if (key->generation > peer->generation) {
        return refuse(KGR_ERR_UNKNOWN_PEER, "no such generation");
    }
    *out = peer;
    *out_generation = key->generation != 0 ? key->generation : peer->generation;
    return KGR_OK;
}

static void describe(struct kgr_peer *out, const struct peer *peer, uint64_t generation)
{
    memset(out, 0, sizeof(*out));
    snprintf(out->peer, sizeof(out->peer), "%s", peer->name);
    out->generation = generation;
    out->state = generation != 0 ? KGR_STATE_READY : KGR_STATE_IDLE;
    out->custody = KGR_CUSTODY_RESIDENT;
    out->suite = peer->suite;
    out->age_s = 60;
    out->expires_s = 3600;
    out->may_send = generation != 0;
    out->may_receive = generation != 0;
    memset(out->iv, 0xa5, sizeof(out->iv));
}

enum kgr_error kgr_get_status(struct kgr_client *client, struct kgr_status *out)
{
    enum kgr_error err = begin();

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    memset(out, 0, sizeof(*out));
    snprintf(out->node, sizeof(out->node), "%s", KGR_FAKE_NODE);
    snprintf(out->version, sizeof(out->version), "fake");
    snprintf(out->tpm, sizeof(out->tpm), "fake TPM");
    out->registered = true;
    out->broker_connected = true;
    out->lease_s = 3600;
    out->num_peers = KGR_ARRAY_LEN(peers);
    out->tpm_resident = true;
    out->modes = 1u << KGR_MODE_ECB | 1u << KGR_MODE_CBC | 1u << KGR_MODE_CTR | 1u << KGR_MODE_CFB |
                 1u << KGR_MODE_OFB;
    return KGR_OK;
}

enum kgr_error kgr_list_peers(struct kgr_client *client, struct kgr_peer **out, size_t *out_num)
{
    enum kgr_error err = begin();
    struct kgr_peer *list;

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    list = calloc(KGR_ARRAY_LEN(peers), sizeof(*list));
    if (list == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(peers); i++) {
        describe(&list[i], &peers[i], peers[i].generation);
    }
    *out = list;
    *out_num = KGR_ARRAY_LEN(peers);
    return KGR_OK;
}

enum kgr_error kgr_get_key(struct kgr_client *client, const struct kgr_key *key,
                           struct kgr_peer *out)
{
    enum kgr_error err = begin();
    struct peer *peer;
    uint64_t generation;

    (void)client;
    if (err == KGR_OK) {
        err = resolve(key, &peer, &generation);
    }
    if (err == KGR_OK) {
        describe(out, peer, generation);
    }
    return err;
}

static void handle_of(uint8_t *out, const char *peer, size_t key_len)
{
    static const uint8_t magic[] = {0x4b, 0x47, 0x52, 0x68, 0x00, 0x01};

    memcpy(out, magic, sizeof(magic));
    derive(out + sizeof(magic), key_len - sizeof(magic), "handle", peer, key_len);
}

enum kgr_error kgr_make_handle(struct kgr_client *client, const char *peer, uint8_t *out,
                               size_t key_len)
{
    enum kgr_error err = begin();

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    if (find_peer(peer) == NULL) {
        return refuse(KGR_ERR_UNKNOWN_PEER, "no such peer");
    }
    handle_of(out, peer, key_len);
    return KGR_OK;
}

enum kgr_error kgr_resolve_handle(struct kgr_client *client, const uint8_t *handle, size_t len,
                                  struct kgr_key *out)
{
    enum kgr_error err = begin();
    uint8_t expected[64];

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(peers) && len >= 16 && len <= sizeof(expected); i++) {
        handle_of(expected, peers[i].name, len);
        if (memcmp(expected, handle, len) == 0) {
            memset(out, 0, sizeof(*out));
            snprintf(out->peer, sizeof(out->peer), "%s", peers[i].name);
            return KGR_OK;
        }
    }
    return refuse(KGR_ERR_UNKNOWN_PEER, "no handle of this agent");
}

enum kgr_error kgr_request(struct kgr_client *client, const char *peer)
{
    enum kgr_error err = begin();

    (void)client;
    if (err == KGR_OK && find_peer(peer) == NULL) {
        return refuse(KGR_ERR_UNKNOWN_PEER, "no such peer");
    }
    return err;
}

enum kgr_error kgr_wait(struct kgr_client *client, const char *peer, uint64_t min_generation,
                        int timeout_ms, struct kgr_peer *out)
{
    enum kgr_error err = begin();
    const struct peer *found = find_peer(peer);

    (void)client;
    (void)timeout_ms;
    if (err != KGR_OK) {
        return err;
    }
    if (found == NULL) {
        return refuse(KGR_ERR_UNKNOWN_PEER, "no such peer");
    }
    if (out != NULL) {
        describe(out, found, found->generation);
    }
    return found->generation >= min_generation ? KGR_OK
                                               : refuse(KGR_ERR_TIMEOUT, "no answer from KS");
}

static enum kgr_error crypt(const struct kgr_key *key, enum kgr_mode mode, uint8_t *iv,
                            const uint8_t *in, size_t len, uint8_t *out, int encrypt)
{
    static const char *const modes[] = {"", "ECB", "CBC", "CTR", "CFB", "OFB"};
    enum kgr_error err = begin();
    struct peer *peer;
    uint64_t generation;
    uint8_t k[32], *tmp;
    size_t k_len;
    char name[16];
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    int n;

    if (err == KGR_OK) {
        err = resolve(key, &peer, &generation);
    }
    if (err != KGR_OK) {
        return err;
    }
    if (len > KGR_DATA_MAX || (mode <= KGR_MODE_CBC && len % KGR_BLOCK_LEN != 0)) {
        return refuse(KGR_ERR_INVALID, "wrong length");
    }
    kgr_fake_enc_key(k, &k_len, peer->name, generation);
    snprintf(name, sizeof(name), "AES-%zu-%s", k_len * 8, modes[mode]);
    cipher = EVP_CIPHER_fetch(libctx, name, NULL);
    ctx = EVP_CIPHER_CTX_new();
    tmp = malloc(len + KGR_BLOCK_LEN);
    must(cipher != NULL && ctx != NULL && tmp != NULL);
    must(EVP_CipherInit_ex2(ctx, cipher, k, mode == KGR_MODE_ECB ? NULL : iv, encrypt, NULL));
    must(EVP_CIPHER_CTX_set_padding(ctx, 0));
    must(len == 0 || EVP_CipherUpdate(ctx, tmp, &n, in, (int)len));
    memcpy(out, tmp, len);
    if (mode != KGR_MODE_ECB) {
        must(EVP_CIPHER_CTX_get_updated_iv(ctx, iv, KGR_BLOCK_LEN));
    }
    free(tmp);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return KGR_OK;
}

enum kgr_error kgr_encrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
    (void)client;
    return crypt(key, mode, iv, in, len, out, 1);
}

enum kgr_error kgr_decrypt(struct kgr_client *client, const struct kgr_key *key, enum kgr_mode mode,
                           uint8_t iv[KGR_BLOCK_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
    (void)client;
    return crypt(key, mode, iv, in, len, out, 0);
}

static EVP_MAC_CTX *new_mac(const struct peer *peer, uint64_t generation)
{
    char sha256[] = "SHA256", sha384[] = "SHA384";
    bool strong = peer->suite == KGR_SUITE_AES_256_CBC_HMAC_SHA384;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, strong ? sha384 : sha256, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(libctx, "HMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    uint8_t k[64];
    size_t k_len;

    kgr_fake_mac_key(k, &k_len, peer->name, generation);
    must(mac != NULL && ctx != NULL);
    must(EVP_MAC_init(ctx, k, k_len, params));
    EVP_MAC_free(mac);
    return ctx;
}

enum kgr_error kgr_mac(struct kgr_client *client, const struct kgr_key *key, const uint8_t *in,
                       size_t len, uint8_t *out, size_t *out_len)
{
    enum kgr_error err = begin();
    struct peer *peer;
    uint64_t generation;
    EVP_MAC_CTX *ctx;

    (void)client;
    if (err == KGR_OK) {
        err = resolve(key, &peer, &generation);
    }
    if (err != KGR_OK) {
        return err;
    }
    if (len > KGR_DATA_MAX) {
        return refuse(KGR_ERR_TOO_LARGE, "too much data");
    }
    ctx = new_mac(peer, generation);
    must(EVP_MAC_update(ctx, in, len));
    must(EVP_MAC_final(ctx, out, out_len, KGR_MAC_MAX));
    EVP_MAC_CTX_free(ctx);
    return KGR_OK;
}

enum kgr_error kgr_mac_start(struct kgr_client *client, const struct kgr_key *key, uint32_t *out_id)
{
    enum kgr_error err = begin();
    struct peer *peer;
    uint64_t generation;

    (void)client;
    if (err == KGR_OK) {
        err = resolve(key, &peer, &generation);
    }
    if (err != KGR_OK) {
        return err;
    }
    for (uint32_t i = 0; i < NUM_STREAMS; i++) {
        if (streams[i] == NULL) {
            streams[i] = new_mac(peer, generation);
            *out_id = i + 1;
            return KGR_OK;
        }
    }
    return refuse(KGR_ERR_QUOTA, "too many MACs under way");
}

static bool stream_lives(uint32_t id)
{
    return id >= 1 && id <= NUM_STREAMS && streams[id - 1] != NULL;
}

enum kgr_error kgr_mac_update(struct kgr_client *client, uint32_t id, const uint8_t *in, size_t len)
{
    enum kgr_error err = begin();

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    if (!stream_lives(id)) {
        return refuse(KGR_ERR_STATE, "no such MAC under way");
    }
    if (len > KGR_DATA_MAX) {
        return refuse(KGR_ERR_TOO_LARGE, "too much data");
    }
    must(EVP_MAC_update(streams[id - 1], in, len));
    return KGR_OK;
}

enum kgr_error kgr_mac_final(struct kgr_client *client, uint32_t id, uint8_t *out, size_t *out_len)
{
    enum kgr_error err = begin();

    (void)client;
    if (err != KGR_OK) {
        return err;
    }
    if (!stream_lives(id)) {
        return refuse(KGR_ERR_STATE, "no such MAC under way");
    }
    must(EVP_MAC_final(streams[id - 1], out, out_len, KGR_MAC_MAX));
    EVP_MAC_CTX_free(streams[id - 1]);
    streams[id - 1] = NULL;
    return KGR_OK;
}

void kgr_mac_abort(struct kgr_client *client, uint32_t id)
{
    (void)client;
    if (stream_lives(id)) {
        EVP_MAC_CTX_free(streams[id - 1]);
        streams[id - 1] = NULL;
    }
}

enum kgr_error kgr_get_random(struct kgr_client *client, uint8_t *out, size_t len)
{
    enum kgr_error err = begin();

    (void)client;
    if (err == KGR_OK) {
        kgr_random(out, len);
    }
    return err;
}

enum kgr_error kgr_add_random(struct kgr_client *client, const uint8_t *in, size_t len)
{
    (void)client;
    (void)in;
    (void)len;
    return begin();
}

const char *kgr_state_name(enum kgr_pair_state state)
{
    return state == KGR_STATE_READY ? "ready" : "idle";
}

const char *kgr_custody_name(enum kgr_custody custody)
{
    return custody == KGR_CUSTODY_RESIDENT ? "resident" : "none";
}

const char *kgr_suite_name(enum kgr_suite_id suite)
{
    return suite == KGR_SUITE_AES_256_CBC_HMAC_SHA384 ? "AES-256-CBC-HMAC-SHA384"
                                                      : "AES-128-CBC-HMAC-SHA256";
}

/* A whole message by two of the requests above, which count as one. */

static enum kgr_error etm_tag(struct kgr_client *client, const struct kgr_key *key,
                              const uint8_t *iv, struct kgr_slice aad, struct kgr_slice e,
                              uint8_t *out, size_t *out_len)
{
    uint8_t *all = malloc(aad.len + 16 + e.len + 8);
    uint64_t bits = (uint64_t)aad.len * 8;
    enum kgr_error err;

    must(all != NULL);
    kgr_copy(all, aad.p, aad.len);
    memcpy(all + aad.len, iv, 16);
    kgr_copy(all + aad.len + 16, e.p, e.len);
    for (int i = 0; i < 8; i++) {
        all[aad.len + 16 + e.len + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    err = kgr_mac(client, key, all, aad.len + 16 + e.len + 8, out, out_len);
    free(all);
    return err;
}

enum kgr_error kgr_etm_encrypt(struct kgr_client *client, struct kgr_key *key,
                               const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                               struct kgr_slice plaintext, uint8_t *out, uint8_t *out_tag,
                               size_t tag_len)
{
    size_t len = plaintext.len / 16 * 16 + 16;
    uint8_t chain[KGR_BLOCK_LEN], mac[KGR_MAC_MAX];
    struct peer *peer;
    uint64_t generation;
    size_t mac_len = 0;
    enum kgr_error err = KGR_ERR_UNSUPPORTED;

    if (!knows_whole) {
        return refuse(err, "this agent knows no such operation");
    }
    err = resolve(key, &peer, &generation);
    memcpy(chain, iv, sizeof(chain));
    memmove(out, plaintext.p, plaintext.len);
    memset(out + plaintext.len, (int)(len - plaintext.len), len - plaintext.len);
    if (err == KGR_OK) {
        err = kgr_encrypt(client, key, KGR_MODE_CBC, chain, out, len, out);
    }
    if (err == KGR_OK) {
        err = etm_tag(client, key, iv, aad, kgr_slice(out, len), mac, &mac_len);
        num_calls--;
    }
    if (err == KGR_OK) {
        memcpy(out_tag, mac, tag_len);
        key->generation = generation;
    }
    return err;
}

enum kgr_error kgr_etm_decrypt(struct kgr_client *client, const struct kgr_key *key,
                               const uint8_t iv[KGR_BLOCK_LEN], struct kgr_slice aad,
                               struct kgr_slice ciphertext, struct kgr_slice tag, uint8_t *out,
                               size_t *out_len)
{
    uint8_t chain[KGR_BLOCK_LEN], mac[KGR_MAC_MAX];
    size_t mac_len = 0;
    uint8_t *plain;
    enum kgr_error err = KGR_ERR_UNSUPPORTED;

    if (!knows_whole) {
        return refuse(err, "this agent knows no such operation");
    }
    err = etm_tag(client, key, iv, aad, ciphertext, mac, &mac_len);
    if (err != KGR_OK) {
        return err;
    }
    if (memcmp(mac, tag.p, tag.len) != 0) {
        return refuse(KGR_ERR_CORRUPT, "the tag does not fit");
    }
    plain = malloc(ciphertext.len);
    must(plain != NULL);
    memcpy(chain, iv, sizeof(chain));
    err = kgr_decrypt(client, key, KGR_MODE_CBC, chain, ciphertext.p, ciphertext.len, plain);
    num_calls--;
    if (err == KGR_OK && (plain[ciphertext.len - 1] == 0 || plain[ciphertext.len - 1] > 16)) {
        err = refuse(KGR_ERR_CORRUPT, "padding");
    }
    if (err == KGR_OK) {
        *out_len = ciphertext.len - plain[ciphertext.len - 1];
        memcpy(out, plain, *out_len);
    }
    free(plain);
    return err;
}
