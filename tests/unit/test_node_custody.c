/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/custody.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_custody_choice choice;
static struct kgr_diag diag;

static struct kgr_tpm_capability able(void)
{
    return (struct kgr_tpm_capability){
        .can_resident = true, .can_seal = true, .can_bear = true, .suites = 3};
}

static enum kgr_error choose(enum kgr_custody_wish wish, uint8_t suites,
                             const struct kgr_tpm_capability *capability)
{
    diag.text[0] = '\0';
    return kgr_custody_choose(&choice, wish, suites, capability, NULL, &diag);
}

static void auto_is_resident_where_the_tpm_can(void **state)
{
    struct kgr_tpm_capability c = able();

    (void)state;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_false(choice.sealed);
    assert_int_equal(kgr_custody_mask(&choice), 1);
    c.can_resident = false;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_true(choice.sealed);
    assert_int_equal(kgr_custody_mask(&choice), 4);
    c.can_seal = false;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 0, &c), KGR_ERR_UNSUPPORTED);
}

static void a_wish_that_the_tpm_cannot_is_an_error_with_the_remedy(void **state)
{
    struct kgr_tpm_capability c = able();

    (void)state;
    c.can_resident = false;
    assert_int_equal(choose(KGR_CUSTODY_WANT_RESIDENT, 0, &c), KGR_ERR_CONFIG);
    assert_non_null(strstr(diag.text, "\"sealed\""));
    c = able();
    assert_int_equal(choose(KGR_CUSTODY_WANT_SEALED, 0, &c), KGR_OK);
    assert_true(choice.sealed);
    c.suites = 1;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 2, &c), KGR_ERR_CONFIG);
}

static void suite_1_alone_is_the_default(void **state)
{
    struct kgr_tpm_capability c = able();

    (void)state;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 0, &c), KGR_OK);
    assert_int_equal(choice.suites, 1);
    assert_int_equal(kgr_custody_best(choice.suites), KGR_SUITE_AES128_SHA256);
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 3, &c), KGR_OK);
    assert_int_equal(choice.suites, 3);
    assert_int_equal(kgr_custody_best(choice.suites), KGR_SUITE_AES256_SHA384);
    c.suites = 1;
    assert_int_equal(choose(KGR_CUSTODY_AUTO, 3, &c), KGR_OK);
    assert_int_equal(choice.suites, 1);
}

static void the_form_follows_from_both_custodies(void **state)
{
    const struct kgr_custody_choice resident = {.sealed = false};
    const struct kgr_custody_choice sealed = {.sealed = true};
    enum kgr_tpm_form form;

    (void)state;
    assert_true(kgr_custody_form(&resident, 1, &form));
    assert_int_equal(form, KGR_TPM_BORN);
    assert_true(kgr_custody_form(&resident, 2, &form));
    assert_int_equal(form, KGR_TPM_KEY);
    assert_false(kgr_custody_form(&resident, 3, &form));
    assert_false(kgr_custody_form(&sealed, 1, &form));
    assert_true(kgr_custody_form(&sealed, 2, &form));
    assert_int_equal(form, KGR_TPM_DATA);
    assert_true(kgr_custody_form(&sealed, 3, &form));
    assert_int_equal(form, KGR_TPM_DATA);
    assert_false(kgr_custody_form(&sealed, 4, &form));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_is_resident_where_the_tpm_can),
        cmocka_unit_test(a_wish_that_the_tpm_cannot_is_an_error_with_the_remedy),
        cmocka_unit_test(suite_1_alone_is_the_default),
        cmocka_unit_test(the_form_follows_from_both_custodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
