/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/keymgmt.h"

#include "provider/error.h"
#include "provider/key.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

/* Told for every key, because OpenSSL asks while it makes the object: the greater of the suites. */
#define MAX_MAC       48
#define BITS          256
#define SECURITY_BITS 128

/*
 * EVP_PKEY of type KGR-HMAC: in OpenSSL 3.0 the only object that OSSL_STORE gives out and that
 * computes something. It comes from the store by reference, or from the parameter key-uri.
 */
struct kgr_prov_pkey {
    const struct kgr_prov *prov; /* borrowed */
    struct kgr_prov_key key;     /* only named */
};

static OSSL_FUNC_keymgmt_new_fn keymgmt_new;
static OSSL_FUNC_keymgmt_free_fn keymgmt_free;
static OSSL_FUNC_keymgmt_load_fn keymgmt_load;
static OSSL_FUNC_keymgmt_dup_fn keymgmt_dup;
static OSSL_FUNC_keymgmt_has_fn keymgmt_has;
static OSSL_FUNC_keymgmt_match_fn keymgmt_match;
static OSSL_FUNC_keymgmt_import_fn keymgmt_import;
static OSSL_FUNC_keymgmt_import_types_fn keymgmt_import_types;
static OSSL_FUNC_keymgmt_get_params_fn keymgmt_get_params;
static OSSL_FUNC_keymgmt_gettable_params_fn keymgmt_gettable_params;

struct kgr_prov_pkey *kgr_prov_pkey_new(const struct kgr_prov *prov, const struct kgr_key *named)
{
    struct kgr_prov_pkey *pkey = calloc(1, sizeof(*pkey));

    if (pkey == NULL) {
        (void)kgr_prov_no_memory(prov);
        return NULL;
    }
    pkey->prov = prov;
    if (named != NULL) {
        kgr_prov_key_set(&pkey->key, named);
    }
    return pkey;
}

void kgr_prov_pkey_free(struct kgr_prov_pkey *pkey)
{
    free(pkey);
}

const struct kgr_key *kgr_prov_pkey_key(const struct kgr_prov_pkey *pkey)
{
    return pkey != NULL ? &pkey->key.named : NULL;
}

static void *keymgmt_new(void *provctx)
{
    return kgr_prov_pkey_new(provctx, NULL);
}

static void keymgmt_free(void *keydata)
{
    kgr_prov_pkey_free(keydata);
}

static void *keymgmt_dup(const void *keydata_from, int selection)
{
    const struct kgr_prov_pkey *pkey = keydata_from;

    (void)selection;
    return kgr_prov_pkey_new(pkey->prov, &pkey->key.named);
}

/* The reference is the address of a key that store.c keeps while it hands it over. */
static void *keymgmt_load(const void *reference, size_t reference_sz)
{
    const struct kgr_prov_pkey *pkey;

    if (reference_sz != sizeof(pkey)) {
        return NULL;
    }
    memcpy(&pkey, reference, sizeof(pkey));
    return keymgmt_dup(pkey, 0);
}

/* There is no public half, and a domain without parameters is complete. */
static int keymgmt_has(const void *keydata, int selection)
{
    const struct kgr_prov_pkey *pkey = keydata;

    if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0) {
        return 0;
    }
    return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || pkey->key.named.peer[0] != '\0';
}

static int keymgmt_match(const void *keydata1, const void *keydata2, int selection)
{
    const struct kgr_key *a = kgr_prov_pkey_key(keydata1), *b = kgr_prov_pkey_key(keydata2);

    (void)selection;
    return strcmp(a->peer, b->peer) == 0 && a->generation == b->generation;
}

static int keymgmt_import(void *keydata, int selection, const OSSL_PARAM params[])
{
    struct kgr_prov_pkey *pkey = keydata;

    (void)selection;
    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI)) {
            return kgr_prov_key_set_uri(pkey->prov, &pkey->key, p) == KGR_OK;
        }
    }
    (void)kgr_prov_refuse(pkey->prov, KGR_ERR_INVALID, KGR_PROV_R_NO_KEY,
                          "a key is made from the parameter %s", KGR_PROV_PARAM_KEY_URI);
    return 0;
}

static const OSSL_PARAM *keymgmt_import_types(int selection)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_END};

    return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? table : NULL;
}

static int keymgmt_get_params(void *keydata, OSSL_PARAM params[])
{
    const struct kgr_prov_pkey *pkey = keydata;
    char uri[KGR_DIAG_MAX];

    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        bool ok = true;

        if (kgr_param_is(p, OSSL_PKEY_PARAM_BITS)) {
            ok = kgr_param_set_uint(p, BITS);
        } else if (kgr_param_is(p, OSSL_PKEY_PARAM_SECURITY_BITS)) {
            ok = kgr_param_set_uint(p, SECURITY_BITS);
        } else if (kgr_param_is(p, OSSL_PKEY_PARAM_MAX_SIZE)) {
            ok = kgr_param_set_uint(p, MAX_MAC);
        } else if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI) &&
                   p->data_type == OSSL_PARAM_UTF8_STRING) {
            ok = kgr_param_set_text(p, kgr_prov_key_uri(uri, &pkey->key));
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static const OSSL_PARAM *keymgmt_gettable_params(void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
                                       OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_END};

    (void)provctx;
    return table;
}

static const OSSL_DISPATCH hmac_keymgmt_functions[] = {
    {OSSL_FUNC_KEYMGMT_NEW, KGR_PROV_FN(keymgmt_new)},
    {OSSL_FUNC_KEYMGMT_FREE, KGR_PROV_FN(keymgmt_free)},
    {OSSL_FUNC_KEYMGMT_LOAD, KGR_PROV_FN(keymgmt_load)},
    {OSSL_FUNC_KEYMGMT_DUP, KGR_PROV_FN(keymgmt_dup)},
    {OSSL_FUNC_KEYMGMT_HAS, KGR_PROV_FN(keymgmt_has)},
    {OSSL_FUNC_KEYMGMT_MATCH, KGR_PROV_FN(keymgmt_match)},
    {OSSL_FUNC_KEYMGMT_IMPORT, KGR_PROV_FN(keymgmt_import)},
    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, KGR_PROV_FN(keymgmt_import_types)},
    {OSSL_FUNC_KEYMGMT_GET_PARAMS, KGR_PROV_FN(keymgmt_get_params)},
    {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, KGR_PROV_FN(keymgmt_gettable_params)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_keymgmts[] = {
    {"KGR-HMAC", KGR_PROV_PROPERTIES, hmac_keymgmt_functions, "The name of a key of a node pair"},
    {NULL, NULL, NULL, NULL}};
