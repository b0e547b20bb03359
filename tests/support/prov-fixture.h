/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * For the provider's unit tests: kgr linked into the test over the fake client, in a library context
 * of its own beside the default provider, and small things around it.
 */
#include <openssl/core.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fake-client.h"

OSSL_provider_init_fn OSSL_provider_init;

static OSSL_LIB_CTX *libctx;
static uint64_t seed = 88172645463325252u;

/* xorshift64: the same numbers in every run. */
static inline uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

static inline void draw_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)draw(256);
    }
}

/* Activates kgr with a section of openssl.cnf; returns whether that went well. */
static inline int load_kgr(const char *section)
{
    char path[] = "/tmp/kgr-prov-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    int loaded;

    assert_non_null(f);
    fprintf(f,
            "openssl_conf = init\n[init]\nproviders = list\n[list]\nkgr = kgr_section\n"
            "default = default_section\n[default_section]\nactivate = 1\n[kgr_section]\n"
            "activate = 1\n%s\n",
            section);
    fclose(f);
    libctx = OSSL_LIB_CTX_new();
    assert_non_null(libctx);
    assert_int_equal(OSSL_PROVIDER_add_builtin(libctx, "kgr", OSSL_provider_init), 1);
    loaded = OSSL_LIB_CTX_load_config(libctx, path);
    remove(path);
    return loaded == 1 && OSSL_PROVIDER_available(libctx, "kgr");
}

static inline void unload_kgr(void)
{
    OSSL_LIB_CTX_free(libctx);
    ERR_clear_error();
}

static inline int setup(void **state)
{
    (void)state;
    kgr_fake_reset();
    return load_kgr("") == 1 ? 0 : -1;
}

static inline int setup_with_peer(void **state)
{
    (void)state;
    kgr_fake_reset();
    return load_kgr("peer = N2") == 1 ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    unload_kgr();
    kgr_fake_deinit();
    return 0;
}

/* The parameter key-uri; valid until the next call. */
static inline OSSL_PARAM *uri_params(const char *uri)
{
    static char text[128];
    static OSSL_PARAM params[2];

    snprintf(text, sizeof(text), "%s", uri);
    params[0] = OSSL_PARAM_construct_utf8_string("key-uri", text, 0);
    params[1] = OSSL_PARAM_construct_end();
    return params;
}

/* Some error on the stack must have this reason, and words in its data. Empties the stack. */
static inline void assert_error(int reason, const char *words)
{
    const char *data = "", *last_data = "";
    unsigned long e, last = 0;
    int flags, found = 0;

    while (!found && (e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        last = e;
        last_data = data;
        found = ERR_GET_REASON(e) == reason && strstr(data, words) != NULL;
    }
    if (!found) {
        fail_msg("no reason %d with \"%s\", at last %d with \"%s\"", reason, words,
                 ERR_GET_REASON(last), last_data);
    }
    assert_non_null(ERR_reason_error_string(last));
    ERR_clear_error();
}
