/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/custody.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_ks_custody custody;
static struct kgr_diag diag;

static enum kgr_error choose(enum kgr_ks_custody_wish wish, uint8_t suites,
                             const struct kgr_tpm_capability *capability)
{
    diag.text[0] = '\0';
    return kgr_ks_custody_choose(&custody, wish, suites, capability, NULL, &diag);
}

static void a_tpm_that_cannot_encrypt_can_still_bear_keys(void **state)
{
    struct kgr_tpm_capability c = {.can_seal = true, .can_bear = true, .suites = 3};

    (void)state;
    assert_int_equal(choose(KGR_KS_CUSTODY_RESIDENT, 0, &c), KGR_ERR_CONFIG);
    assert_int_equal(choose(KGR_KS_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_int_equal(kgr_ks_custody_own(&custody), 4);
    assert_int_equal(kgr_ks_custody_pairs(&custody), 7);
    c.can_bear = false;
    assert_int_equal(choose(KGR_KS_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_int_equal(kgr_ks_custody_pairs(&custody), 6);
    c.can_seal = false;
    assert_int_equal(choose(KGR_KS_CUSTODY_AUTO, 0, &c), KGR_ERR_UNSUPPORTED);
}

static void suites_are_those_of_the_configuration_and_the_tpm(void **state)
{
    struct kgr_tpm_capability c = {
        .can_resident = true, .can_seal = true, .can_bear = true, .suites = 3};

    (void)state;
    assert_int_equal(choose(KGR_KS_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_int_equal(custody.suites, 3);
    assert_int_equal(kgr_ks_custody_own(&custody), 1);
    assert_int_equal(choose(KGR_KS_CUSTODY_SEALED, 2, &c), KGR_OK);
    assert_int_equal(custody.suites, 2);
    assert_true(custody.sealed);
    c.suites = 1;
    assert_int_equal(choose(KGR_KS_CUSTODY_AUTO, 2, &c), KGR_ERR_CONFIG);
}

static void forms_of_an_end(void **state)
{
    (void)state;
    assert_int_equal(kgr_ks_form(1, 1), KGR_TPM_BORN);
    assert_int_equal(kgr_ks_form(2, 1), KGR_TPM_KEY);
    assert_int_equal(kgr_ks_form(2, 4), KGR_TPM_DATA);
    assert_int_equal(kgr_ks_form(3, 4), KGR_TPM_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tpm_that_cannot_encrypt_can_still_bear_keys),
        cmocka_unit_test(suites_are_those_of_the_configuration_and_the_tpm),
        cmocka_unit_test(forms_of_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
