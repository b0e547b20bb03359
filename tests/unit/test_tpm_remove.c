/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/remove.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture f;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tpm_fixture_stop(&f);
    kgr_arena_deinit();
    return 0;
}

static void own_key_goes_and_its_blobs_with_it(void **state)
{
    struct kgr_tpm_remains remains = {.handle = f.storage.handle, .name = f.storage.name};
    struct kgr_tpm_public pub;

    (void)state;
    assert_int_equal(kgr_tpm_remove(f.tpm, &remains, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_read_public(f.tpm, &pub, remains.handle, NULL), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_tpm_remove(f.tpm, &remains, &diag), KGR_OK); /* again */
}

static void key_of_somebody_else_stays(void **state)
{
    struct kgr_tpm_remains remains = {.handle = f.storage.handle, .name = f.storage.name};
    struct kgr_tpm_public pub;

    (void)state;
    remains.name.bytes[remains.name.len - 1] ^= 1;
    assert_int_equal(kgr_tpm_remove(f.tpm, &remains, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_read_public(f.tpm, &pub, remains.handle, NULL), KGR_OK);
}

static void counter_defined_again_goes_on(void **state)
{
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x19);
    struct kgr_tpm_object counter;
    struct kgr_tpm_remains remains;
    uint64_t last = 0, first = 0;

    (void)state;
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(kgr_tpm_counter_increment(f.tpm, &last, &counter, &diag), KGR_OK);
    remains = (struct kgr_tpm_remains){.handle = counter.handle, .name = counter.name};
    assert_int_equal(kgr_tpm_remove(f.tpm, &remains, &diag), KGR_OK);
    assert_int_equal(
        kgr_tpm_counter_open(f.tpm, &counter, remains.handle, &remains.name, auth, NULL),
        KGR_ERR_NO_KEY);
    assert_int_equal(kgr_tpm_counter_define(f.tpm, &counter, KGR_TPM_FIRST_NV, auth, &diag),
                     KGR_OK);
    assert_int_equal(kgr_tpm_counter_read(f.tpm, &first, &counter, &diag), KGR_OK);
    assert_true(first > last);
    kgr_secret_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_key_goes_and_its_blobs_with_it, begin, end),
        cmocka_unit_test_setup_teardown(key_of_somebody_else_stays, begin, end),
        cmocka_unit_test_setup_teardown(counter_defined_again_goes_on, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
