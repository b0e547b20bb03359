/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/provider.h"

#include "agent/base/attr.h"
#include "agent/base/text.h"
#include "provider/error.h"
#include "provider/param.h"
#include "provider/skeymgmt.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MAX_MS 3600000

KGR_EXPORT OSSL_provider_init_fn OSSL_provider_init;

static OSSL_FUNC_provider_teardown_fn prov_teardown;
static OSSL_FUNC_provider_gettable_params_fn prov_gettable_params;
static OSSL_FUNC_provider_get_params_fn prov_get_params;
static OSSL_FUNC_provider_query_operation_fn prov_query;
static OSSL_FUNC_provider_get_reason_strings_fn prov_get_reason_strings;

/* The section of openssl.cnf; each NULL where it says nothing. The texts belong to OpenSSL. */
struct section {
    const char *socket;
    const char *timeout_ms;
    const char *peer;
    const char *standard_names;
};

static void prov_teardown(void *provctx)
{
    struct kgr_prov *prov = provctx;

    kgr_client_free(prov->client);
    free(prov);
}

static const OSSL_PARAM *prov_gettable_params(void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
                                       OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
                                       OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
                                       OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
                                       OSSL_PARAM_END};

    (void)provctx;
    return table;
}

static int prov_get_params(void *provctx, OSSL_PARAM params[])
{
    (void)provctx;
    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        bool ok = true;

        if (kgr_param_is(p, OSSL_PROV_PARAM_NAME)) {
            ok = kgr_param_set_text(p, "KGR: keys of node pairs");
        } else if (kgr_param_is(p, OSSL_PROV_PARAM_VERSION) ||
                   kgr_param_is(p, OSSL_PROV_PARAM_BUILDINFO)) {
            ok = kgr_param_set_text(p, KGR_VERSION);
        } else if (kgr_param_is(p, OSSL_PROV_PARAM_STATUS)) {
            ok = kgr_param_set_uint(p, 1);
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static const OSSL_ALGORITHM *prov_query(void *provctx, int operation_id, int *no_cache)
{
    const struct kgr_prov *prov = provctx;

    *no_cache = 0;
    switch (operation_id) {
    case OSSL_OP_CIPHER:
        return prov->standard_names ? kgr_prov_ciphers_standard : kgr_prov_ciphers;
    case OSSL_OP_MAC:
        return kgr_prov_macs;
    case OSSL_OP_RAND:
        return kgr_prov_rands;
    case OSSL_OP_STORE:
        return kgr_prov_stores;
    case OSSL_OP_KEYMGMT:
        return kgr_prov_keymgmts;
    case OSSL_OP_SIGNATURE:
        return kgr_prov_signatures;
    case OSSL_OP_SKEYMGMT:
        return kgr_prov_skeymgmts;
    default:
        return NULL;
    }
}

static const OSSL_ITEM *prov_get_reason_strings(void *provctx)
{
    const struct kgr_prov *prov = provctx;

    return prov->reasons;
}

enum kgr_error kgr_prov_check_usable(const struct kgr_prov *prov)
{
    if (prov->misconfigured[0] == '\0') {
        return KGR_OK;
    }
    return kgr_prov_refuse(prov, KGR_ERR_CONFIG, KGR_ERR_CONFIG,
                           "section of kgr in openssl.cnf: %s", prov->misconfigured);
}

/* Keeps what is wrong with a setting. The first one counts. */
static void complain(struct kgr_prov *prov, const char *name, const char *value, const char *remedy)
{
    if (prov->misconfigured[0] == '\0') {
        snprintf(prov->misconfigured, sizeof(prov->misconfigured), "%s = %s: %s", name, value,
                 remedy);
    }
}

static void read_timeout(struct kgr_prov *prov, const char *text, int *out)
{
    char *end;
    long ms;

    errno = 0;
    ms = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || ms < 1 || ms > TIMEOUT_MAX_MS) {
        complain(prov, "timeout-ms", text, "give milliseconds from 1 to 3600000");
        return;
    }
    *out = (int)ms;
}

static void read_standard_names(struct kgr_prov *prov, const char *text)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                 {"no", false}, {"false", false}, {"off", false}, {"0", false}};

    for (size_t i = 0; i < KGR_ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i].word, text) == 0) {
            prov->standard_names = words[i].value;
            return;
        }
    }
    complain(prov, "standard-names", text, "give yes or no");
}

static void read_peer(struct kgr_prov *prov, const char *text)
{
    struct kgr_nid peer;

    if (kgr_nid_set(&peer, text, strlen(text)) != KGR_OK) {
        complain(prov, "peer", text, "give the N_ID of a node");
        return;
    }
    memcpy(prov->peer, peer.s, sizeof(prov->peer));
}

/* Reads the provider's section of openssl.cnf, and makes the client that it describes. */
static enum kgr_error configure(struct kgr_prov *prov, OSSL_FUNC_core_get_params_fn *get_params)
{
    struct section s = {NULL, NULL, NULL, NULL};
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_ptr("socket", &s.socket, 0),
                           OSSL_PARAM_utf8_ptr("timeout-ms", &s.timeout_ms, 0),
                           OSSL_PARAM_utf8_ptr("peer", &s.peer, 0),
                           OSSL_PARAM_utf8_ptr("standard-names", &s.standard_names, 0),
                           OSSL_PARAM_END};
    struct kgr_client_options options = {.name = "kgr.so"};
    enum kgr_error err;

    if (!get_params(prov->core, params)) {
        return KGR_ERR_FAILED;
    }
    if (s.timeout_ms != NULL) {
        read_timeout(prov, s.timeout_ms, &options.timeout_ms);
    }
    if (s.peer != NULL) {
        read_peer(prov, s.peer);
    }
    if (s.standard_names != NULL) {
        read_standard_names(prov, s.standard_names);
    }
    options.socket = s.socket;
    err = kgr_client_new(&prov->client, &options);
    if (err == KGR_ERR_INVALID) {
        complain(prov, "socket", s.socket != NULL ? s.socket : "$KGR_AGENT", "give a shorter path");
        return KGR_OK;
    }
    return err;
}

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_TEARDOWN, KGR_PROV_FN(prov_teardown)},
        {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, KGR_PROV_FN(prov_gettable_params)},
        {OSSL_FUNC_PROVIDER_GET_PARAMS, KGR_PROV_FN(prov_get_params)},
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, KGR_PROV_FN(prov_query)},
        {OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, KGR_PROV_FN(prov_get_reason_strings)},
        {0, NULL}};
    OSSL_FUNC_core_get_params_fn *get_params = NULL;
    struct kgr_prov *prov = calloc(1, sizeof(*prov));

    if (prov == NULL) {
        return 0;
    }
    prov->core = handle;
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            prov->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            prov->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            prov->vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        default:
            break; /* the rest is not needed */
        }
    }
    kgr_prov_fill_reasons(prov);
    if (get_params == NULL || configure(prov, get_params) != KGR_OK) {
        prov_teardown(prov);
        return 0;
    }
    *out = functions;
    *provctx = prov;
    return 1;
}
