/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/ecc.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture ks;
static struct tpm_fixture node;
static struct kgr_tpm_public ek_pub;
static struct kgr_diag diag;
static uint8_t *secret;
static uint8_t *out;

static int begin(void **state)
{
    struct kgr_tpm_object ek;

    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&ks);
    tpm_fixture_start(&node);
    secret = kgr_secret_alloc(32);
    out = kgr_secret_alloc(32);
    memset(secret, 0x6b, 32);
    if (kgr_tpm_ek(node.tpm, &ek, &ek_pub, &diag) != KGR_OK)
        return -1;
    kgr_tpm_release(node.tpm, &ek);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_secret_free(secret);
    kgr_secret_free(out);
    tpm_fixture_stop(&ks);
    tpm_fixture_stop(&node);
    kgr_arena_deinit();
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    memset(out, 0, 32);
    return 0;
}

static enum kgr_error make(struct kgr_tpm_credential *credential, const struct kgr_tpm_name *name)
{
    return kgr_tpm_make_credential(ks.tpm, credential, &ek_pub, name, kgr_slice(secret, 32), &diag);
}

static void credential_opens_at_its_tpm_and_stays_secret(void **state)
{
    struct kgr_tpm_credential credential;

    (void)state;
    tpm_tap.pattern = secret;
    tpm_tap.pattern_len = 16;
    assert_int_equal(make(&credential, &node.storage.name), KGR_OK);
    assert_int_equal(
        kgr_tpm_activate_credential(node.tpm, out, 32, &node.storage, &credential, &diag), KGR_OK);
    assert_memory_equal(out, secret, 32);
    assert_int_equal(tpm_tap.num_seen, 0);
}

static void credential_opens_again_and_again_without_a_leak(void **state)
{
    struct kgr_tpm_credential credential;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(make(&credential, &node.storage.name), KGR_OK);
        assert_int_equal(
            kgr_tpm_activate_credential(node.tpm, out, 32, &node.storage, &credential, &diag),
            KGR_OK);
    }
}

/*
 * A storage key made in software passes for one of a TPM by its public area; only the credential
 * tells, for no TPM can activate one for its Name.
 */
static void credential_for_a_software_key_does_not_open(void **state)
{
    struct kgr_tpm_public soft = node.storage_pub;
    struct kgr_tpm_credential credential;
    struct kgr_tpm_name name;
    struct kgr_tpm_point storage = {.curve = KGR_TPM_P256};
    struct kgr_tpm_point ephemeral;
    uint8_t salt[32];
    uint8_t *x = soft.bytes + soft.len - 66;
    uint8_t *y = soft.bytes + soft.len - 32;

    (void)state;
    /* The salt's ephemeral key will do for a key of ours. */
    memcpy(storage.x, x, 32);
    memcpy(storage.y, y, 32);
    assert_int_equal(kgr_tpm_share(salt, &ephemeral, &storage, "SECRET"), KGR_OK);
    memcpy(x, ephemeral.x, 32);
    memcpy(y, ephemeral.y, 32);
    assert_int_equal(kgr_tpm_check_storage(&soft), KGR_OK);
    assert_int_equal(kgr_tpm_public_name(&name, &soft), KGR_OK);
    assert_int_equal(make(&credential, &name), KGR_OK);
    assert_int_equal(
        kgr_tpm_activate_credential(node.tpm, out, 32, &node.storage, &credential, &diag),
        KGR_ERR_CORRUPT);
}

static void credential_for_another_tpm_does_not_open(void **state)
{
    struct kgr_tpm_credential credential;

    (void)state;
    assert_int_equal(make(&credential, &node.storage.name), KGR_OK);
    assert_int_equal(kgr_tpm_activate_credential(ks.tpm, out, 32, &ks.storage, &credential, &diag),
                     KGR_ERR_CORRUPT);
}

static void credential_changed_does_not_open(void **state)
{
    struct kgr_tpm_credential credential;
    struct kgr_tpm_credential bad;

    (void)state;
    assert_int_equal(make(&credential, &node.storage.name), KGR_OK);
    for (size_t at = 0; at < credential.len; at += 3) {
        bad = credential;
        bad.bytes[at] ^= 1;
        assert_int_equal(kgr_tpm_activate_credential(node.tpm, out, 32, &node.storage, &bad, NULL),
                         KGR_ERR_CORRUPT);
    }
    for (size_t at = 0; at < credential.secret_len; at += 3) {
        bad = credential;
        bad.secret[at] ^= 1;
        assert_int_equal(kgr_tpm_activate_credential(node.tpm, out, 32, &node.storage, &bad, NULL),
                         KGR_ERR_CORRUPT);
    }
    assert_int_equal(
        kgr_tpm_activate_credential(node.tpm, out, 16, &node.storage, &credential, NULL),
        KGR_ERR_CORRUPT);
}

static void credential_for_what_is_no_ek_is_refused(void **state)
{
    struct kgr_tpm_credential credential;

    (void)state;
    assert_int_equal(kgr_tpm_make_credential(ks.tpm, &credential, &node.storage_pub,
                                             &node.storage.name, kgr_slice(secret, 32), &diag),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_make_credential(ks.tpm, &credential, &ek_pub, &node.storage.name,
                                             kgr_slice(secret, 0), NULL),
                     KGR_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(credential_opens_at_its_tpm_and_stays_secret, fresh),
        cmocka_unit_test_setup(credential_opens_again_and_again_without_a_leak, fresh),
        cmocka_unit_test_setup(credential_for_a_software_key_does_not_open, fresh),
        cmocka_unit_test_setup(credential_for_another_tpm_does_not_open, fresh),
        cmocka_unit_test_setup(credential_changed_does_not_open, fresh),
        cmocka_unit_test_setup(credential_for_what_is_no_ek_is_refused, fresh),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
