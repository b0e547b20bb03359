/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/nv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture f;
static struct kgr_tpm_auth *auth;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&f);
    auth = tpm_fixture_auth(0x19);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_secret_free(auth);
    tpm_fixture_stop(&f);
    kgr_arena_deinit();
    return 0;
}

static void counter_only_goes_up(void **state)
{
    struct kgr_tpm_object counter;
    struct kgr_tpm_object again;
    uint64_t first = 0;
    uint64_t value = 0;

    (void)state;
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    assert_int_equal(counter.handle, KGR_TPM_FIRST_NV);
    assert_int_equal(kgr_tpm_counter_read(f.tpm, &first, &counter, &diag), KGR_OK);
    assert_true(first >= 1);
    assert_int_equal(kgr_tpm_counter_increment(f.tpm, &value, &counter, &diag), KGR_OK);
    assert_int_equal(value, first + 1);
    swtpm_kill(&f.swtpm);
    swtpm_restart(&f.swtpm);
    assert_int_equal(kgr_tpm_counter_open(f.tpm, &again, counter.handle, &counter.name, auth, NULL),
                     KGR_OK);
    assert_int_equal(kgr_tpm_counter_increment(f.tpm, &value, &again, &diag), KGR_OK);
    assert_true(value >= first + 2);
    /* Not even by being made anew. */
    first = value;
    assert_int_equal(kgr_tpm_counter_undefine(f.tpm, counter.handle, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_counter_undefine(f.tpm, counter.handle, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    assert_int_equal(kgr_tpm_counter_read(f.tpm, &value, &counter, &diag), KGR_OK);
    assert_true(value > first);
}

static void counters_take_free_indices(void **state)
{
    struct kgr_tpm_object a;
    struct kgr_tpm_object b;
    struct kgr_tpm_object c;

    (void)state;
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &a, KGR_TPM_FIRST_NV, auth, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &b, KGR_TPM_FIRST_NV, auth, &diag), KGR_OK);
    assert_int_equal(b.handle, a.handle + 1);
    assert_int_equal(kgr_tpm_counter_undefine(f.tpm, a.handle, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &c, KGR_TPM_FIRST_NV, auth, &diag), KGR_OK);
    assert_int_equal(c.handle, a.handle);
}

static void counter_of_another_name_is_refused(void **state)
{
    struct kgr_tpm_object counter;
    struct kgr_tpm_object other;
    struct kgr_tpm_name wrong;

    (void)state;
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    wrong = counter.name;
    wrong.bytes[33] ^= 1;
    assert_int_equal(kgr_tpm_counter_open(f.tpm, &other, counter.handle, &wrong, auth, &diag),
                     KGR_ERR_CORRUPT);
    assert_int_equal(
        kgr_tpm_counter_open(f.tpm, &other, counter.handle + 1, &counter.name, auth, NULL),
        KGR_ERR_NO_KEY);
}

static void counter_with_the_wrong_value_does_not_move(void **state)
{
    struct kgr_tpm_auth *other = tpm_fixture_auth(0x20);
    struct kgr_tpm_object counter;
    uint64_t before = 0;
    uint64_t after = 0;

    (void)state;
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    assert_int_equal(kgr_tpm_counter_read(f.tpm, &before, &counter, &diag), KGR_OK);
    counter.auth = other;
    for (int i = 0; i < 5; i++)
        assert_int_equal(kgr_tpm_counter_increment(f.tpm, &after, &counter, NULL), KGR_ERR_TPM);
    counter.auth = auth; /* and no lockout came of it */
    assert_int_equal(kgr_tpm_counter_read(f.tpm, &after, &counter, &diag), KGR_OK);
    assert_int_equal(before, after);
    kgr_secret_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counter_only_goes_up, begin, end),
        cmocka_unit_test_setup_teardown(counters_take_free_indices, begin, end),
        cmocka_unit_test_setup_teardown(counter_of_another_name_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(counter_with_the_wrong_value_does_not_move, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
