/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"status", "peers", "renew", "recv", "request", "seal", "send"};

static const char *nearest(const char *typed)
{
    struct kgr_nearest found;

    kgr_nearest_begin(&found, typed);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        kgr_nearest_try(&found, words[i]);
    return found.best;
}

static void slips_are_understood(void **state)
{
    (void)state;
    assert_string_equal(nearest("stauts"), "status");
    assert_string_equal(nearest("statu"), "status");
    assert_string_equal(nearest("requ"), "request");
    assert_string_equal(nearest("sel"), "seal");
    assert_string_equal(nearest("peer"), "peers");
    assert_string_equal(nearest("rquest"), "request");
    assert_string_equal(nearest("sael"), "seal");
    assert_string_equal(nearest("send"), "send");
}

static void the_first_of_equals_is_taken(void **state)
{
    (void)state;
    assert_string_equal(nearest("seald"), "seal");
}

static void what_is_far_is_none(void **state)
{
    char letters[100];

    (void)state;
    assert_null(nearest("frobnicate"));
    assert_null(nearest("xyz"));
    assert_null(nearest(""));
    memset(letters, 's', sizeof(letters) - 1);
    letters[sizeof(letters) - 1] = '\0';
    assert_null(nearest(letters));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_are_understood),
        cmocka_unit_test(the_first_of_equals_is_taken),
        cmocka_unit_test(what_is_far_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
