/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/error.h"
#include "provider/keymgmt.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/store.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "kgr:"

/* Room for the words about one key. */
#define DESCRIPTION_CAP 160

/*
 * The scheme kgr: of OSSL_STORE. `kgr:` lists the keys of all peers as names; a key URI gives the MAC
 * key of that one as an EVP_PKEY of type KGR-HMAC, or a name if the caller expects names.
 */
struct store {
    const struct kgr_prov *prov; /* borrowed */
    struct kgr_peer *peers;      /* owned */
    size_t num_peers;
    size_t next;
    bool list;           /* the URI named no key */
    uint64_t generation; /* that the URI asked for; 0 for none */
    int expected;        /* OSSL_STORE_INFO_*; 0 for anything */
};

static OSSL_FUNC_store_open_fn store_open;
static OSSL_FUNC_store_settable_ctx_params_fn store_settable_ctx_params;
static OSSL_FUNC_store_set_ctx_params_fn store_set_ctx_params;
static OSSL_FUNC_store_load_fn store_load;
static OSSL_FUNC_store_eof_fn store_eof;
static OSSL_FUNC_store_close_fn store_close;

static enum kgr_error find_one(struct store *s, const char *uri)
{
    struct kgr_key key;
    struct kgr_peer *found;
    enum kgr_error err = kgr_key_from_uri(&key, uri);

    if (err != KGR_OK) {
        return kgr_prov_refuse(s->prov, err, KGR_PROV_R_BAD_URI,
                               "%s; the form is kgr:[peer=NAME[;generation=NUMBER]]", uri);
    }
    found = malloc(sizeof(*found));
    if (found == NULL) {
        return kgr_prov_no_memory(s->prov);
    }
    err = kgr_get_key(s->prov->client, &key, found);
    if (err != KGR_OK) {
        free(found);
        return kgr_prov_refused(s->prov, err, uri);
    }
    s->peers = found;
    s->num_peers = 1;
    s->generation = key.generation;
    return KGR_OK;
}

static enum kgr_error find(struct store *s, const char *uri)
{
    enum kgr_error err = kgr_prov_check_usable(s->prov);

    if (err != KGR_OK) {
        return err;
    }
    if (strcmp(uri, SCHEME) != 0) {
        return find_one(s, uri);
    }
    s->list = true;
    err = kgr_list_peers(s->prov->client, &s->peers, &s->num_peers);
    return err == KGR_OK ? KGR_OK : kgr_prov_refused(s->prov, err, "listing the keys");
}

static void *store_open(void *provctx, const char *uri)
{
    struct store *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        (void)kgr_prov_no_memory(provctx);
        return NULL;
    }
    s->prov = provctx;
    if (find(s, uri) != KGR_OK) {
        free(s);
        return NULL;
    }
    return s;
}

static const OSSL_PARAM *store_settable_ctx_params(void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
                                       OSSL_PARAM_END};

    (void)provctx;
    return table;
}

static int store_set_ctx_params(void *loaderctx, const OSSL_PARAM params[])
{
    struct store *s = loaderctx;

    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        uint64_t expected;

        if (kgr_param_is(p, OSSL_STORE_PARAM_EXPECT)) {
            if (!kgr_param_get_uint(p, &expected) || expected > INT_MAX) {
                (void)kgr_prov_refuse(s->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                                      p->key);
                return 0;
            }
            s->expected = (int)expected;
        }
    }
    return 1;
}

static void describe(char out[DESCRIPTION_CAP], const struct kgr_peer *peer)
{
    if (peer->generation == 0) {
        snprintf(out, DESCRIPTION_CAP, "no key yet, %s", kgr_state_name(peer->state));
    } else {
        snprintf(out, DESCRIPTION_CAP,
                 "generation %" PRIu64 ", %s, %s, %s, %" PRId64 " s old, expires in %" PRId64 " s",
                 peer->generation, kgr_state_name(peer->state), kgr_custody_name(peer->custody),
                 kgr_suite_name(peer->suite), peer->age_s, peer->expires_s);
    }
}

static int give_name(const struct kgr_key *key, const struct kgr_peer *peer,
                     OSSL_CALLBACK *object_cb, void *object_cbarg)
{
    int type = OSSL_OBJECT_NAME;
    char uri[KGR_DIAG_MAX], description[DESCRIPTION_CAP];

    if (kgr_key_to_uri(uri, sizeof(uri), key) != KGR_OK) {
        return 0;
    }
    describe(description, peer);

    OSSL_PARAM object[] = {
        OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA, uri, strlen(uri)),
        OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DESC, description, strlen(description)),
        OSSL_PARAM_END};

    return object_cb(object, object_cbarg);
}

static int give_pkey(const struct store *s, const struct kgr_key *key, OSSL_CALLBACK *object_cb,
                     void *object_cbarg)
{
    int type = OSSL_OBJECT_PKEY, given;
    char data_type[] = "KGR-HMAC";
    struct kgr_prov_pkey *pkey = kgr_prov_pkey_new(s->prov, key);

    if (pkey == NULL) {
        return 0;
    }

    OSSL_PARAM object[] = {
        OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, data_type, strlen(data_type)),
        OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &pkey, sizeof(pkey)), OSSL_PARAM_END};

    given = object_cb(object, object_cbarg);
    kgr_prov_pkey_free(pkey); /* keymgmt_load has made a copy */
    return given;
}

static int store_load(void *loaderctx, OSSL_CALLBACK *object_cb, void *object_cbarg,
                      OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_cbarg)
{
    struct store *s = loaderctx;
    struct kgr_key key = {.generation = s->generation};
    const struct kgr_peer *peer;

    (void)pw_cb; /* access is by who the process is */
    (void)pw_cbarg;
    if (s->next >= s->num_peers) {
        return 0;
    }
    peer = &s->peers[s->next++];
    memcpy(key.peer, peer->peer, sizeof(key.peer));
    if (s->list || s->expected == OSSL_STORE_INFO_NAME) {
        return give_name(&key, peer, object_cb, object_cbarg);
    }
    return give_pkey(s, &key, object_cb, object_cbarg);
}

static int store_eof(void *loaderctx)
{
    const struct store *s = loaderctx;

    return s->next >= s->num_peers;
}

static int store_close(void *loaderctx)
{
    struct store *s = loaderctx;

    if (s != NULL) {
        free(s->peers);
    }
    free(s);
    return 1;
}

static const OSSL_DISPATCH store_functions[] = {
    {OSSL_FUNC_STORE_OPEN, KGR_PROV_FN(store_open)},
    {OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, KGR_PROV_FN(store_settable_ctx_params)},
    {OSSL_FUNC_STORE_SET_CTX_PARAMS, KGR_PROV_FN(store_set_ctx_params)},
    {OSSL_FUNC_STORE_LOAD, KGR_PROV_FN(store_load)},
    {OSSL_FUNC_STORE_EOF, KGR_PROV_FN(store_eof)},
    {OSSL_FUNC_STORE_CLOSE, KGR_PROV_FN(store_close)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_stores[] = {
    {"kgr", KGR_PROV_PROPERTIES, store_functions, "Keys of this node with its peers"},
    {NULL, NULL, NULL, NULL}};
