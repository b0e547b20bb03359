/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/seal/digest.h"

static uint8_t bytes[KGR_AUTH_ROOT_LEN] = {1, 2, 3};
static struct kgr_auth_root *root;

static int begin(void **state)
{
    (void)state;
    if (kgr_arena_init(65536) != KGR_OK)
        return -1;
    return kgr_auth_root_new(&root, bytes, KGR_AUTH_TEXT) == KGR_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    kgr_auth_root_free(root);
    kgr_arena_deinit();
    return 0;
}

static struct kgr_tpm_auth *derive(const char *label, const char *id)
{
    struct kgr_tpm_auth *auth = NULL;

    assert_int_equal(kgr_auth_derive(root, &auth, label, kgr_slice(id, strlen(id))), KGR_OK);
    assert_true(kgr_arena_contains(auth));
    assert_int_equal(auth->len, 32);
    return auth;
}

static bool same(const char *label_a, const char *id_a, const char *label_b, const char *id_b)
{
    struct kgr_tpm_auth *a = derive(label_a, id_a);
    struct kgr_tpm_auth *b = derive(label_b, id_b);
    bool equal = memcmp(a->bytes, b->bytes, 32) == 0;

    kgr_secret_free(a);
    kgr_secret_free(b);
    return equal;
}

static void auth_is_the_documented_hmac(void **state)
{
    static const char text[] = "KGR auth 1\0enc\0x"; /* and a NUL that does not count */
    const struct kgr_slice part = kgr_slice(text, sizeof(text) - 1);
    struct kgr_tpm_auth *auth = derive("enc", "x");
    struct kgr_tpm_auth *whole = NULL;
    uint8_t expected[KGR_SHA256_LEN];
    char as_text[33];

    (void)state;
    assert_int_equal(kgr_hmac_sha256(expected, kgr_slice(bytes, sizeof(bytes)), &part, 1), KGR_OK);
    assert_memory_equal(auth->bytes, kgr_base64url(as_text, expected, 24), 32);
    assert_int_equal(kgr_auth_bytes(root, &whole, "enc", kgr_slice("x", 1)), KGR_OK);
    assert_true(kgr_arena_contains(whole));
    assert_int_equal(whole->len, 32);
    assert_memory_equal(whole->bytes, expected, 32);
    kgr_secret_free(whole);
    kgr_secret_free(auth);
}

/* States from before have TPM objects with such values. */
static void auth_of_an_older_state_is_all_of_it(void **state)
{
    struct kgr_tpm_auth *auth = NULL;
    struct kgr_tpm_auth *whole = NULL;
    struct kgr_auth_root *older = NULL;

    (void)state;
    assert_int_equal(kgr_auth_root_new(&older, bytes, KGR_AUTH_BINARY), KGR_OK);
    assert_int_equal(kgr_auth_root_form(older), KGR_AUTH_BINARY);
    for (uint8_t i = 0; i < 255; i++) {
        assert_int_equal(kgr_auth_derive(older, &auth, "enc", kgr_slice(&i, 1)), KGR_OK);
        assert_int_equal(kgr_auth_bytes(older, &whole, "enc", kgr_slice(&i, 1)), KGR_OK);
        assert_int_equal(auth->len, 32);
        assert_memory_equal(auth->bytes, whole->bytes, 31);
        assert_int_equal(auth->bytes[31], whole->bytes[31] == 0 ? 1 : whole->bytes[31]);
        kgr_secret_free(whole);
        kgr_secret_free(auth);
    }
    kgr_auth_root_free(older);
}

static void auth_depends_on_label_and_id(void **state)
{
    (void)state;
    assert_true(same("enc", "1", "enc", "1"));
    assert_false(same("enc", "1", "enc", "2"));
    assert_false(same("enc", "1", "mac", "1"));
    assert_false(same("enc1", "", "enc", "1"));
}

static void auth_with_a_full_arena_fails(void **state)
{
    struct kgr_tpm_auth *auth = NULL;
    void *all[64];
    size_t num = 0;

    (void)state;
    while (num < 64 && (all[num] = kgr_secret_alloc(num < 8 ? 8000 : 512)) != NULL)
        num++;
    while (num < 64 && (all[num] = kgr_secret_alloc(16)) != NULL)
        num++;
    assert_int_equal(kgr_auth_derive(root, &auth, "enc", kgr_slice(NULL, 0)), KGR_ERR_NO_MEMORY);
    assert_null(auth);
    while (num > 0)
        kgr_secret_free(all[--num]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(auth_is_the_documented_hmac, begin, end),
        cmocka_unit_test_setup_teardown(auth_of_an_older_state_is_all_of_it, begin, end),
        cmocka_unit_test_setup_teardown(auth_depends_on_label_and_id, begin, end),
        cmocka_unit_test_setup_teardown(auth_with_a_full_arena_fails, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
