/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/wrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/seal/software.h"
#include "agent/tpm/import.h"
#include "agent/tpm/object.h"
#include "agent/tpm/slots.h"
#include "agent/tpm/symmetric.h"
#include "tests/support/tpm_fixture.h"

/* What is wrapped in software, a real TPM takes, and only untouched. */
static struct tpm_fixture node;
static struct kgr_tpm_object storages[2]; /* P-256, P-384 */
static struct kgr_tpm_public publics[2];
static struct kgr_tpm_public pub;
static struct kgr_tpm_duplicate duplicate;
static struct kgr_tpm_blob blob;
static struct kgr_diag diag;
static uint8_t *secret; /* 48 bytes */
static uint8_t *seed;
static uint8_t *inner;

static int begin(void **state)
{
    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&node);
    storages[0] = node.storage;
    publics[0] = node.storage_pub;
    if (kgr_tpm_create_storage(node.tpm, &storages[1], &publics[1], &node.storage,
                               KGR_TPM_FIRST_HANDLE, KGR_SUITE_AES256_SHA384, node.auth,
                               &diag) != KGR_OK) {
        print_error("%s\n", diag.text);
        return -1;
    }
    secret = kgr_secret_alloc(KGR_MAC_KEY_MAX);
    seed = kgr_secret_alloc(KGR_TPM_HASH_LEN);
    inner = kgr_secret_alloc(KGR_ENC_KEY_MAX);
    for (uint8_t i = 0; i < KGR_MAC_KEY_MAX; i++)
        secret[i] = (uint8_t)(i + 1);
    memset(seed, 0x5e, KGR_TPM_HASH_LEN);
    memset(inner, 0x1e, KGR_ENC_KEY_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_secret_free(secret);
    kgr_secret_free(seed);
    kgr_secret_free(inner);
    tpm_fixture_stop(&node);
    kgr_arena_deinit();
    return 0;
}

static struct kgr_tpm_wrap wrap_for(enum kgr_suite suite, enum kgr_tpm_kind kind,
                                    enum kgr_tpm_form form, size_t storage)
{
    struct kgr_tpm_wrap wrap = {
        .suite = suite,
        .kind = kind,
        .form = form,
        .secret = kgr_slice(secret, kind == KGR_TPM_ENC ? kgr_suite_enc_key_len(suite)
                                                        : kgr_suite_mac_key_len(suite)),
        .seed = seed,
        .target = &publics[storage],
    };

    return wrap;
}

static enum kgr_error import_at(const struct kgr_tpm_wrap *wrap, size_t storage)
{
    struct kgr_tpm_import import = {
        .parent = &storages[storage],
        .suite = wrap->suite,
        .kind = wrap->kind,
        .form = wrap->form,
        .pub = &pub,
        .duplicate = &duplicate,
        .inner = wrap->inner,
        .auth = node.auth,
    };

    return kgr_tpm_import(node.tpm, &blob, &import, &diag);
}

static enum kgr_error encrypt(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                              struct kgr_diag *d)
{
    static const uint8_t plain[32] = {1};
    uint8_t iv[KGR_IV_LEN] = {2};

    return kgr_tpm_cipher(tpm, key, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, plain, sizeof(plain), arg, d);
}

struct mac {
    uint8_t bytes[KGR_HASH_MAX];
    size_t len;
};

static enum kgr_error hmac(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                           struct kgr_diag *d)
{
    const struct kgr_slice part = kgr_slice("abc", 3);
    struct mac *mac = arg;

    return kgr_tpm_hmac(tpm, key, &part, 1, mac->bytes, mac->len, d);
}

static struct kgr_tpm_loadable loadable(size_t storage)
{
    struct kgr_tpm_loadable key = {.id = kgr_tpm_new_key_id(node.tpm),
                                   .parent = &storages[storage],
                                   .blob = &blob,
                                   .auth = node.auth};

    return key;
}

/* The TPM computes with the key what libcrypto does with its bytes. */
static void check_use(const struct kgr_tpm_wrap *wrap, size_t storage)
{
    struct kgr_tpm_loadable key = loadable(storage);
    static const uint8_t zeroes[KGR_MAC_KEY_MAX];
    const uint8_t plain[32] = {1};
    const uint8_t iv[KGR_IV_LEN] = {2};
    const struct kgr_slice part = kgr_slice("abc", 3);
    struct kgr_software_key *software = NULL;
    struct kgr_seal_key seal;
    struct mac mac = {.len = kgr_suite_hash_len(wrap->suite)};
    uint8_t expected[KGR_HASH_MAX];

    if (wrap->kind == KGR_TPM_ENC) {
        assert_int_equal(
            kgr_software_key_new(&software, wrap->suite, wrap->secret,
                                 kgr_slice(zeroes, kgr_suite_mac_key_len(wrap->suite))),
            KGR_OK);
        seal = kgr_software_key_seal(software);
        assert_int_equal(kgr_tpm_use_key(node.tpm, &key, encrypt, mac.bytes, &diag), KGR_OK);
        assert_int_equal(seal.vt->cbc_encrypt(seal.ctx, iv, plain, 32, expected), KGR_OK);
        assert_memory_equal(mac.bytes, expected, 32);
    } else {
        assert_int_equal(kgr_software_key_new(&software, wrap->suite,
                                              kgr_slice(zeroes, kgr_suite_enc_key_len(wrap->suite)),
                                              wrap->secret),
                         KGR_OK);
        seal = kgr_software_key_seal(software);
        assert_int_equal(kgr_tpm_use_key(node.tpm, &key, hmac, &mac, &diag), KGR_OK);
        assert_int_equal(seal.vt->hmac(seal.ctx, &part, 1, expected), KGR_OK);
        assert_memory_equal(mac.bytes, expected, mac.len);
    }
    kgr_tpm_forget_key(node.tpm, key.id);
    kgr_software_key_free(software);
}

static void check_unseal(const struct kgr_tpm_wrap *wrap, size_t storage)
{
    uint8_t *out = kgr_secret_alloc(wrap->secret.len);

    assert_int_equal(kgr_tpm_unseal(node.tpm, out, wrap->secret.len, &storages[storage], node.auth,
                                    &blob, &diag),
                     KGR_OK);
    assert_memory_equal(out, secret, wrap->secret.len);
    kgr_secret_free(out);
}

static void a_tpm_takes_every_form(void **state)
{
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    static const enum kgr_tpm_form forms[] = {KGR_TPM_KEY, KGR_TPM_DATA};

    (void)state;
    for (size_t i = 0; i < 32; i++) {
        size_t storage = i >> 4 & 1;
        struct kgr_tpm_wrap wrap =
            wrap_for(suites[i & 1], i & 2 ? KGR_TPM_ENC : KGR_TPM_MAC, forms[i >> 2 & 1], storage);

        if (i & 8)
            wrap.inner = kgr_slice(inner, kgr_suite_enc_key_len(wrap.suite));
        assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
        assert_int_equal(import_at(&wrap, storage), KGR_OK);
        if (wrap.form == KGR_TPM_DATA)
            check_unseal(&wrap, storage);
        else
            check_use(&wrap, storage);
        assert_int_equal(kgr_tpm_num_loaded(node.tpm), 0);
    }
}

static void every_form_of_a_key_has_the_same_unique(void **state)
{
    struct kgr_tpm_wrap wrap = wrap_for(KGR_SUITE_AES128_SHA256, KGR_TPM_ENC, KGR_TPM_KEY, 0);
    uint8_t uniques[3][KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    assert_int_equal(kgr_tpm_public_unique(&pub, uniques[0]), KGR_OK);
    wrap.form = KGR_TPM_DATA;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    assert_int_equal(kgr_tpm_public_unique(&pub, uniques[1]), KGR_OK);
    assert_memory_equal(uniques[0], uniques[1], KGR_TPM_HASH_LEN);
    secret[0] ^= 1;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    assert_int_equal(kgr_tpm_public_unique(&pub, uniques[2]), KGR_OK);
    assert_memory_not_equal(uniques[0], uniques[2], KGR_TPM_HASH_LEN);
    secret[0] ^= 1;
}

static void nothing_touched_is_taken(void **state)
{
    struct kgr_tpm_wrap wrap = wrap_for(KGR_SUITE_AES128_SHA256, KGR_TPM_MAC, KGR_TPM_DATA, 0);

    (void)state;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    for (size_t i = 2; i < duplicate.len; i += 7) {
        duplicate.bytes[i] ^= 0x40;
        assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
        duplicate.bytes[i] ^= 0x40;
    }
    duplicate.len--;
    assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
    duplicate.len++;
    pub.bytes[pub.len - 1] ^= 1; /* unique: another key than was wrapped */
    assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
    pub.bytes[pub.len - 1] ^= 1;
    assert_int_equal(import_at(&wrap, 1), KGR_ERR_CORRUPT); /* another storage key */
    assert_int_equal(import_at(&wrap, 0), KGR_OK);
}

static void a_form_that_was_not_agreed_on_is_refused(void **state)
{
    struct kgr_tpm_wrap wrap = wrap_for(KGR_SUITE_AES128_SHA256, KGR_TPM_ENC, KGR_TPM_DATA, 0);

    (void)state;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    wrap.form = KGR_TPM_KEY;
    assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
    wrap.form = KGR_TPM_BORN;
    assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
    wrap.form = KGR_TPM_KEY;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    wrap.form = KGR_TPM_BORN;
    assert_int_equal(import_at(&wrap, 0), KGR_ERR_CORRUPT);
}

static void wrap_refuses_what_cannot_be(void **state)
{
    struct kgr_tpm_wrap wrap = wrap_for(KGR_SUITE_AES128_SHA256, KGR_TPM_ENC, KGR_TPM_KEY, 0);
    struct kgr_tpm_public damaged = publics[0];

    (void)state;
    wrap.secret.len = 24;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_ERR_INVALID);
    wrap.secret.len = 16;
    wrap.inner = kgr_slice(inner, 32);
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_ERR_INVALID);
    wrap.inner.len = 0;
    wrap.form = KGR_TPM_BORN;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_ERR_INVALID);
    wrap.form = KGR_TPM_KEY;
    damaged.bytes[damaged.len - 1] ^= 1; /* off the curve */
    wrap.target = &damaged;
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_ERR_CORRUPT);
    damaged = publics[0];
    damaged.bytes[7] ^= 2; /* an attribute */
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tpm_takes_every_form),
        cmocka_unit_test(every_form_of_a_key_has_the_same_unique),
        cmocka_unit_test(nothing_touched_is_taken),
        cmocka_unit_test(a_form_that_was_not_agreed_on_is_refused),
        cmocka_unit_test(wrap_refuses_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
