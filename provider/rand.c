/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"
#include "provider/error.h"
#include "provider/param.h"
#include "provider/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdatomic.h>
#include <stdlib.h>

/* A TPM's generator is a DRBG of SP 800-90A, at least as strong as its strongest key. */
#define STRENGTH 256

/* The most that the agent takes in one request to stir. */
#define STIR_MAX 4096

/*
 * KGR-TPM-RAND: the TPM's generator, for `random` and for `seed` in openssl.cnf. There is no state
 * here that threads or a fork could spoil: every byte comes fresh from the TPM.
 */
struct rand {
    const struct kgr_prov *prov; /* borrowed */
    atomic_int state;            /* EVP_RAND_STATE_* */
};

static OSSL_FUNC_rand_newctx_fn rand_newctx;
static OSSL_FUNC_rand_freectx_fn rand_freectx;
static OSSL_FUNC_rand_instantiate_fn rand_instantiate;
static OSSL_FUNC_rand_uninstantiate_fn rand_uninstantiate;
static OSSL_FUNC_rand_generate_fn rand_generate;
static OSSL_FUNC_rand_reseed_fn rand_reseed;
static OSSL_FUNC_rand_get_seed_fn rand_get_seed;
static OSSL_FUNC_rand_clear_seed_fn rand_clear_seed;
static OSSL_FUNC_rand_enable_locking_fn rand_enable_locking;
static OSSL_FUNC_rand_lock_fn rand_lock;
static OSSL_FUNC_rand_unlock_fn rand_unlock;
static OSSL_FUNC_rand_gettable_ctx_params_fn rand_gettable_ctx_params;
static OSSL_FUNC_rand_get_ctx_params_fn rand_get_ctx_params;

static void *rand_newctx(void *provctx, void *parent, const OSSL_DISPATCH *parent_calls)
{
    struct rand *r = calloc(1, sizeof(*r));

    (void)parent; /* nothing is as good as what we have */
    (void)parent_calls;
    if (r == NULL) {
        (void)kgr_prov_no_memory(provctx);
        return NULL;
    }
    r->prov = provctx;
    atomic_init(&r->state, EVP_RAND_STATE_UNINITIALISED);
    return r;
}

static void rand_freectx(void *vctx)
{
    free(vctx);
}

static int rand_instantiate(void *vctx, unsigned int strength, int prediction_resistance,
                            const unsigned char *pstr, size_t pstr_len, const OSSL_PARAM params[])
{
    struct rand *r = vctx;

    (void)prediction_resistance; /* always given */
    (void)pstr;
    (void)pstr_len;
    (void)params;
    if (strength > STRENGTH) {
        (void)kgr_prov_refuse(r->prov, KGR_ERR_UNSUPPORTED, KGR_ERR_UNSUPPORTED,
                              "strength of %u bits; a TPM's is taken for %d", strength, STRENGTH);
        return 0;
    }
    atomic_store(&r->state, EVP_RAND_STATE_READY);
    return 1;
}

static int rand_uninstantiate(void *vctx)
{
    struct rand *r = vctx;

    atomic_store(&r->state, EVP_RAND_STATE_UNINITIALISED);
    return 1;
}

static enum kgr_error draw(const struct rand *r, uint8_t *out, size_t len)
{
    enum kgr_error err = kgr_prov_check_usable(r->prov);

    if (err != KGR_OK) {
        return err;
    }
    err = kgr_get_random(r->prov->client, out, len);
    return err == KGR_OK ? KGR_OK : kgr_prov_refused(r->prov, err, "random bytes");
}

static int rand_generate(void *vctx, unsigned char *out, size_t outlen, unsigned int strength,
                         int prediction_resistance, const unsigned char *addin, size_t addin_len)
{
    struct rand *r = vctx;

    (void)prediction_resistance;
    (void)addin; /* optional in SP 800-90A, and nothing that a TPM could bind to one request */
    (void)addin_len;
    if (strength > STRENGTH || atomic_load(&r->state) != EVP_RAND_STATE_READY) {
        (void)kgr_prov_refuse(r->prov, KGR_ERR_STATE, KGR_PROV_R_NOT_STARTED, "%s", "KGR-TPM-RAND");
        return 0;
    }
    return draw(r, out, outlen) == KGR_OK;
}

/* RAND_add() and RAND_seed() end here: what they bring is stirred into the TPM's state. */
static int rand_reseed(void *vctx, int prediction_resistance, const unsigned char *ent,
                       size_t ent_len, const unsigned char *addin, size_t addin_len)
{
    struct rand *r = vctx;
    enum kgr_error err = kgr_prov_check_usable(r->prov);

    (void)prediction_resistance;
    (void)addin;
    (void)addin_len;
    while (err == KGR_OK && ent != NULL && ent_len > 0) {
        size_t n = ent_len < STIR_MAX ? ent_len : STIR_MAX;

        err = kgr_add_random(r->prov->client, ent, n);
        if (err != KGR_OK) {
            err = kgr_prov_refused(r->prov, err, "stirring the TPM's generator");
        }
        ent += n;
        ent_len -= n;
    }
    return err == KGR_OK;
}

/* Seeds a generator of another provider: `seed = KGR-TPM-RAND`. */
static size_t rand_get_seed(void *vctx, unsigned char **buffer, int entropy, size_t min_len,
                            size_t max_len, int prediction_resistance, const unsigned char *adin,
                            size_t adin_len)
{
    struct rand *r = vctx;
    size_t len = entropy > 0 ? ((size_t)entropy + 7) / 8 : 0;
    uint8_t *seed;

    (void)prediction_resistance;
    (void)adin;
    (void)adin_len;
    len = len < min_len ? min_len : len;
    if (len == 0 || len > max_len) {
        (void)kgr_prov_refuse(r->prov, KGR_ERR_INVALID, KGR_PROV_R_BAD_PARAMETER,
                              "seed of %d bits in %zu to %zu bytes", entropy, min_len, max_len);
        return 0;
    }
    seed = malloc(len);
    if (seed == NULL) {
        (void)kgr_prov_no_memory(r->prov);
        return 0;
    }
    if (draw(r, seed, len) != KGR_OK) {
        free(seed);
        return 0;
    }
    *buffer = seed;
    return len;
}

static void rand_clear_seed(void *vctx, unsigned char *buffer, size_t b_len)
{
    (void)vctx;
    if (buffer != NULL) {
        kgr_cleanse(buffer, b_len);
    }
    free(buffer);
}

/* libkgr's client is shared by threads as it is. */
static int rand_enable_locking(void *vctx)
{
    (void)vctx;
    return 1;
}

static int rand_lock(void *vctx)
{
    (void)vctx;
    return 1;
}

static void rand_unlock(void *vctx)
{
    (void)vctx;
}

static const OSSL_PARAM *rand_gettable_ctx_params(void *vctx, void *provctx)
{
    static const OSSL_PARAM table[] = {OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL),
                                       OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
                                       OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL),
                                       OSSL_PARAM_END};

    (void)vctx;
    (void)provctx;
    return table;
}

static int rand_get_ctx_params(void *vctx, OSSL_PARAM params[])
{
    struct rand *r = vctx;

    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        bool ok = true;

        if (kgr_param_is(p, OSSL_RAND_PARAM_STATE)) {
            ok = kgr_param_set_uint(p, (unsigned int)atomic_load(&r->state));
        } else if (kgr_param_is(p, OSSL_RAND_PARAM_STRENGTH)) {
            ok = kgr_param_set_uint(p, STRENGTH);
        } else if (kgr_param_is(p, OSSL_RAND_PARAM_MAX_REQUEST)) {
            ok = kgr_param_set_uint(p, KGR_DATA_MAX);
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static const OSSL_DISPATCH tpm_rand_functions[] = {
    {OSSL_FUNC_RAND_NEWCTX, KGR_PROV_FN(rand_newctx)},
    {OSSL_FUNC_RAND_FREECTX, KGR_PROV_FN(rand_freectx)},
    {OSSL_FUNC_RAND_INSTANTIATE, KGR_PROV_FN(rand_instantiate)},
    {OSSL_FUNC_RAND_UNINSTANTIATE, KGR_PROV_FN(rand_uninstantiate)},
    {OSSL_FUNC_RAND_GENERATE, KGR_PROV_FN(rand_generate)},
    {OSSL_FUNC_RAND_RESEED, KGR_PROV_FN(rand_reseed)},
    {OSSL_FUNC_RAND_GET_SEED, KGR_PROV_FN(rand_get_seed)},
    {OSSL_FUNC_RAND_CLEAR_SEED, KGR_PROV_FN(rand_clear_seed)},
    {OSSL_FUNC_RAND_ENABLE_LOCKING, KGR_PROV_FN(rand_enable_locking)},
    {OSSL_FUNC_RAND_LOCK, KGR_PROV_FN(rand_lock)},
    {OSSL_FUNC_RAND_UNLOCK, KGR_PROV_FN(rand_unlock)},
    {OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, KGR_PROV_FN(rand_gettable_ctx_params)},
    {OSSL_FUNC_RAND_GET_CTX_PARAMS, KGR_PROV_FN(rand_get_ctx_params)},
    {0, NULL}};

const OSSL_ALGORITHM kgr_prov_rands[] = {
    {"KGR-TPM-RAND", KGR_PROV_PROPERTIES, tpm_rand_functions, "The generator of this node's TPM"},
    {NULL, NULL, NULL, NULL}};
