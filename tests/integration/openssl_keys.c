/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What becomes of keys while an application uses them, and published answers, through kgr.so. A helper of
 * test_openssl_refusals.sh, test_openssl_renewal.sh and test_openssl_answers.sh.
 *
 * openssl_keys try MODULES BITS URI LEN: one operation of each kind over LEN bytes, a line each: "ok", or the
 *   reason's number and the whole error; a failed one that wrote to its output ends the program.
 * openssl_keys hold MODULES BITS URI GENERATION: operations begun under GENERATION meet a later one.
 * openssl_keys seal MODULES BITS URI IV AAD PLAINTEXT: ciphertext and tag of the AEAD; all in hex.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <kgr/error.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LEN   16
#define MAX_LEN     200000
#define OUT_CAP     (MAX_LEN + 64)
#define UNTOUCHED   0xee
#define MAX_MESSAGE 4096

static char uri[128], cipher_name[32], aead_name[48];
static size_t tag_len;
static uint8_t iv[BLOCK_LEN] = {7, 6, 5};
static uint8_t in[MAX_LEN], out[OUT_CAP];

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE_NAME__, __LINE__, #ok);                          \
            ERR_print_errors_fp(stderr);                                                           \
            _Exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static OSSL_PARAM *key_uri(const char *text)
{
    static char copy[sizeof(uri) + 32];
    static OSSL_PARAM params[2];

    snprintf(copy, sizeof(copy), "%s", text);
    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", copy, 0);
    params[1] = OSSL_PARAM_construct_end();
    return params;
}

static EVP_CIPHER *fetch(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, "provider=kgr");

    CHECK(cipher != NULL);
    return cipher;
}

static EVP_MAC_CTX *new_mac(void)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "KGR-HMAC", "provider=kgr");
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

    CHECK(ctx != NULL);
    EVP_MAC_free(hmac);
    return ctx;
}

/* try */

/* The error that says why, which is kgr's: OpenSSL puts its own after it. */
static void report(const char *what, int ok)
{
    const char *data = "";
    unsigned long e;
    int flags;

    if (ok) {
        printf("%s: ok\n", what);
        return;
    }
    for (size_t i = 0; i < sizeof(out); i++) {
        CHECK(out[i] == UNTOUCHED);
    }
    e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    CHECK(e != 0 && ERR_reason_error_string(e) != NULL);
    printf("%s: %d %s: %s\n", what, ERR_GET_REASON(e), ERR_reason_error_string(e), data);
    ERR_clear_error();
}

static void try_cipher(const char *what, const char *name, int encrypt, size_t len)
{
    EVP_CIPHER *cipher = fetch(name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;

    memset(out, UNTOUCHED, sizeof(out));
    report(what, EVP_CipherInit_ex2(ctx, cipher, NULL, iv, encrypt, key_uri(uri)) == 1 &&
                     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                     EVP_CipherUpdate(ctx, out, &n, in, (int)(len - len % BLOCK_LEN)) == 1 &&
                     EVP_CipherFinal_ex(ctx, out + n, &last) == 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void try_aead(size_t len)
{
    EVP_CIPHER *cipher = fetch(aead_name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    memset(out, UNTOUCHED, sizeof(out));
    report("aead", EVP_EncryptInit_ex2(ctx, cipher, NULL, iv, key_uri(uri)) == 1 &&
                       EVP_EncryptUpdate(ctx, NULL, &n, iv, sizeof(iv)) == 1 &&
                       EVP_EncryptUpdate(ctx, out, &n, in, (int)len) == 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void try_mac(size_t len)
{
    EVP_MAC_CTX *ctx = new_mac();
    size_t n = 0;

    memset(out, UNTOUCHED, sizeof(out));
    report("mac", EVP_MAC_init(ctx, NULL, 0, key_uri(uri)) == 1 &&
                      EVP_MAC_update(ctx, in, len) == 1 &&
                      EVP_MAC_final(ctx, out, &n, sizeof(out)) == 1);
    EVP_MAC_CTX_free(ctx);
}

static void try_all(const char *text)
{
    size_t len = strtoul(text, NULL, 10);

    CHECK(len >= BLOCK_LEN && len <= sizeof(in));
    try_cipher("encrypt", cipher_name, 1, len);
    try_cipher("decrypt", cipher_name, 0, len);
    try_aead(len);
    try_mac(len);
}

/* hold */

static size_t one_mac(uint8_t tag[EVP_MAX_MD_SIZE], const char *key, size_t len)
{
    EVP_MAC_CTX *ctx = new_mac();
    size_t n;

    CHECK(EVP_MAC_init(ctx, NULL, 0, key_uri(key)) == 1);
    CHECK(EVP_MAC_update(ctx, in, len) == 1);
    CHECK(EVP_MAC_final(ctx, tag, &n, EVP_MAX_MD_SIZE) == 1);
    EVP_MAC_CTX_free(ctx);
    return n;
}

static EVP_CIPHER_CTX *begin(EVP_CIPHER *cipher, int encrypt, const char *key)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    CHECK(EVP_CipherInit_ex2(ctx, cipher, NULL, iv, encrypt, key_uri(key)) == 1);
    CHECK(EVP_CIPHER_CTX_set_padding(ctx, 0) == 1);
    return ctx;
}

/* The script renews the key. */
static void wait_for_renewal(void)
{
    char line[16];

    puts("begun");
    fflush(stdout);
    CHECK(fgets(line, sizeof(line), stdin) != NULL);
}

/* Encryption under an old generation is over: the peer may give it up any time. The next init goes on. */
static void encryption_ends(EVP_CIPHER_CTX *ctx, const uint8_t *sealed)
{
    int n;

    memset(out, UNTOUCHED, sizeof(out));
    CHECK(EVP_EncryptUpdate(ctx, out, &n, in + 64, 64) == 0);
    CHECK(ERR_GET_REASON(ERR_peek_error()) == KGR_ERR_STATE);
    report("encrypt", 0);
    CHECK(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 1);
    CHECK(EVP_EncryptUpdate(ctx, out, &n, in, 64) == 1 && n == 64);
    CHECK(memcmp(out, sealed, 64) != 0);
}

static void hold(const char *generation)
{
    EVP_CIPHER *cipher = fetch(cipher_name);
    EVP_CIPHER_CTX *sealing = begin(cipher, 1, uri), *all = begin(cipher, 1, uri), *opening;
    EVP_MAC_CTX *mac = new_mac(), *stream = new_mac();
    uint8_t sealed[128], tag[EVP_MAX_MD_SIZE], old[EVP_MAX_MD_SIZE], expected[EVP_MAX_MD_SIZE];
    char named[sizeof(uri) + 32];
    size_t len, old_len;
    int n;

    snprintf(named, sizeof(named), "%s;generation=%s", uri, generation);
    CHECK(EVP_EncryptUpdate(all, sealed, &n, in, 128) == 1 && n == 128);
    CHECK(EVP_EncryptUpdate(sealing, out, &n, in, 64) == 1);
    opening = begin(cipher, 0, uri);
    CHECK(EVP_DecryptUpdate(opening, out, &n, sealed, 64) == 1 && n == 64);
    CHECK(EVP_MAC_init(mac, NULL, 0, key_uri(uri)) == 1);
    CHECK(EVP_MAC_update(mac, in, 50) == 1);
    CHECK(EVP_MAC_init(stream, NULL, 0, key_uri(uri)) == 1);
    CHECK(EVP_MAC_update(stream, in, 150000) == 1);
    old_len = one_mac(old, uri, 100);
    wait_for_renewal();

    encryption_ends(sealing, sealed);
    CHECK(EVP_DecryptUpdate(opening, out, &n, sealed + 64, 64) == 1 && n == 64);
    CHECK(memcmp(out, in + 64, 64) == 0);
    CHECK(EVP_MAC_update(mac, in + 50, 50) == 1);
    CHECK(EVP_MAC_final(mac, tag, &len, sizeof(tag)) == 1);
    CHECK(len == old_len && memcmp(tag, old, len) == 0);
    CHECK(EVP_MAC_update(stream, in + 150000, 50000) == 1);
    CHECK(EVP_MAC_final(stream, tag, &len, sizeof(tag)) == 1);
    CHECK(one_mac(expected, named, 200000) == len && memcmp(tag, expected, len) == 0);
    /* The old generation by its number, the new one by the name alone. */
    CHECK(one_mac(tag, named, 100) == old_len && memcmp(tag, old, old_len) == 0);
    CHECK(one_mac(tag, uri, 100) == old_len && memcmp(tag, old, old_len) != 0);
    EVP_CIPHER_CTX_free(opening);
    opening = begin(cipher, 0, named);
    CHECK(EVP_DecryptUpdate(opening, out, &n, sealed, 128) == 1 && memcmp(out, in, 128) == 0);

    EVP_MAC_CTX_free(mac);
    EVP_MAC_CTX_free(stream);
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
    EVP_CIPHER_CTX_free(all);
    EVP_CIPHER_free(cipher);
}

/* seal */

static size_t unhex(uint8_t *to, size_t cap, const char *text)
{
    size_t len = 0;

    CHECK(*text == '\0' || OPENSSL_hexstr2buf_ex(to, cap, &len, text, '\0') == 1);
    return len;
}

static void print_hex(const uint8_t *bytes, size_t len, char end)
{
    for (size_t i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
    putchar(end);
}

static void seal(const char *iv_text, const char *aad_text, const char *text)
{
    EVP_CIPHER *cipher = fetch(aead_name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t aad[MAX_MESSAGE], plain[MAX_MESSAGE], back[MAX_MESSAGE + BLOCK_LEN], tag[24];
    size_t aad_len = unhex(aad, sizeof(aad), aad_text), len = unhex(plain, sizeof(plain), text);
    int n, last;

    CHECK(unhex(iv, sizeof(iv), iv_text) == sizeof(iv));
    CHECK(EVP_EncryptInit_ex2(ctx, cipher, NULL, iv, key_uri(uri)) == 1);
    CHECK(EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1);
    CHECK(EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) == 1);
    CHECK(EVP_EncryptFinal_ex(ctx, out + n, &last) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag) == 1);
    print_hex(out, (size_t)(n + last), ' ');
    print_hex(tag, tag_len, '\n');
    CHECK(EVP_DecryptInit_ex2(ctx, cipher, NULL, iv, key_uri(uri)) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag) == 1);
    CHECK(EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1);
    CHECK(EVP_DecryptUpdate(ctx, back, &n, out, (int)len / BLOCK_LEN * BLOCK_LEN + BLOCK_LEN) == 1);
    CHECK((size_t)n == len && memcmp(back, plain, len) == 0);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

int main(int argc, char **argv)
{
    OSSL_PROVIDER *kgr;
    int strong;

    if (argc < 6 || (strcmp(argv[1], "seal") == 0 && argc != 8)) {
        fprintf(stderr, "usage: openssl_keys try|hold|seal MODULES BITS URI ...\n");
        return 2;
    }
    strong = strcmp(argv[3], "256") == 0;
    tag_len = strong ? 24 : 16;
    snprintf(uri, sizeof(uri), "%s", argv[4]);
    snprintf(cipher_name, sizeof(cipher_name), "KGR-AES-%s-CBC", strong ? "256" : "128");
    snprintf(aead_name, sizeof(aead_name), "%s-HMAC-SHA%s-ETM", cipher_name,
             strong ? "384" : "256");
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, argv[2]) == 1);
    kgr = OSSL_PROVIDER_load(NULL, "kgr");
    CHECK(kgr != NULL);
    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (uint8_t)(i * 11 + i / 251);
    }
    if (strcmp(argv[1], "try") == 0) {
        try_all(argv[5]);
    } else if (strcmp(argv[1], "hold") == 0) {
        hold(argv[5]);
    } else {
        seal(argv[5], argv[6], argv[7]);
    }
    CHECK(OSSL_PROVIDER_unload(kgr) == 1);
    return 0;
}
