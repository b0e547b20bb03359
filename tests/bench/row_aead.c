/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <kgr/client.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/raw_evp.h"

/* The authenticated cipher of kgr.so, one context for all messages, against EVP without it. */

#define AAD_LEN 28
#define TAG_LEN 16

struct aead {
    EVP_CIPHER_CTX *ctx;
    struct raw_evp *evp;
    size_t len;
    uint8_t *in;
    uint8_t *out;
    uint64_t count;
};

static void crypto_must(int result, const char *what)
{
    if (result == 1)
        return;
    ERR_print_errors_fp(stderr);
    bench_must(false, "%s failed", what);
}

static void protect(void *arg)
{
    struct aead *a = arg;
    uint8_t iv[16] = {1};
    uint8_t aad[AAD_LEN] = {0}, tag[TAG_LEN];
    int n = 0, last = 0;

    a->count++;
    memcpy(iv, &a->count, sizeof(a->count));
    crypto_must(EVP_EncryptInit_ex2(a->ctx, NULL, NULL, iv, NULL), "EVP_EncryptInit_ex2");
    crypto_must(EVP_EncryptUpdate(a->ctx, NULL, &n, aad, sizeof(aad)), "EVP_EncryptUpdate");
    crypto_must(EVP_EncryptUpdate(a->ctx, a->out, &n, a->in, (int)a->len), "EVP_EncryptUpdate");
    crypto_must(EVP_EncryptFinal_ex(a->ctx, a->out + n, &last), "EVP_EncryptFinal_ex");
    crypto_must(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag), "the tag");
    memcpy(a->out + n + last, tag, sizeof(tag));
}

static void protect_raw(void *arg)
{
    struct aead *a = arg;

    raw_evp_seal(a->evp, a->in, a->len, a->out);
}

static void measure(struct bench_result *out, size_t len)
{
    char uri[KGR_PEER_MAX + 16];
    const uint8_t iv[16] = {0};
    OSSL_PARAM params[2];
    struct aead a = {.len = len, .evp = raw_evp_new()};
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *kgr;
    EVP_CIPHER *cipher;

    bench_must(setenv("KGR_AGENT", bench_env("BENCH_AGENT_SEALED"), 1) == 0, "no memory");
    (void)snprintf(uri, sizeof(uri), "kgr:peer=%s", bench_env("BENCH_PEER"));
    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", uri, 0);
    params[1] = OSSL_PARAM_construct_end();
    bench_must(OSSL_PROVIDER_set_default_search_path(library, bench_env("BENCH_LIB")) == 1,
               "no search path");
    kgr = OSSL_PROVIDER_load(library, "kgr");
    bench_must(kgr != NULL, "kgr.so cannot be loaded");
    cipher = EVP_CIPHER_fetch(library, "KGR-AES-128-CBC-HMAC-SHA256-ETM", NULL);
    a.ctx = EVP_CIPHER_CTX_new();
    a.in = calloc(1, len);
    a.out = calloc(1, len + KGR_RECORD_OVERHEAD);
    bench_must(cipher != NULL && a.ctx != NULL && a.in != NULL && a.out != NULL, "no cipher");
    crypto_must(EVP_EncryptInit_ex2(a.ctx, cipher, NULL, iv, params), "EVP_EncryptInit_ex2");
    bench_compare(out, &(struct bench_side){.op = protect, .ctx = &a},
                  &(struct bench_side){.op = protect_raw, .ctx = &a});
    free(a.in);
    free(a.out);
    raw_evp_free(a.evp);
    EVP_CIPHER_CTX_free(a.ctx);
    EVP_CIPHER_free(cipher);
    (void)OSSL_PROVIDER_unload(kgr);
    OSSL_LIB_CTX_free(library);
}

static void aead_1024(struct bench_result *out)
{
    measure(out, 1024);
}

static void aead_16384(struct bench_result *out)
{
    measure(out, 16384);
}

const struct bench_row bench_rows_aead[] = {
    {.name = "sealed-aead-1024",
     .needs = "sealed",
     .ours = "sealed, 1 KiB by kgr.so's AEAD, context reused",
     .theirs = "EVP in the process",
     .unit = "us",
     .sense = BENCH_SPEED,
     .must = 0.35,
     .run = aead_1024},
    {.name = "sealed-aead-16384",
     .needs = "sealed",
     .ours = "sealed, 16 KiB by kgr.so's AEAD, context reused",
     .theirs = "EVP in the process",
     .unit = "us",
     .sense = BENCH_SPEED,
     .run = aead_16384},
    {.name = NULL},
};
