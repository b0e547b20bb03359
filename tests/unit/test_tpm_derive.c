/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/derive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture f;
static struct kgr_tpm_derive_key key;
static uint8_t *secret;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    if (kgr_arena_init(65536) != KGR_OK)
        return -1;
    tpm_fixture_start(&f);
    secret = kgr_secret_alloc(KGR_TPM_HASH_LEN);
    return kgr_tpm_derive_key_create(f.tpm, &key, &f.storage, &diag) == KGR_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    kgr_secret_free(secret);
    tpm_fixture_stop(&f);
    kgr_arena_deinit();
    return 0;
}

static int reset(void **state)
{
    (void)state;
    tpm_tap_reset();
    return 0;
}

static enum kgr_error derive(const struct kgr_tpm_derive_key *from, const char *label)
{
    return kgr_tpm_derive(f.tpm, secret, &f.storage, from, kgr_slice(label, strlen(label)), &diag);
}

static void same_label_gives_the_same_secret(void **state)
{
    uint8_t first[KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(derive(&key, "a"), KGR_OK);
    memcpy(first, secret, sizeof(first));
    assert_int_equal(derive(&key, "b"), KGR_OK);
    assert_memory_not_equal(first, secret, sizeof(first));
    swtpm_kill(&f.swtpm);
    swtpm_restart(&f.swtpm);
    assert_int_equal(derive(&key, "a"), KGR_OK);
    assert_memory_equal(first, secret, sizeof(first));
}

static void another_key_gives_another_secret(void **state)
{
    struct kgr_tpm_derive_key other;
    uint8_t first[KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(kgr_tpm_derive_key_create(f.tpm, &other, &f.storage, &diag), KGR_OK);
    assert_int_equal(derive(&key, "a"), KGR_OK);
    memcpy(first, secret, sizeof(first));
    assert_int_equal(derive(&other, "a"), KGR_OK);
    assert_memory_not_equal(first, secret, sizeof(first));
}

static void secret_is_not_in_clear_on_the_bus(void **state)
{
    uint8_t known[KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(derive(&key, "bus"), KGR_OK);
    memcpy(known, secret, sizeof(known));
    tpm_tap.pattern = known;
    tpm_tap.pattern_len = 8;
    assert_int_equal(derive(&key, "bus"), KGR_OK);
    assert_memory_equal(known, secret, sizeof(known));
    assert_int_equal(tpm_tap.num_seen, 0);
    /* The label does cross in clear: the search works. */
    tpm_tap.pattern = (const uint8_t *)"label in clear";
    tpm_tap.pattern_len = 14;
    assert_int_equal(derive(&key, "label in clear"), KGR_OK);
    assert_true(tpm_tap.num_seen > 0);
}

static void changed_key_is_refused(void **state)
{
    struct kgr_tpm_derive_key changed = key;

    (void)state;
    changed.unique[3] ^= 1;
    assert_int_equal(derive(&changed, "a"), KGR_ERR_CORRUPT);
    changed = key;
    changed.priv.bytes[changed.priv.len - 1] ^= 1;
    assert_int_equal(derive(&changed, "a"), KGR_ERR_CORRUPT);
    changed = key;
    changed.priv.len = 0;
    assert_int_not_equal(derive(&changed, "a"), KGR_OK);
    changed.priv.len = sizeof(changed.priv.bytes) + 1;
    assert_int_equal(derive(&changed, "a"), KGR_ERR_CORRUPT);
    assert_int_equal(derive(&key, "a"), KGR_OK);
}

static void key_of_another_parent_is_refused(void **state)
{
    struct tpm_fixture other;

    (void)state;
    tpm_fixture_start(&other);
    assert_int_equal(
        kgr_tpm_derive(other.tpm, secret, &other.storage, &key, kgr_slice("a", 1), &diag),
        KGR_ERR_CORRUPT);
    tpm_fixture_stop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(same_label_gives_the_same_secret, reset),
        cmocka_unit_test_teardown(another_key_gives_another_secret, reset),
        cmocka_unit_test_teardown(secret_is_not_in_clear_on_the_bus, reset),
        cmocka_unit_test_teardown(changed_key_is_refused, reset),
        cmocka_unit_test_teardown(key_of_another_parent_is_refused, reset),
    };

    return cmocka_run_group_tests_name("tpm_derive", tests, begin, end);
}
