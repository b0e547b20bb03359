/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/mac.h"

#include "provider/error.h"
#include "provider/hmac.h"
#include "provider/key.h"
#include "provider/param.h"
#include "provider/provider.h"
#include "provider/skeymgmt.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The hash of a suite, under the names that OpenSSL knows it by. */
struct digest {
    const char *names[4]; /* the first is the one we tell */
    size_t len;
    size_t block_len;
    enum kgr_suite_id suite;
};

static const struct digest digests[] = {
    {{"SHA2-256", "SHA256", "SHA-256", NULL}, 32, 64, KGR_SUITE_AES_128_CBC_HMAC_SHA256},
    {{"SHA2-384", "SHA384", "SHA-384", NULL}, 48, 128, KGR_SUITE_AES_256_CBC_HMAC_SHA384}};

struct kgr_prov_mac {
    const struct kgr_prov *prov; /* borrowed */
    struct kgr_prov_key key;
    const struct digest *wanted; /* what the caller asked for; NULL for what the suite says */
    bool started;
    struct kgr_prov_hmac hmac;
};

static OSSL_FUNC_mac_init_fn mac_init;
static OSSL_FUNC_mac_gettable_ctx_params_fn mac_gettable_ctx_params;
static OSSL_FUNC_mac_settable_ctx_params_fn mac_settable_ctx_params;
static OSSL_FUNC_mac_get_ctx_params_fn mac_get_ctx_params;
static OSSL_FUNC_mac_set_ctx_params_fn mac_set_ctx_params;

static const struct digest *digest_of(enum kgr_suite_id suite)
{
    for (size_t i = 0; i < KGR_ARRAY_LEN(digests); i++) {
        if (digests[i].suite == suite) {
            return &digests[i];
        }
    }
    return NULL;
}

void *kgr_prov_mac_newctx(void *provctx)
{
    struct kgr_prov_mac *m = calloc(1, sizeof(*m));

    if (m == NULL) {
        (void)kgr_prov_no_memory(provctx);
        return NULL;
    }
    m->prov = provctx;
    return m;
}

void kgr_prov_mac_freectx(void *mctx)
{
    struct kgr_prov_mac *m = mctx;

    if (m == NULL) {
        return;
    }
    kgr_prov_hmac_deinit(m->prov, &m->hmac);
    free(m);
}

void *kgr_prov_mac_dupctx(void *mctx)
{
    const struct kgr_prov_mac *m = mctx;
    struct kgr_prov_mac *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        (void)kgr_prov_no_memory(m->prov);
        return NULL;
    }
    *copy = *m;
    if (kgr_prov_hmac_copy(m->prov, &copy->hmac, &m->hmac) != KGR_OK) {
        free(copy);
        return NULL;
    }
    return copy;
}

/* Pins the key's generation, and refuses a suite that has another hash than was asked for. */
static enum kgr_error pin(struct kgr_prov_mac *m)
{
    char uri[KGR_DIAG_MAX];
    enum kgr_error err = kgr_prov_key_pin(m->prov, &m->key);
    const struct digest *digest;

    if (err != KGR_OK) {
        return err;
    }
    digest = digest_of(m->key.suite);
    if (digest == NULL || (m->wanted != NULL && digest != m->wanted)) {
        err = kgr_prov_refuse(m->prov, KGR_ERR_UNSUPPORTED, KGR_PROV_R_DIGEST, "%s is a key for %s",
                              kgr_prov_key_uri(uri, &m->key),
                              digest != NULL ? digest->names[0] : "a hash unknown here");
        kgr_prov_key_unpin(&m->key);
    }
    return err;
}

static enum kgr_error want_digest(struct kgr_prov_mac *m, const char *name)
{
    for (size_t i = 0; i < KGR_ARRAY_LEN(digests); i++) {
        for (size_t j = 0; digests[i].names[j] != NULL; j++) {
            if (strcasecmp(digests[i].names[j], name) == 0) {
                m->wanted = &digests[i];
                kgr_prov_key_unpin(&m->key);
                return KGR_OK;
            }
        }
    }
    return kgr_prov_refuse(m->prov, KGR_ERR_UNSUPPORTED, KGR_PROV_R_DIGEST,
                           "%s: no suite has this one", name);
}

static bool conclude(struct kgr_prov_mac *m, const OSSL_PARAM params[])
{
    m->started = mac_set_ctx_params(m, params) && pin(m) == KGR_OK;
    return m->started;
}

static int mac_init(void *mctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[])
{
    struct kgr_prov_mac *m = mctx;

    kgr_prov_hmac_restart(m->prov, &m->hmac);
    m->started = false;
    if (key != NULL && keylen > 0 &&
        kgr_prov_key_set_handle(m->prov, &m->key, key, keylen) != KGR_OK) {
        return 0;
    }
    return conclude(m, params);
}

bool kgr_prov_mac_begin(struct kgr_prov_mac *m, const struct kgr_key *named, const char *digest,
                        const OSSL_PARAM params[])
{
    kgr_prov_hmac_restart(m->prov, &m->hmac);
    m->started = false;
    if (named != NULL) {
        kgr_prov_key_set(&m->key, named);
    }
    if (digest != NULL && digest[0] != '\0' && want_digest(m, digest) != KGR_OK) {
        return false;
    }
    return conclude(m, params);
}

/* EVP_MAC_init_SKEY(): the key is one of ours; OpenSSL lets no other provider's through. */
static int mac_init_skey(void *mctx, void *skey, const OSSL_PARAM params[])
{
    return kgr_prov_mac_begin(mctx, kgr_prov_skey_key(skey), NULL, params);
}

static enum kgr_error ready(struct kgr_prov_mac *m)
{
    if (!m->started) {
        return kgr_prov_refuse(m->prov, KGR_ERR_STATE, KGR_PROV_R_NOT_STARTED, "%s", "KGR-HMAC");
    }
    /* A key that was named after init. */
    return kgr_prov_key_is_pinned(&m->key) ? KGR_OK : pin(m);
}

int kgr_prov_mac_update(void *mctx, const unsigned char *data, size_t datalen)
{
    struct kgr_prov_mac *m = mctx;

    return ready(m) == KGR_OK &&
           kgr_prov_hmac_update(m->prov, &m->hmac, &m->key, data, datalen) == KGR_OK;
}

int kgr_prov_mac_final(void *mctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct kgr_prov_mac *m = mctx;
    const struct digest *digest;
    uint8_t tag[KGR_MAC_MAX];

    if (ready(m) != KGR_OK) {
        return 0;
    }
    digest = digest_of(m->key.suite);
    if (outsize < digest->len) {
        (void)kgr_prov_refuse(m->prov, KGR_ERR_SHORT_BUFFER, KGR_ERR_SHORT_BUFFER,
                              "%zu bytes of MAC, room for %zu", digest->len, outsize);
        return 0;
    }
    if (kgr_prov_hmac_final(m->prov, &m->hmac, &m->key, tag, digest->len) != KGR_OK) {
        return 0;
    }
    m->started = false;
    memcpy(out, tag, digest->len);
    *outl = digest->len;
    return 1;
}

/*
 * The digest that the MAC will have. Asked before init, a key that was named is looked up; without
 * any it is that of the default suite.
 */
static const struct digest *current_digest(struct kgr_prov_mac *m)
{
    if (!kgr_prov_key_is_pinned(&m->key) && kgr_prov_key_is_named(m->prov, &m->key) &&
        pin(m) != KGR_OK) {
        return NULL;
    }
    if (kgr_prov_key_is_pinned(&m->key)) {
        return digest_of(m->key.suite);
    }
    return m->wanted != NULL ? m->wanted : &digests[0];
}

size_t kgr_prov_mac_size(struct kgr_prov_mac *m)
{
    const struct digest *digest = current_digest(m);

    return digest != NULL ? digest->len : 0;
}

static int mac_get_ctx_params(void *mctx, OSSL_PARAM params[])
{
    struct kgr_prov_mac *m = mctx;
    char uri[KGR_DIAG_MAX];

    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        const struct digest *digest = NULL;
        bool ok = true;

        if (kgr_param_is(p, OSSL_MAC_PARAM_SIZE) || kgr_param_is(p, OSSL_MAC_PARAM_BLOCK_SIZE) ||
            kgr_param_is(p, OSSL_MAC_PARAM_DIGEST)) {
            digest = current_digest(m);
            ok = digest != NULL;
        }
        if (ok && kgr_param_is(p, OSSL_MAC_PARAM_SIZE)) {
            ok = kgr_param_set_uint(p, digest->len);
        } else if (ok && kgr_param_is(p, OSSL_MAC_PARAM_BLOCK_SIZE)) {
            ok = kgr_param_set_uint(p, digest->block_len);
        } else if (ok && kgr_param_is(p, OSSL_MAC_PARAM_DIGEST)) {
            ok = kgr_param_set_text(p, digest->names[0]);
        } else if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI) &&
                   p->data_type == OSSL_PARAM_UTF8_STRING) {
            ok = kgr_param_set_text(p, kgr_prov_key_uri(uri, &m->key));
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static enum kgr_error set_param(struct kgr_prov_mac *m, const OSSL_PARAM *p)
{
    const uint8_t *handle;
    size_t handle_len;
    char name[32];

    if (kgr_param_is(p, OSSL_MAC_PARAM_DIGEST)) {
        if (!kgr_param_get_text(p, name, sizeof(name))) {
            return kgr_prov_refuse(m->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                                   p->key);
        }
        kgr_prov_hmac_restart(m->prov, &m->hmac);
        return want_digest(m, name);
    }
    if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI)) {
        kgr_prov_hmac_restart(m->prov, &m->hmac);
        return kgr_prov_key_set_uri(m->prov, &m->key, p);
    }
    if (kgr_param_is(p, OSSL_MAC_PARAM_KEY)) {
        if (!kgr_param_get_octets(p, &handle, &handle_len) || handle == NULL) {
            return kgr_prov_refuse(m->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                                   p->key);
        }
        kgr_prov_hmac_restart(m->prov, &m->hmac);
        return kgr_prov_key_set_handle(m->prov, &m->key, handle, handle_len);
    }
    return KGR_OK; /* others are none of ours */
}

static int mac_set_ctx_params(void *mctx, const OSSL_PARAM params[])
{
    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (set_param(mctx, p) != KGR_OK) {
            return 0;
        }
    }
    return 1;
}

static const OSSL_PARAM *mac_gettable_ctx_params(void *mctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, NULL),
                                       OSSL_PARAM_size_t(OSSL_MAC_PARAM_BLOCK_SIZE, NULL),
                                       OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, NULL, 0),
                                       OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_END};

    (void)mctx;
    (void)provctx;
    return table;
}

static const OSSL_PARAM *mac_settable_ctx_params(void *mctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, NULL, 0),
                                       OSSL_PARAM_END};

    (void)mctx;
    (void)provctx;
    return table;
}

static const OSSL_DISPATCH hmac_functions[] = {
    {OSSL_FUNC_MAC_NEWCTX, KGR_PROV_FN(kgr_prov_mac_newctx)},
    {OSSL_FUNC_MAC_DUPCTX, KGR_PROV_FN(kgr_prov_mac_dupctx)},
    {OSSL_FUNC_MAC_FREECTX, KGR_PROV_FN(kgr_prov_mac_freectx)},
    {OSSL_FUNC_MAC_INIT, KGR_PROV_FN(mac_init)},
    {OSSL_FUNC_MAC_INIT_SKEY, KGR_PROV_FN(mac_init_skey)},
    {OSSL_FUNC_MAC_UPDATE, KGR_PROV_FN(kgr_prov_mac_update)},
    {OSSL_FUNC_MAC_FINAL, KGR_PROV_FN(kgr_prov_mac_final)},
    {OSSL_FUNC_MAC_GET_CTX_PARAMS, KGR_PROV_FN(mac_get_ctx_params)},
    {OSSL_FUNC_MAC_SET_CTX_PARAMS, KGR_PROV_FN(mac_set_ctx_params)},
    {OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS, KGR_PROV_FN(mac_gettable_ctx_params)},
    {OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS, KGR_PROV_FN(mac_settable_ctx_params)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_macs[] = {
    {"KGR-HMAC", KGR_PROV_PROPERTIES, hmac_functions, "HMAC with a key of a node pair"},
    {NULL, NULL, NULL, NULL}};
