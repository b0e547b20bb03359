/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_item(const char *name, const char *text, const char *wanted)
{
    char *got = NULL;
    size_t len;
    FILE *out = open_memstream(&got, &len);

    assert_non_null(out);
    kgr_help_item(out, 2, name, 10, text);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(got, wanted);
    free(got);
}

#define SIXTY "an-argument-of-sixty-characters-that-stands-for-many-of-them"

static void item_stands_in_columns(void **state)
{
    (void)state;
    assert_item("name", "what it means", "  name    what it means\n");
    assert_item("1234567", "short", "  1234567 short\n");
}

static void item_breaks_between_words(void **state)
{
    (void)state;
    assert_item("name", SIXTY " 123456789", "  name    " SIXTY " 123456789\n");
    assert_item("name", SIXTY " 1234567890", "  name    " SIXTY "\n          1234567890\n");
    assert_item("name", SIXTY SIXTY " x", "  name    " SIXTY SIXTY "\n          x\n");
}

static void long_name_has_its_own_line(void **state)
{
    (void)state;
    assert_item("12345678", "text", "  12345678\n          text\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_stands_in_columns),
        cmocka_unit_test(item_breaks_between_words),
        cmocka_unit_test(long_name_has_its_own_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
