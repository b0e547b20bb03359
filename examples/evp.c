/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A file to a peer's node and back through OpenSSL's EVP: an AEAD of kgr.so (AES-CBC and HMAC, Encrypt-then-MAC).
 * The program names the peer in a parameter; there is no key in it. Output: generation of the key, which may be
 * renewed before the peer opens it, IV, ciphertext, tag.
 * usage: kgr-evp seal|open PEER <IN >OUT     (OPENSSL_MODULES names the folder of kgr.so where it is not installed)
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERATION_LEN 8
#define IV_LEN         16
#define HEAD_LEN       (GENERATION_LEN + IV_LEN)
#define FILE_MAX       (16 << 20)

static unsigned char in[FILE_MAX + 64], out[FILE_MAX + 64];
static int tag_len;

static EVP_CIPHER *fetch(const char *cipher_name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name, "provider=kgr");

    tag_len = strstr(cipher_name, "SHA384") != NULL ? 24 : 16;
    return cipher;
}

/* A context for the key of uri; NULL where the key has another suite, or there is none. */
static EVP_CIPHER_CTX *begin(const char *cipher_name, char *uri, int encrypt, unsigned char *iv)
{
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("key-uri", uri, 0),
                           OSSL_PARAM_construct_end()};
    EVP_CIPHER *cipher = fetch(cipher_name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (cipher == NULL || ctx == NULL ||
        EVP_CipherInit_ex2(ctx, cipher, NULL, iv, encrypt, params) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_CIPHER_free(cipher);
    return ctx;
}

/* The suite of a pair is the AC's choice: the first that its key takes. */
static EVP_CIPHER_CTX *begin_any(char *uri, int encrypt, unsigned char *iv)
{
    EVP_CIPHER_CTX *ctx;

    ERR_set_mark();
    ctx = begin("KGR-AES-256-CBC-HMAC-SHA384-ETM", uri, encrypt, iv);
    if (ctx != NULL) {
        ERR_pop_to_mark();
        return ctx;
    }
    ERR_pop_to_mark();
    return begin("KGR-AES-128-CBC-HMAC-SHA256-ETM", uri, encrypt, iv);
}

/* Which generation the context took. */
static int put_generation(EVP_CIPHER_CTX *ctx, unsigned char *out8)
{
    char uri[160] = "", *number;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("key-uri", uri, sizeof(uri)),
                           OSSL_PARAM_construct_end()};
    unsigned long long generation;

    if (EVP_CIPHER_CTX_get_params(ctx, params) != 1 ||
        (number = strstr(uri, ";generation=")) == NULL)
        return 0;
    generation = strtoull(number + strlen(";generation="), NULL, 10);
    for (int i = GENERATION_LEN - 1; i >= 0; i--, generation >>= 8)
        out8[i] = (unsigned char)generation;
    return 1;
}

static int seal(const char *peer, int len)
{
    unsigned char *iv = out + GENERATION_LEN, *text = out + HEAD_LEN;
    char uri[160];
    EVP_CIPHER_CTX *ctx;
    int n = 0, last = 0, ok;

    snprintf(uri, sizeof(uri), "kgr:peer=%s", peer);
    if (RAND_bytes(iv, IV_LEN) != 1)
        return 0;
    ctx = begin_any(uri, 1, iv);
    if (ctx == NULL)
        return 0;
    ok = put_generation(ctx, out) && EVP_EncryptUpdate(ctx, text, &n, in, len) == 1 &&
         EVP_EncryptFinal_ex(ctx, text + n, &last) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_len, text + n + last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok && fwrite(out, 1, (size_t)(HEAD_LEN + n + last + tag_len), stdout) ==
                     (size_t)(HEAD_LEN + n + last + tag_len);
}

static int open_sealed(const char *peer, int len)
{
    unsigned long long generation = 0;
    char uri[160];
    EVP_CIPHER_CTX *ctx;
    int n = 0, last = 0, ok;

    for (int i = 0; i < GENERATION_LEN; i++)
        generation = generation << 8 | in[i];
    snprintf(uri, sizeof(uri), "kgr:peer=%s;generation=%llu", peer, generation);
    if (len < HEAD_LEN || (ctx = begin_any(uri, 0, in + GENERATION_LEN)) == NULL)
        return 0;
    len -= HEAD_LEN + tag_len;
    if (len <= 0) {
        fprintf(stderr, "kgr-evp: the input is too short\n");
        EVP_CIPHER_CTX_free(ctx);
        return 0;
    }
    /* Nothing may be used before Final has verified the tag. */
    ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_len, in + HEAD_LEN + len) == 1 &&
         EVP_DecryptUpdate(ctx, out, &n, in + HEAD_LEN, len) == 1 &&
         EVP_DecryptFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok && fwrite(out, 1, (size_t)(n + last), stdout) == (size_t)(n + last);
}

int main(int argc, char **argv)
{
    OSSL_PROVIDER *kgr, *deflt;
    size_t len;
    int ok;

    if (argc != 3 || (strcmp(argv[1], "seal") != 0 && strcmp(argv[1], "open") != 0)) {
        fprintf(stderr, "usage: kgr-evp seal|open PEER <IN >OUT\n");
        return 2;
    }
    /* Loading a provider by hand drops the automatic default one, so both are named. */
    kgr = OSSL_PROVIDER_load(NULL, "kgr");
    deflt = OSSL_PROVIDER_load(NULL, "default");
    len = fread(in, 1, sizeof(in), stdin);
    if (len > FILE_MAX) {
        fprintf(stderr, "kgr-evp: the input is longer than 16 MiB\n");
        return 1;
    }
    ok = kgr != NULL && deflt != NULL &&
         (argv[1][0] == 's' ? seal(argv[2], (int)len) : open_sealed(argv[2], (int)len));
    if (!ok || fflush(stdout) != 0) {
        ERR_print_errors_fp(stderr);
        ok = 0;
    }
    OPENSSL_cleanse(in, sizeof(in));
    OPENSSL_cleanse(out, sizeof(out));
    OSSL_PROVIDER_unload(deflt);
    OSSL_PROVIDER_unload(kgr);
    return ok ? 0 : 1;
}
