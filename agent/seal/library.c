/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/seal/library.h"

#include <pthread.h>
#include <stddef.h>

#include <openssl/crypto.h>
#include <openssl/provider.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library;

static void make(void)
{
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
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
