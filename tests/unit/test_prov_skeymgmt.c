/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/prov-fixture.h"

#include "provider/error.h"
#include "provider/skeymgmt.h"

#include <openssl/core_names.h>
#include <openssl/core_object.h>

/*
 * OpenSSL 3.0 has no EVP_SKEY: the functions are called as 3.5 does, through the tables that the
 * provider answers with.
 */
typedef void (*any_fn)(void);

static any_fn function_of(int operation, const char *name, int id)
{
    OSSL_PROVIDER *prov = OSSL_PROVIDER_load(libctx, "kgr");
    int no_cache;
    const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(prov, operation, &no_cache);

    OSSL_PROVIDER_unload(prov);
    assert_non_null(a);
    for (; a->algorithm_names != NULL; a++) {
        if (strcmp(a->algorithm_names, name) != 0) {
            continue;
        }
        for (const OSSL_DISPATCH *d = a->implementation; d->function_id != 0; d++) {
            if (d->function_id == id) {
                return d->function;
            }
        }
    }
    return NULL;
}

static void *provider_context(void)
{
    OSSL_PROVIDER *prov = OSSL_PROVIDER_load(libctx, "kgr");
    void *provctx = OSSL_PROVIDER_get0_provider_ctx(prov);

    OSSL_PROVIDER_unload(prov);
    return provctx;
}

static void *import_key(const OSSL_PARAM params[])
{
    void *(*import)(void *, int, const OSSL_PARAM[]) =
        (void *(*)(void *, int, const OSSL_PARAM[]))function_of(OSSL_OP_SKEYMGMT, "KGR-KEY",
                                                                OSSL_FUNC_SKEYMGMT_IMPORT);

    assert_non_null(import);
    return import(provider_context(), 3, params);
}

static void free_key(void *key)
{
    ((void (*)(void *))function_of(OSSL_OP_SKEYMGMT, "KGR-KEY", OSSL_FUNC_SKEYMGMT_FREE))(key);
}

static const char *id_of(void *key)
{
    return ((const char *(*)(void *))function_of(OSSL_OP_SKEYMGMT, "KGR-KEY",
                                                 OSSL_FUNC_SKEYMGMT_GET_KEY_ID))(key);
}

static void skeymgmt_imports_uri_reference_and_handle(void **state)
{
    char reference[] = "kgr:peer=N2;generation=4";
    uint8_t handle[16];
    struct kgr_client *client;
    OSSL_PARAM by_reference[] = {OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE,
                                                                   reference, strlen(reference)),
                                 OSSL_PARAM_construct_end()};
    OSSL_PARAM by_handle[] = {
        OSSL_PARAM_construct_octet_string(OSSL_SKEY_PARAM_RAW_BYTES, handle, sizeof(handle)),
        OSSL_PARAM_construct_end()};
    void *key;

    (void)state;
    key = import_key(uri_params("kgr:peer=N2"));
    assert_non_null(key);
    assert_string_equal(id_of(key), "kgr:peer=N2");
    free_key(key);
    key = import_key(by_reference);
    assert_non_null(key);
    assert_string_equal(id_of(key), reference);
    free_key(key);
    assert_int_equal(kgr_client_new(&client, NULL), KGR_OK);
    assert_int_equal(kgr_make_handle(client, "N2", handle, sizeof(handle)), KGR_OK);
    kgr_client_free(client);
    key = import_key(by_handle);
    assert_non_null(key);
    assert_string_equal(id_of(key), "kgr:peer=N2");
    free_key(key);
}

static void skeymgmt_refuses_raw_keys_and_nothing(void **state)
{
    uint8_t raw[16] = {1};
    OSSL_PARAM none[] = {OSSL_PARAM_construct_end()};
    OSSL_PARAM by_raw[] = {
        OSSL_PARAM_construct_octet_string(OSSL_SKEY_PARAM_RAW_BYTES, raw, sizeof(raw)),
        OSSL_PARAM_construct_end()};

    (void)state;
    assert_null(import_key(by_raw));
    assert_error(KGR_PROV_R_NOT_A_HANDLE, "kgrctl handle");
    assert_null(import_key(none));
    assert_error(KGR_PROV_R_NO_KEY, "key-uri");
    assert_null(import_key(uri_params("kgr:N2")));
    assert_error(KGR_PROV_R_BAD_URI, "kgr:N2");
}

static int unwanted(const OSSL_PARAM params[], void *arg)
{
    (void)params;
    (void)arg;
    fail_msg("something was exported");
    return 1;
}

static void skeymgmt_export_is_refused(void **state)
{
    void *key = import_key(uri_params("kgr:peer=N2"));
    int (*export)(void *, int, OSSL_CALLBACK *, void *) =
        (int (*)(void *, int, OSSL_CALLBACK *, void *))function_of(OSSL_OP_SKEYMGMT, "KGR-KEY",
                                                                   OSSL_FUNC_SKEYMGMT_EXPORT);

    (void)state;
    assert_int_equal(export(key, 3, unwanted, NULL), 0);
    assert_error(KGR_PROV_R_NO_EXPORT, "kgr:peer=N2");
    free_key(key);
}

static void skeymgmt_key_initialises_cipher_and_mac(void **state)
{
    void *key = import_key(uri_params("kgr:peer=N2"));
    static const uint8_t iv[16] = {5};
    uint8_t in[16] = {1}, out[32], expected[32], k[32];
    size_t k_len, n = 0;
    int expected_len;

    (void)state;
    void *(*newctx)(void *) =
        (void *(*)(void *))function_of(OSSL_OP_CIPHER, "KGR-AES-128-CBC", OSSL_FUNC_CIPHER_NEWCTX);
    int (*init)(void *, void *, const uint8_t *, size_t, const OSSL_PARAM[]) =
        (int (*)(void *, void *, const uint8_t *, size_t, const OSSL_PARAM[]))function_of(
            OSSL_OP_CIPHER, "KGR-AES-128-CBC", OSSL_FUNC_CIPHER_ENCRYPT_SKEY_INIT);
    OSSL_FUNC_cipher_update_fn *update = (OSSL_FUNC_cipher_update_fn *)function_of(
        OSSL_OP_CIPHER, "KGR-AES-128-CBC", OSSL_FUNC_CIPHER_UPDATE);
    OSSL_FUNC_cipher_freectx_fn *freectx = (OSSL_FUNC_cipher_freectx_fn *)function_of(
        OSSL_OP_CIPHER, "KGR-AES-128-CBC", OSSL_FUNC_CIPHER_FREECTX);
    void *ctx = newctx(provider_context());

    assert_int_equal(init(ctx, key, iv, 12, NULL), 0);
    assert_error(KGR_PROV_R_IV_LENGTH, "12 bytes");
    assert_int_equal(init(ctx, key, iv, sizeof(iv), NULL), 1);
    assert_int_equal(update(ctx, out, &n, sizeof(out), in, sizeof(in)), 1);
    assert_int_equal(n, 16);
    freectx(ctx);
    kgr_fake_enc_key(k, &k_len, "N2", 7);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, "AES-128-CBC", "provider=default");
    EVP_CIPHER_CTX *theirs = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex2(theirs, cipher, k, iv, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(theirs, expected, &expected_len, in, sizeof(in)), 1);
    assert_memory_equal(out, expected, 16);
    EVP_CIPHER_CTX_free(theirs);
    EVP_CIPHER_free(cipher);

    newctx = (void *(*)(void *))function_of(OSSL_OP_MAC, "KGR-HMAC", OSSL_FUNC_MAC_NEWCTX);
    int (*mac_init)(void *, void *, const OSSL_PARAM[]) =
        (int (*)(void *, void *, const OSSL_PARAM[]))function_of(OSSL_OP_MAC, "KGR-HMAC",
                                                                 OSSL_FUNC_MAC_INIT_SKEY);
    OSSL_FUNC_mac_final_fn *final =
        (OSSL_FUNC_mac_final_fn *)function_of(OSSL_OP_MAC, "KGR-HMAC", OSSL_FUNC_MAC_FINAL);
    ctx = newctx(provider_context());
    assert_int_equal(mac_init(ctx, key, NULL), 1);
    assert_int_equal(final(ctx, out, &n, sizeof(out)), 1);
    assert_int_equal(n, 32);
    ((OSSL_FUNC_mac_freectx_fn *)function_of(OSSL_OP_MAC, "KGR-HMAC", OSSL_FUNC_MAC_FREECTX))(ctx);
    free_key(key);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(skeymgmt_imports_uri_reference_and_handle),
        T(skeymgmt_refuses_raw_keys_and_nothing),
        T(skeymgmt_export_is_refused),
        T(skeymgmt_key_initialises_cipher_and_mac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
