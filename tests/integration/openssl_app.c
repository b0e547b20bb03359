/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An application of kgr.so for test_openssl_process.sh: what the openssl command cannot show.
 * usage: openssl_app threads|aead|fork|restart|unload|exit MODULES PEER [OPERATIONS]
 * OPERATIONS is how many each thread does.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUM_THREADS 8
#define PER_ROUND   4 /* operations: two of the cipher, two MACs */
#define LONG_LEN    100000

/* The names that fit the suite of the peer's key. */
struct suite {
    const char *cipher, *aead;
    size_t mac_len;
    int tag_len;
};

static const struct suite suites[] = {
    {"KGR-AES-128-CBC", "KGR-AES-128-CBC-HMAC-SHA256-ETM", 32, 16},
    {"KGR-AES-256-CBC", "KGR-AES-256-CBC-HMAC-SHA384-ETM", 48, 24}};

static const struct suite *suite;
static EVP_CIPHER *cipher;
static EVP_MAC *hmac;
static char uri[128];
static size_t num_rounds = 40;
static const unsigned char iv[16] = {1, 2, 3};

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE_NAME__, __LINE__, #ok);                          \
            ERR_print_errors_fp(stderr);                                                           \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void key_params(OSSL_PARAM params[2])
{
    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", uri, 0);
    params[1] = OSSL_PARAM_construct_end();
}

/* What there is for the peer's key; the length of its MACs tells the suite. */
static void fetch(void)
{
    OSSL_PARAM params[2];
    EVP_MAC_CTX *ctx;

    key_params(params);
    hmac = EVP_MAC_fetch(NULL, "KGR-HMAC", "provider=kgr");
    CHECK(hmac != NULL);
    ctx = EVP_MAC_CTX_new(hmac);
    CHECK(EVP_MAC_init(ctx, NULL, 0, params) == 1);
    suite = &suites[EVP_MAC_CTX_get_mac_size(ctx) == suites[1].mac_len ? 1 : 0];
    EVP_MAC_CTX_free(ctx);
    cipher = EVP_CIPHER_fetch(NULL, suite->cipher, "provider=kgr");
    CHECK(cipher != NULL);
}

static EVP_CIPHER_CTX *begin(int encrypt)
{
    OSSL_PARAM params[2];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    key_params(params);
    CHECK(EVP_CipherInit_ex2(ctx, cipher, NULL, iv, encrypt, params) == 1);
    return ctx;
}

static size_t run(int encrypt, unsigned char *out, const unsigned char *in, size_t len,
                  size_t piece)
{
    EVP_CIPHER_CTX *ctx = begin(encrypt);
    size_t done = 0, total = 0;
    int n;

    while (done < len) {
        size_t now = piece < len - done ? piece : len - done;

        CHECK(EVP_CipherUpdate(ctx, out + total, &n, in + done, (int)now) == 1);
        total += (size_t)n;
        done += now;
    }
    CHECK(EVP_CipherFinal_ex(ctx, out + total, &n) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return total + (size_t)n;
}

static size_t mac(unsigned char out[EVP_MAX_MD_SIZE], const unsigned char *in, size_t len)
{
    OSSL_PARAM params[2];
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    size_t n;

    key_params(params);
    CHECK(EVP_MAC_init(ctx, NULL, 0, params) == 1);
    CHECK(EVP_MAC_update(ctx, in, len) == 1);
    CHECK(EVP_MAC_final(ctx, out, &n, EVP_MAX_MD_SIZE) == 1);
    EVP_MAC_CTX_free(ctx);
    return n;
}

/* Round trips of data that only this thread has. */
static void *work(void *arg)
{
    unsigned char seed = *(unsigned char *)arg, plain[700], sealed[800], back[800];
    unsigned char first[EVP_MAX_MD_SIZE], again[EVP_MAX_MD_SIZE];

    for (size_t i = 0; i < num_rounds; i++) {
        size_t len = (i * 37 + seed) % sizeof(plain), n, m;

        memset(plain, (int)(seed + i), sizeof(plain));
        n = run(1, sealed, plain, len, 200);
        CHECK(n == len / 16 * 16 + 16);
        CHECK(run(0, back, sealed, n, 133) == len);
        CHECK(memcmp(back, plain, len) == 0);
        m = mac(first, plain, len);
        CHECK(mac(again, plain, len) == m && memcmp(first, again, m) == 0);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[NUM_THREADS];
    unsigned char seeds[NUM_THREADS];

    for (unsigned char i = 0; i < NUM_THREADS; i++) {
        seeds[i] = (unsigned char)(i * 31);
        CHECK(pthread_create(&ids[i], NULL, work, &seeds[i]) == 0);
    }
    for (size_t i = 0; i < NUM_THREADS; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
    }
}

static EVP_CIPHER_CTX *begin_aead(EVP_CIPHER *aead, int encrypt)
{
    OSSL_PARAM params[2];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    key_params(params);
    CHECK(EVP_CipherInit_ex2(ctx, aead, NULL, iv, encrypt, params) == 1);
    CHECK(EVP_CipherUpdate(ctx, NULL, &n, iv, sizeof(iv)) == 1); /* some associated data */
    return ctx;
}

/* A message of len bytes comes back; with a bit changed it does not. */
static void authenticated(size_t len)
{
    static unsigned char plain[LONG_LEN], sealed[LONG_LEN + 16], back[LONG_LEN + 16];
    unsigned char tag[24];
    EVP_CIPHER *aead = EVP_CIPHER_fetch(NULL, suite->aead, "provider=kgr");
    EVP_CIPHER_CTX *ctx;
    int n, m;

    CHECK(aead != NULL);
    memset(plain, 0x5a, len);
    ctx = begin_aead(aead, 1);
    CHECK(EVP_EncryptUpdate(ctx, sealed, &n, plain, (int)len) == 1);
    CHECK(EVP_EncryptFinal_ex(ctx, sealed + n, &m) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, suite->tag_len, tag) == 1);
    EVP_CIPHER_CTX_free(ctx);
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        int sealed_len = n + m, back_len, last;

        sealed[len / 2] ^= (unsigned char)spoilt;
        ctx = begin_aead(aead, 0);
        CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, suite->tag_len, tag) == 1);
        memset(back, 0, sizeof(back));
        if (spoilt) {
            CHECK(EVP_DecryptUpdate(ctx, back, &back_len, sealed, sealed_len) == 0 && back[0] == 0);
            ERR_clear_error();
        } else {
            CHECK(EVP_DecryptUpdate(ctx, back, &back_len, sealed, sealed_len) == 1);
            CHECK(EVP_DecryptFinal_ex(ctx, back + back_len, &last) == 1);
            CHECK((size_t)(back_len + last) == len && memcmp(back, plain, len) == 0);
        }
        EVP_CIPHER_CTX_free(ctx);
    }
    EVP_CIPHER_free(aead);
}

/* Parent and child both go on with a stream that was begun before the fork. */
static void fork_in_mid_stream(void)
{
    static unsigned char plain[5000], expected[5100], out[5100];
    static unsigned char large[LONG_LEN];
    EVP_CIPHER_CTX *ctx;
    EVP_MAC_CTX *streamed = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM params[2];
    unsigned char tag[EVP_MAX_MD_SIZE], right[EVP_MAX_MD_SIZE];
    size_t expected_len, tag_len, right_len;
    int n, m, last, status;
    pid_t child;

    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (unsigned char)(i * 7);
    }
    expected_len = run(1, expected, plain, sizeof(plain), sizeof(plain));
    right_len = mac(right, large, sizeof(large));
    ctx = begin(1);
    CHECK(EVP_EncryptUpdate(ctx, out, &n, plain, 1003) == 1);
    key_params(params);
    CHECK(EVP_MAC_init(streamed, NULL, 0, params) == 1);
    CHECK(EVP_MAC_update(streamed, large, sizeof(large) - 1) == 1);

    child = fork();
    CHECK(child >= 0);
    CHECK(EVP_EncryptUpdate(ctx, out + n, &m, plain + 1003, (int)sizeof(plain) - 1003) == 1);
    CHECK(EVP_EncryptFinal_ex(ctx, out + n + m, &last) == 1);
    CHECK((size_t)(n + m + last) == expected_len && memcmp(out, expected, expected_len) == 0);
    EVP_CIPHER_CTX_free(ctx);
    if (child == 0) {
        /* The state in the agent is the parent's. */
        CHECK(EVP_MAC_update(streamed, large, 1) == 0 ||
              EVP_MAC_final(streamed, tag, &tag_len, sizeof(tag)) == 0);
        EVP_MAC_CTX_free(streamed);
        CHECK(mac(tag, large, sizeof(large)) == right_len && memcmp(tag, right, right_len) == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(EVP_MAC_update(streamed, large, 1) == 1);
    CHECK(EVP_MAC_final(streamed, tag, &tag_len, sizeof(tag)) == 1);
    CHECK(tag_len == right_len && memcmp(tag, right, right_len) == 0);
    EVP_MAC_CTX_free(streamed);
}

/* Tells the script where it is, and waits for a line. */
static void meet(const char *where)
{
    char line[16];

    puts(where);
    fflush(stdout);
    CHECK(fgets(line, sizeof(line), stdin) != NULL);
}

/* The script ends the agent and starts it again. */
static void restart_in_mid_stream(void)
{
    unsigned char in[64] = {5}, out[96], expected[96];
    EVP_CIPHER_CTX *ctx = begin(1);
    int n;

    CHECK(EVP_EncryptUpdate(ctx, expected, &n, in, sizeof(in)) == 1);
    meet("begun");
    memset(out, 0xee, sizeof(out));
    CHECK(EVP_EncryptUpdate(ctx, out, &n, in, sizeof(in)) == 0);
    CHECK(ERR_peek_error() != 0 && out[0] == 0xee);
    ERR_print_errors_fp(stderr);
    CHECK(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 0);
    ERR_clear_error();
    meet("failed");
    CHECK(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 1);
    CHECK(EVP_EncryptUpdate(ctx, out, &n, in, sizeof(in)) == 1);
    CHECK(memcmp(out, expected, sizeof(in)) == 0);
    EVP_CIPHER_CTX_free(ctx);
}

/* What is in use outlives the unloading of its provider, and the provider can be loaded again. */
static void unload_in_use(OSSL_PROVIDER **kgr)
{
    unsigned char in[64] = {5}, first[96], again[96], tag[EVP_MAX_MD_SIZE];
    EVP_CIPHER_CTX *ctx = begin(1);
    EVP_MAC_CTX *mac_ctx = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM params[2];
    size_t tag_len;
    int n;

    key_params(params);
    CHECK(EVP_MAC_init(mac_ctx, NULL, 0, params) == 1);
    CHECK(OSSL_PROVIDER_unload(*kgr) == 1);
    CHECK(EVP_EncryptUpdate(ctx, first, &n, in, sizeof(in)) == 1 && n == sizeof(in));
    CHECK(EVP_MAC_update(mac_ctx, in, sizeof(in)) == 1);
    CHECK(EVP_MAC_final(mac_ctx, tag, &tag_len, sizeof(tag)) == 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_MAC_CTX_free(mac_ctx);
    EVP_CIPHER_free(cipher);
    EVP_MAC_free(hmac);

    *kgr = OSSL_PROVIDER_load(NULL, "kgr");
    CHECK(*kgr != NULL);
    fetch();
    CHECK(run(1, again, in, sizeof(in), sizeof(in)) == sizeof(in) + 16);
    CHECK(memcmp(first, again, sizeof(in)) == 0);
}

int main(int argc, char **argv)
{
    OSSL_PROVIDER *kgr;

    if (argc != 4 && argc != 5) {
        fprintf(
            stderr,
            "usage: openssl_app threads|aead|fork|restart|unload|exit MODULES PEER [OPERATIONS]\n");
        return 2;
    }
    if (argc == 5) {
        num_rounds = strtoul(argv[4], NULL, 10) / PER_ROUND;
        CHECK(num_rounds > 0);
    }
    snprintf(uri, sizeof(uri), "kgr:peer=%s", argv[3]);
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, argv[2]) == 1);
    kgr = OSSL_PROVIDER_load(NULL, "kgr");
    CHECK(kgr != NULL);
    fetch();
    if (strcmp(argv[1], "threads") == 0) {
        threads();
    } else if (strcmp(argv[1], "aead") == 0) {
        authenticated(300);
        authenticated(LONG_LEN);
    } else if (strcmp(argv[1], "fork") == 0) {
        fork_in_mid_stream();
    } else if (strcmp(argv[1], "restart") == 0) {
        restart_in_mid_stream();
    } else if (strcmp(argv[1], "unload") == 0) {
        unload_in_use(&kgr);
    } else if (strcmp(argv[1], "exit") == 0) {
        unsigned char tag[EVP_MAX_MD_SIZE];

        CHECK(mac(tag, (const unsigned char *)uri, sizeof(uri)) == suite->mac_len);
        EVP_CIPHER_free(cipher);
        EVP_MAC_free(hmac);
        return 0; /* OPENSSL_cleanup() unloads the provider */
    } else {
        fprintf(stderr, "openssl_app: no such part: %s\n", argv[1]);
        return 2;
    }
    EVP_CIPHER_free(cipher);
    EVP_MAC_free(hmac);
    CHECK(OSSL_PROVIDER_unload(kgr) == 1);
    return 0;
}
