/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void diag_keeps_the_first_text(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_int_equal(kgr_diag_set(&diag, KGR_ERR_IO, "cannot open %s", "x"), KGR_ERR_IO);
    assert_int_equal(kgr_diag_set(&diag, KGR_ERR_FAILED, "something else"), KGR_ERR_FAILED);
    assert_string_equal(kgr_diag_text(&diag, KGR_ERR_FAILED), "cannot open x");
}

static void diag_without_text_names_the_error(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_string_equal(kgr_diag_text(&diag, KGR_ERR_TPM), kgr_strerror(KGR_ERR_TPM));
    assert_string_equal(kgr_diag_text(NULL, KGR_ERR_IO), kgr_strerror(KGR_ERR_IO));
    assert_int_equal(kgr_diag_set(NULL, KGR_ERR_IO, "unheard"), KGR_ERR_IO);
}

static void diag_cuts_a_long_text(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    (void)kgr_diag_set(&diag, KGR_ERR_IO, "%600d", 1);
    assert_int_equal(strlen(diag.text), sizeof(diag.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diag_keeps_the_first_text),
        cmocka_unit_test(diag_without_text_names_the_error),
        cmocka_unit_test(diag_cuts_a_long_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
