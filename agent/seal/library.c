/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/library.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/provider.h>

#include "agent/base/secret.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library;
static bool taken;
static _Thread_local bool in_arena;

/*
 * libcrypto's memory. A context of a cipher is made by its provider, and its key schedule begins with the key itself: there is
 * no way but this to say where it stands.
 */
static void *allocate(size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return in_arena ? kgr_secret_alloc(len) : malloc(len);
}

static void *reallocate(void *p, size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    /* A cipher's context never grows; if it did, it would stay where it is. */
    return p != NULL && kgr_arena_contains(p) ? NULL : realloc(p, len);
}

static void release(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (p != NULL && kgr_arena_contains(p))
        kgr_secret_free(p);
    else
        free(p);
}

/* Before main, for libcrypto takes other functions only as long as it has allocated nothing. */
__attribute__((constructor)) static void take_memory(void)
{
    taken = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

static void make(void)
{
    if (!taken || OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return;
    library = OSSL_LIB_CTX_new();
    if (library != NULL && OSSL_PROVIDER_load(library, "default") == NULL) {
        OSSL_LIB_CTX_free(library);
        library = NULL;
    }
}

OSSL_LIB_CTX *kgr_crypto_library(void)
{
    return pthread_once(&once, make) == 0 ? library : NULL;
}

void kgr_crypto_in_arena(bool on)
{
    in_arena = on;
}
