/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <kgr/client.h>

#include <stdbool.h>

#include "agent/base/attr.h"

/*
 * kgr.so: the provider of OpenSSL 3 over libkgr. Its tables are static and its client connects at
 * the first request, so that a missing agent is an error of the operation, never of loading. No
 * function of libcrypto is called: the provider works in whatever copy of it has loaded us.
 */

/* The parameter of ciphers, MACs and key objects that names a key. */
#define KGR_PROV_PARAM_KEY_URI "key-uri"

#define KGR_PROV_NUM_REASONS 64

/* One instance of the provider in one library context. Constant after OSSL_provider_init. */
struct kgr_prov {
    const OSSL_CORE_HANDLE *core; /* borrowed */
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;
    struct kgr_client *client;        /* owned; NULL if misconfigured */
    char misconfigured[KGR_DIAG_MAX]; /* what is wrong with the section; "" if nothing */
    char peer[KGR_PEER_MAX + 1];      /* whose key is used when none is named; "" for nobody's */
    bool standard_names;              /* also answer to AES-128-CBC and the like */
    OSSL_ITEM reasons[KGR_PROV_NUM_REASONS]; /* ends with a NULL text */
};

/*
 * kgr_prov_check_usable is called before the first request of anything. A wrong setting is told
 * here, and not by refusing to load: OpenSSL drops the errors of providers that its configuration
 * activates, and the caller would only learn that there is no such algorithm.
 */
KGR_MUST_CHECK enum kgr_error kgr_prov_check_usable(const struct kgr_prov *prov);

/* What each operation offers. */
extern const OSSL_ALGORITHM kgr_prov_ciphers[];
extern const OSSL_ALGORITHM kgr_prov_ciphers_standard[];
extern const OSSL_ALGORITHM kgr_prov_macs[];
extern const OSSL_ALGORITHM kgr_prov_rands[];
extern const OSSL_ALGORITHM kgr_prov_stores[];
extern const OSSL_ALGORITHM kgr_prov_skeymgmts[];
extern const OSSL_ALGORITHM kgr_prov_keymgmts[];
extern const OSSL_ALGORITHM kgr_prov_signatures[];

#define KGR_PROV_PROPERTIES "provider=kgr"

/* Dispatch tables keep functions as pointers to functions without arguments. */
#define KGR_PROV_FN(f) ((void (*)(void))(f))
