/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/cbc.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "agent/base/secret.h"
#include "agent/seal/library.h"

/* Contexts that stay, for each direction. The first idle one is taken, so that a key has as many as it ever had uses at once. */
#define KEPT 4

struct kgr_cbc_context {
    EVP_CIPHER_CTX *evp;       /* owned; its key schedule in the arena, if kept */
    bool kept;                 /* may stay */
    bool broken;               /* libcrypto failed: its state is not known */
    uint8_t chain[KGR_IV_LEN]; /* the ciphertext that evp goes on from */
    uint8_t turn[KGR_IV_LEN];  /* what makes of it the IV of a message, while turned is false */
    bool turned;
};

struct kgr_cbc {
    EVP_CIPHER *cipher;                              /* owned */
    const uint8_t *key;                              /* borrowed, in the arena */
    _Atomic(struct kgr_cbc_context *) idle[2][KEPT]; /* by direction; owned */
};

enum kgr_error kgr_cbc_new(struct kgr_cbc **out, enum kgr_suite suite, const uint8_t *key)
{
    const char *name = suite == KGR_SUITE_AES256_SHA384 ? "AES-256-CBC" : "AES-128-CBC";
    OSSL_LIB_CTX *library = kgr_crypto_library();
    struct kgr_cbc *cbc;

    if (library == NULL)
        return KGR_ERR_FAILED;
    cbc = calloc(1, sizeof(*cbc));
    if (cbc == NULL)
        return KGR_ERR_NO_MEMORY;
    cbc->key = key;
    cbc->cipher = EVP_CIPHER_fetch(library, name, NULL);
    if (cbc->cipher == NULL) {
        free(cbc);
        return KGR_ERR_FAILED;
    }
    *out = cbc;
    return KGR_OK;
}

static void context_free(struct kgr_cbc_context *context)
{
    if (context == NULL)
        return;
    EVP_CIPHER_CTX_free(context->evp); /* which cleanses the schedule */
    free(context);
}

void kgr_cbc_free(struct kgr_cbc *cbc)
{
    if (cbc == NULL)
        return;
    for (int direction = 0; direction < 2; direction++)
        for (int i = 0; i < KEPT; i++)
            context_free(atomic_load_explicit(&cbc->idle[direction][i], memory_order_acquire));
    EVP_CIPHER_free(cbc->cipher);
    free(cbc);
}

static bool set_key(const struct kgr_cbc *cbc, struct kgr_cbc_context *context, bool encrypt)
{
    bool ok;

    kgr_crypto_in_arena(context->kept);
    ok = EVP_CipherInit_ex2(context->evp, cbc->cipher, cbc->key, context->chain, encrypt ? 1 : 0,
                            NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(context->evp, 0) == 1;
    kgr_crypto_in_arena(false);
    return ok;
}

static struct kgr_cbc_context *context_new(const struct kgr_cbc *cbc, bool encrypt)
{
    struct kgr_cbc_context *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return NULL;
    context->evp = EVP_CIPHER_CTX_new();
    context->kept = true;
    if (context->evp != NULL && set_key(cbc, context, encrypt))
        return context;
    context->kept = false; /* the arena is full */
    if (context->evp != NULL && set_key(cbc, context, encrypt))
        return context;
    context_free(context);
    return NULL;
}

enum kgr_error kgr_cbc_begin(struct kgr_cbc_use *out, struct kgr_cbc *cbc, bool encrypt)
{
    struct kgr_cbc_context *context = NULL;

    for (int i = 0; context == NULL && i < KEPT; i++)
        if (atomic_load_explicit(&cbc->idle[encrypt][i], memory_order_relaxed) != NULL)
            context = atomic_exchange_explicit(&cbc->idle[encrypt][i], NULL, memory_order_acquire);
    if (context == NULL)
        context = context_new(cbc, encrypt);
    if (context == NULL)
        return KGR_ERR_NO_MEMORY;
    *out = (struct kgr_cbc_use){.cbc = cbc, .context = context, .encrypt = encrypt};
    return KGR_OK;
}

static void mix(uint8_t *block, const uint8_t *with)
{
    for (int i = 0; i < KGR_BLOCK_LEN; i++)
        block[i] ^= with[i];
}

/*
 * To give a context another IV costs twice what it costs to encrypt 64 bytes (0.10 us in OpenSSL 3.0). It needs none: it goes on from the last
 * block of ciphertext C, and CBC adds what it goes on from to the first block of plaintext P. E(P + IV) is E((P + IV + C) + C).
 */
void kgr_cbc_message(struct kgr_cbc_use *use, const uint8_t iv[KGR_IV_LEN])
{
    struct kgr_cbc_context *context = use->context;

    memcpy(context->turn, iv, KGR_IV_LEN);
    mix(context->turn, context->chain);
    context->turned = false;
}

enum kgr_error kgr_cbc_update(struct kgr_cbc_use *use, const uint8_t *in, size_t len, uint8_t *out)
{
    struct kgr_cbc_context *context = use->context;
    int n = 0;

    if (len == 0)
        return KGR_OK;
    if (len > INT_MAX || len % KGR_BLOCK_LEN != 0)
        return KGR_ERR_INVALID;
    if (!use->encrypt)
        memcpy(context->chain, in + len - KGR_BLOCK_LEN, KGR_BLOCK_LEN);
    if (use->encrypt && !context->turned) {
        if (in != out)
            memmove(out, in, len);
        mix(out, context->turn);
        in = out;
    }
    /* Without padding, update hands out every block and final has nothing left to say. */
    if (EVP_CipherUpdate(context->evp, out, &n, in, (int)len) != 1 || (size_t)n != len) {
        context->broken = true;
        return KGR_ERR_FAILED;
    }
    if (use->encrypt)
        memcpy(context->chain, out + len - KGR_BLOCK_LEN, KGR_BLOCK_LEN);
    else if (!context->turned)
        mix(out, context->turn);
    context->turned = true;
    return KGR_OK;
}

void kgr_cbc_chain(const struct kgr_cbc_use *use, uint8_t out[KGR_IV_LEN])
{
    const struct kgr_cbc_context *context = use->context;

    memcpy(out, context->chain, KGR_IV_LEN);
    if (!context->turned)
        mix(out, context->turn); /* nothing was updated: the IV itself */
}

void kgr_cbc_end(struct kgr_cbc_use *use)
{
    struct kgr_cbc_context *context = use->context;

    for (int i = 0; context->kept && !context->broken && i < KEPT; i++) {
        struct kgr_cbc_context *none = NULL;

        if (atomic_compare_exchange_strong_explicit(&use->cbc->idle[use->encrypt][i], &none,
                                                    context, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    context_free(context);
}
