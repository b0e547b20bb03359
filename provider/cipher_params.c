/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/cipher.h"

#include "provider/error.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <string.h>

/* EVP_CIPHER_CTX_rand_key(): the only key we can think of is the default peer's. */
static bool get_random_key(const struct kgr_prov_cipher *c, OSSL_PARAM *p)
{
    uint8_t handle[KGR_PROV_KEY_MAX];
    enum kgr_error err;

    if (kgr_prov_check_usable(c->prov) != KGR_OK) {
        return false;
    }
    if (c->prov->peer[0] == '\0') {
        (void)kgr_prov_refuse(c->prov, KGR_ERR_STATE, KGR_PROV_R_NO_KEY, "%s",
                              "only the handle of `peer` in the provider's section of openssl.cnf "
                              "can be drawn as a key");
        return false;
    }
    /* EVP_CIPHER_CTX_rand_key() passes a buffer for a key, but 0 for its size. */
    if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data == NULL ||
        (p->data_size != 0 && p->data_size < c->spec->key_len)) {
        return false;
    }
    err = kgr_make_handle(c->prov->client, c->prov->peer, handle, c->spec->key_len);
    if (err != KGR_OK) {
        (void)kgr_prov_refused(c->prov, err, c->prov->peer);
        return false;
    }
    memcpy(p->data, handle, c->spec->key_len);
    p->return_size = c->spec->key_len;
    return true;
}

static bool get_param(const struct kgr_prov_cipher *c, OSSL_PARAM *p)
{
    char uri[KGR_DIAG_MAX];

    if (kgr_param_is(p, OSSL_CIPHER_PARAM_KEYLEN)) {
        return kgr_param_set_uint(p, c->spec->key_len);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_IVLEN)) {
        return kgr_param_set_uint(p, c->spec->iv_len);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_PADDING)) {
        return kgr_param_set_uint(p, c->padding ? 1 : 0);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_NUM)) {
        return kgr_param_set_uint(p, c->spec->block_len > 1 ? 0 : c->num_pending);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_IV)) {
        return kgr_param_set_octets(p, c->first_iv, c->spec->iv_len);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_UPDATED_IV)) {
        return kgr_param_set_octets(p, c->iv, c->spec->iv_len);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_RANDOM_KEY)) {
        return get_random_key(c, p);
    }
    if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI) && p->data_type == OSSL_PARAM_UTF8_STRING) {
        return kgr_param_set_text(p, kgr_prov_key_uri(uri, &c->key));
    }
    return true; /* others are none of ours */
}

int kgr_prov_cipher_get_ctx_params(void *cctx, OSSL_PARAM params[])
{
    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (!get_param(cctx, p)) {
            return 0;
        }
    }
    return 1;
}

static enum kgr_error set_param(struct kgr_prov_cipher *c, const OSSL_PARAM *p)
{
    uint64_t n;

    if (kgr_param_is(p, KGR_PROV_PARAM_KEY_URI)) {
        c->broken = c->broken || c->used; /* no second key in the middle of a stream */
        return kgr_prov_key_set_uri(c->prov, &c->key, p);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_PADDING)) {
        if (!kgr_param_get_uint(p, &n)) {
            return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER, "%s",
                                   p->key);
        }
        c->padding = n != 0;
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_KEYLEN) &&
        (!kgr_param_get_uint(p, &n) || n != c->spec->key_len)) {
        return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_KEY_LENGTH,
                               "%s always takes %zu bytes", c->spec->name, c->spec->key_len);
    }
    if (kgr_param_is(p, OSSL_CIPHER_PARAM_IVLEN) &&
        (!kgr_param_get_uint(p, &n) || n != c->spec->iv_len)) {
        return kgr_prov_refuse(c->prov, KGR_ERR_INVALID, KGR_PROV_R_IV_LENGTH,
                               "%s always takes %zu bytes", c->spec->name, c->spec->iv_len);
    }
    return KGR_OK;
}

enum kgr_error kgr_prov_cipher_set(struct kgr_prov_cipher *c, const OSSL_PARAM params[])
{
    enum kgr_error err = KGR_OK;

    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL && err == KGR_OK; p++) {
        err = set_param(c, p);
    }
    return err;
}

int kgr_prov_cipher_set_ctx_params(void *cctx, const OSSL_PARAM params[])
{
    return kgr_prov_cipher_set(cctx, params) == KGR_OK;
}

int kgr_prov_cipher_get_params(const struct kgr_prov_cipher_spec *spec, OSSL_PARAM params[])
{
    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        bool ok = true;

        if (kgr_param_is(p, OSSL_CIPHER_PARAM_MODE)) {
            ok = kgr_param_set_uint(p, spec->evp_mode);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_KEYLEN)) {
            ok = kgr_param_set_uint(p, spec->key_len);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_IVLEN)) {
            ok = kgr_param_set_uint(p, spec->iv_len);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_BLOCK_SIZE)) {
            ok = kgr_param_set_uint(p, spec->block_len);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_HAS_RAND_KEY)) {
            ok = kgr_param_set_uint(p, 1);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_AEAD)) {
            ok = kgr_param_set_uint(p, spec->tag_len > 0 ? 1 : 0);
        } else if (kgr_param_is(p, OSSL_CIPHER_PARAM_CUSTOM_IV) ||
                   kgr_param_is(p, OSSL_CIPHER_PARAM_CTS) ||
                   kgr_param_is(p, OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK)) {
            ok = kgr_param_set_uint(p, 0);
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

const OSSL_PARAM *kgr_prov_cipher_gettable_params(void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, NULL),
                                       OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, NULL),
                                       OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, NULL),
                                       OSSL_PARAM_int(OSSL_CIPHER_PARAM_CTS, NULL),
                                       OSSL_PARAM_int(OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, NULL),
                                       OSSL_PARAM_int(OSSL_CIPHER_PARAM_HAS_RAND_KEY, NULL),
                                       OSSL_PARAM_END};

    (void)provctx;
    return table;
}

const OSSL_PARAM *kgr_prov_cipher_gettable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_NUM, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_RANDOM_KEY, NULL, 0),
        OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
        OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}

const OSSL_PARAM *kgr_prov_cipher_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_utf8_string(KGR_PROV_PARAM_KEY_URI, NULL, 0),
                                       OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                       OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
                                       OSSL_PARAM_END};

    (void)cctx;
    (void)provctx;
    return table;
}
