/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <pthread.h>
#include <stdatomic.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_ulong num_made;
static atomic_ulong freed_mark; /* num_made when the last one was freed */
static atomic_long freed_result;

static void on_made(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
    (void)parent;
    (void)ptr;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    atomic_fetch_add(&num_made, 1);
}

static void on_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                     void *argp)
{
    const SSL *ssl = parent;

    (void)ptr;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    atomic_store(&freed_result, SSL_get_verify_result(ssl));
    atomic_store(&freed_mark, atomic_load(&num_made));
}

static void watch(void)
{
    (void)SSL_get_ex_new_index(0, NULL, on_made, NULL, on_freed); /* without it: no reasons */
}

void kgr_tls_watch(void)
{
    (void)pthread_once(&once, watch);
}

unsigned long kgr_tls_mark(void)
{
    return atomic_load(&num_made);
}

enum kgr_tls_outcome kgr_tls_outcome(unsigned long mark, const char **out_reason)
{
    long result;

    *out_reason = "";
    if (atomic_load(&num_made) == mark || atomic_load(&freed_mark) <= mark)
        return KGR_TLS_NONE;
    result = atomic_load(&freed_result);
    if (result != X509_V_OK) {
        *out_reason = X509_verify_cert_error_string(result);
        return KGR_TLS_UNVERIFIED;
    }
    return KGR_TLS_OTHER;
}
