/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * For test_openssl_known.sh: every cipher, mode and MAC of kgr.so through an agent and its TPM, against
 * OpenSSL's default provider with the same keys in its hands. usage: openssl_known MODULES PEER ENC MAC ROUNDS
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEN   140000
#define MAX_KEY   64
#define BLOCK_LEN 16

/* What the keys are for: the suite, told by the length of ENC. */
struct suite {
    const char *bits, *aead, *digest;
    size_t tag_len;
};

static const struct suite suites[] = {{"128", "KGR-AES-128-CBC-HMAC-SHA256-ETM", "SHA256", 16},
                                      {"256", "KGR-AES-256-CBC-HMAC-SHA384-ETM", "SHA384", 24}};

static const struct suite *suite;
static char uri[128];
static uint8_t enc_key[MAX_KEY], mac_key[MAX_KEY];
static size_t mac_key_len;
static uint8_t input[MAX_LEN], ours_out[MAX_LEN + 64], theirs_out[MAX_LEN + 64];
static uint64_t seed = 88172645463325252u;

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE_NAME__, __LINE__, #ok);                          \
            ERR_print_errors_fp(stderr);                                                           \
            _Exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* xorshift64: the same numbers in every run. */
static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 32) % below;
}

static void draw_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)draw(256);
    }
}

static size_t draw_len(void)
{
    return draw(50) == 0 ? draw(MAX_LEN) : draw(2) == 0 ? draw(40) * BLOCK_LEN : draw(700);
}

static OSSL_PARAM *key_uri(void)
{
    static OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", uri, 0);
    params[1] = OSSL_PARAM_construct_end();
    return params;
}

static EVP_CIPHER_CTX *begin(const char *name, const char *properties, const uint8_t *key,
                             const uint8_t *iv, int encrypt)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, properties);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    CHECK(cipher != NULL);
    CHECK(EVP_CipherInit_ex2(ctx, cipher, key, iv, encrypt, key == NULL ? key_uri() : NULL) == 1);
    EVP_CIPHER_free(cipher);
    return ctx;
}

static void go_on_with_copy(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();

    CHECK(EVP_CIPHER_CTX_copy(copy, *ctx) == 1);
    EVP_CIPHER_CTX_free(*ctx);
    *ctx = copy;
}

/* One message through both, in the same random pieces. */
static void compare_streams(EVP_CIPHER_CTX **ours, EVP_CIPHER_CTX **theirs)
{
    size_t len = draw_len(), done = 0, total = 0, max_piece = len > 1000 ? 90000 : 300;
    int n = 0, m = 0, went;

    while (done < len) {
        size_t piece = draw(max_piece) + 1;

        piece = piece < len - done ? piece : len - done;
        CHECK(EVP_CipherUpdate(*ours, ours_out + total, &n, input + done, (int)piece) == 1);
        CHECK(EVP_CipherUpdate(*theirs, theirs_out + total, &m, input + done, (int)piece) == 1);
        CHECK(n == m);
        done += piece;
        total += (size_t)n;
        if (draw(10) == 0) {
            go_on_with_copy(ours);
        }
    }
    n = m = 0;
    went = EVP_CipherFinal_ex(*ours, ours_out + total, &n);
    CHECK(EVP_CipherFinal_ex(*theirs, theirs_out + total, &m) == went && n == m);
    CHECK(memcmp(ours_out, theirs_out, total + (size_t)n) == 0);
    ERR_clear_error();
}

static void compare_cipher(void)
{
    static const char *const modes[] = {"ECB", "CBC", "CTR", "CFB", "OFB"};
    int encrypt = (int)draw(2), padding = (int)draw(2);
    char name[32];
    uint8_t iv[BLOCK_LEN];
    EVP_CIPHER_CTX *ours, *theirs;

    snprintf(name, sizeof(name), "KGR-AES-%s-%s", suite->bits, modes[draw(5)]);
    draw_bytes(iv, sizeof(iv));
    ours = begin(name, "provider=kgr", NULL, iv, encrypt);
    theirs = begin(name + strlen("KGR-"), "provider=default", enc_key, iv, encrypt);
    CHECK(EVP_CIPHER_CTX_set_padding(ours, padding) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(theirs, padding) == 1);
    compare_streams(&ours, &theirs);
    /* And once more with the key that is there and another IV, or the same. */
    draw_bytes(iv, sizeof(iv));
    const uint8_t *next = draw(2) == 0 ? iv : NULL;
    CHECK(EVP_CipherInit_ex2(ours, NULL, NULL, next, -1, NULL) == 1);
    CHECK(EVP_CipherInit_ex2(theirs, NULL, NULL, next, -1, NULL) == 1);
    compare_streams(&ours, &theirs);
    EVP_CIPHER_CTX_free(ours);
    EVP_CIPHER_CTX_free(theirs);
}

/* HMAC of parts by the default provider. */
static size_t reference_mac(uint8_t out[EVP_MAX_MD_SIZE], const uint8_t *const parts[],
                            const size_t lens[], size_t num)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", "provider=default");
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    char digest[16];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    size_t len;

    snprintf(digest, sizeof(digest), "%s", suite->digest);
    CHECK(EVP_MAC_init(ctx, mac_key, mac_key_len, params) == 1);
    for (size_t i = 0; i < num; i++) {
        CHECK(EVP_MAC_update(ctx, parts[i], lens[i]) == 1);
    }
    CHECK(EVP_MAC_final(ctx, out, &len, EVP_MAX_MD_SIZE) == 1);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(hmac);
    return len;
}

static void compare_mac(void)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "KGR-HMAC", "provider=kgr");
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    uint8_t ours[EVP_MAX_MD_SIZE], theirs[EVP_MAX_MD_SIZE];
    size_t len = draw_len(), done = 0, n, m;
    const uint8_t *const parts[] = {input};

    CHECK(EVP_MAC_init(ctx, NULL, 0, key_uri()) == 1);
    while (done < len) {
        size_t piece = draw(len) + 1;

        piece = piece < len - done ? piece : len - done;
        CHECK(EVP_MAC_update(ctx, input + done, piece) == 1);
        done += piece;
    }
    CHECK(EVP_MAC_final(ctx, ours, &n, sizeof(ours)) == 1);
    m = reference_mac(theirs, parts, &len, 1);
    CHECK(n == m && memcmp(ours, theirs, n) == 0);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(hmac);
}

/* RFC 7518, section 5.2.2, put together from the default provider's CBC and HMAC. */
static void compare_aead(void)
{
    uint8_t iv[BLOCK_LEN], al[8], tag[EVP_MAX_MD_SIZE], mac[EVP_MAX_MD_SIZE];
    size_t aad_len = draw(100), len = draw_len();
    char cbc[16];
    EVP_CIPHER_CTX *ours, *theirs;
    int n = 0, m = 0, last;

    draw_bytes(iv, sizeof(iv));
    ours = begin(suite->aead, "provider=kgr", NULL, iv, 1);
    if (aad_len > 0) {
        CHECK(EVP_EncryptUpdate(ours, NULL, &n, input, (int)aad_len) == 1);
    }
    CHECK(EVP_EncryptUpdate(ours, ours_out, &n, input, (int)len) == 1);
    CHECK(EVP_EncryptFinal_ex(ours, ours_out + n, &last) == 1);
    n += last;
    CHECK(EVP_CIPHER_CTX_ctrl(ours, EVP_CTRL_AEAD_GET_TAG, (int)suite->tag_len, tag) == 1);
    EVP_CIPHER_CTX_free(ours);

    snprintf(cbc, sizeof(cbc), "AES-%s-CBC", suite->bits);
    theirs = begin(cbc, "provider=default", enc_key, iv, 1);
    CHECK(EVP_EncryptUpdate(theirs, theirs_out, &m, input, (int)len) == 1);
    CHECK(EVP_EncryptFinal_ex(theirs, theirs_out + m, &last) == 1);
    m += last;
    EVP_CIPHER_CTX_free(theirs);
    CHECK(n == m && memcmp(ours_out, theirs_out, (size_t)n) == 0);

    for (size_t i = 0; i < sizeof(al); i++) {
        al[i] = (uint8_t)((uint64_t)aad_len * 8 >> (56 - 8 * i));
    }
    const uint8_t *const parts[] = {input, iv, theirs_out, al};
    const size_t lens[] = {aad_len, sizeof(iv), (size_t)m, sizeof(al)};
    reference_mac(mac, parts, lens, 4);
    CHECK(memcmp(mac, tag, suite->tag_len) == 0);

    ours = begin(suite->aead, "provider=kgr", NULL, iv, 0);
    CHECK(EVP_CIPHER_CTX_ctrl(ours, EVP_CTRL_AEAD_SET_TAG, (int)suite->tag_len, mac) == 1);
    if (aad_len > 0) {
        CHECK(EVP_DecryptUpdate(ours, NULL, &n, input, (int)aad_len) == 1);
    }
    CHECK(EVP_DecryptUpdate(ours, ours_out, &n, theirs_out, m) == 1);
    CHECK((size_t)n == len && memcmp(ours_out, input, len) == 0);
    EVP_CIPHER_CTX_free(ours);
}

int main(int argc, char **argv)
{
    OSSL_PROVIDER *kgr, *standard;
    size_t enc_len, rounds;

    if (argc != 6) {
        fprintf(stderr, "usage: openssl_known MODULES PEER ENC MAC ROUNDS\n");
        return 2;
    }
    snprintf(uri, sizeof(uri), "kgr:peer=%s", argv[2]);
    CHECK(OPENSSL_hexstr2buf_ex(enc_key, sizeof(enc_key), &enc_len, argv[3], '\0') == 1);
    CHECK(OPENSSL_hexstr2buf_ex(mac_key, sizeof(mac_key), &mac_key_len, argv[4], '\0') == 1);
    suite = &suites[enc_len == 32 ? 1 : 0];
    rounds = strtoul(argv[5], NULL, 10);
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, argv[1]) == 1);
    kgr = OSSL_PROVIDER_load(NULL, "kgr");
    standard = OSSL_PROVIDER_load(NULL, "default");
    CHECK(kgr != NULL && standard != NULL);
    draw_bytes(input, sizeof(input));
    for (size_t i = 0; i < rounds; i++) {
        compare_cipher();
        if (i % 4 == 0) {
            compare_mac();
            compare_aead();
        }
    }
    CHECK(OSSL_PROVIDER_unload(kgr) == 1);
    CHECK(OSSL_PROVIDER_unload(standard) == 1);
    return 0;
}
