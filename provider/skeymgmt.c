/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/skeymgmt.h"

#include "provider/error.h"
#include "provider/key.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct kgr_prov_skey {
    const struct kgr_prov *prov; /* borrowed */
    struct kgr_prov_key key;     /* only named */
    char uri[KGR_DIAG_MAX];
};

const struct kgr_key *kgr_prov_skey_key(const struct kgr_prov_skey *skey)
{
    return skey != NULL ? &skey->key.named : NULL;
}

static void skey_free(void *keydata)
{
    free(keydata);
}

/* A reference is the octets of a URI, so that it means something only by being read. */
static enum kgr_error set_reference(struct kgr_prov_skey *skey, const OSSL_PARAM *p)
{
    const uint8_t *bytes;
    size_t len;
    char uri[KGR_DIAG_MAX];
    OSSL_PARAM text = OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, uri, 0);

    if (!kgr_param_get_octets(p, &bytes, &len) || bytes == NULL || len >= sizeof(uri)) {
        return kgr_prov_refuse(skey->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s", p->key);
    }
    memcpy(uri, bytes, len);
    text.data_size = len;
    return kgr_prov_key_set_uri(skey->prov, &skey->key, &text);
}

static enum kgr_error set_handle(struct kgr_prov_skey *skey, const OSSL_PARAM *p)
{
    const uint8_t *handle;
    size_t len;

    if (!kgr_param_get_octets(p, &handle, &len) || handle == NULL) {
        return kgr_prov_refuse(skey->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s", p->key);
    }
    return kgr_prov_key_set_handle(skey->prov, &skey->key, handle, len);
}

static enum kgr_error set_key(struct kgr_prov_skey *skey, const OSSL_PARAM params[])
{
    enum kgr_error err = KGR_OK;

    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL && err == KGR_OK; p++) {
        if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI)) {
            err = kgr_prov_key_set_uri(skey->prov, &skey->key, p);
        } else if (kgr_param_is(p, OSSL_OBJECT_PARAM_REFERENCE)) {
            err = set_reference(skey, p);
        } else if (kgr_param_is(p, OSSL_SKEY_PARAM_RAW_BYTES)) {
            err = set_handle(skey, p);
        }
    }
    if (err == KGR_OK && skey->key.named.peer[0] == '\0') {
        err = kgr_prov_refuse(skey->prov, KGR_ERR_INVALID, KGR_PROV_R_NO_KEY,
                              "a KGR-KEY is made from the parameter %s", KGR_PROV_PARAM_KEY_URI);
    }
    return err;
}

static void *skey_import(void *provctx, int selection, const OSSL_PARAM params[])
{
    struct kgr_prov_skey *skey = calloc(1, sizeof(*skey));

    (void)selection; /* a name has no parts */
    if (skey == NULL) {
        (void)kgr_prov_no_memory(provctx);
        return NULL;
    }
    skey->prov = provctx;
    if (set_key(skey, params) != KGR_OK) {
        free(skey);
        return NULL;
    }
    kgr_prov_key_uri(skey->uri, &skey->key);
    return skey;
}

/* `openssl skeyutl -genkey`: nothing is generated but the object that names the key. */
static void *skey_generate(void *provctx, const OSSL_PARAM params[])
{
    return skey_import(provctx, 0, params);
}

static int skey_export(void *keydata, int selection, OSSL_CALLBACK *param_cb, void *cbarg)
{
    const struct kgr_prov_skey *skey = keydata;

    (void)selection;
    (void)param_cb;
    (void)cbarg;
    (void)kgr_prov_refuse(skey->prov, KGR_ERR_NOT_AUTHORIZED, KGR_PROV_R_NO_EXPORT, "%s",
                          skey->uri);
    return 0;
}

static const char *skey_get_key_id(void *keydata)
{
    const struct kgr_prov_skey *skey = keydata;

    return skey->uri;
}

static const OSSL_PARAM *skey_imp_settable_params(void *provctx)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_REFERENCE, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_SKEY_PARAM_RAW_BYTES, NULL, 0), OSSL_PARAM_END};

    (void)provctx;
    return table;
}

static const OSSL_DISPATCH skey_functions[] = {
    {OSSL_FUNC_SKEYMGMT_FREE, KGR_PROV_FN(skey_free)},
    {OSSL_FUNC_SKEYMGMT_IMPORT, KGR_PROV_FN(skey_import)},
    {OSSL_FUNC_SKEYMGMT_GENERATE, KGR_PROV_FN(skey_generate)},
    {OSSL_FUNC_SKEYMGMT_GEN_SETTABLE_PARAMS, KGR_PROV_FN(skey_imp_settable_params)},
    {OSSL_FUNC_SKEYMGMT_EXPORT, KGR_PROV_FN(skey_export)},
    {OSSL_FUNC_SKEYMGMT_GET_KEY_ID, KGR_PROV_FN(skey_get_key_id)},
    {OSSL_FUNC_SKEYMGMT_IMP_SETTABLE_PARAMS, KGR_PROV_FN(skey_imp_settable_params)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_skeymgmts[] = {
    {"KGR-KEY", KGR_PROV_PROPERTIES, skey_functions, "The name of a key of a node pair"},
    {NULL, NULL, NULL, NULL}};
