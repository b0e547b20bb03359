/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kgr_table_column columns[] = {
    {"NAME", false, 0},
    {"GEN", true, 1},
    {"STATE", false, 0},
    {"SUITE", false, 2},
};

static void add(struct kgr_table *table, enum kgr_table_colour colour, const char *name,
                const char *generation, const char *state, const char *suite)
{
    const char *cells[] = {name, generation, state, suite};

    kgr_table_add(table, colour, cells);
}

static void assert_prints(size_t width, bool colours, const char *wanted)
{
    struct kgr_table table;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    kgr_table_init(&table, columns, 4, 2);
    add(&table, KGR_TABLE_GOOD, "gateway-00001", "7", "ready", "aes-128");
    add(&table, KGR_TABLE_PLAIN, "b", "1234", "idle", "-");
    assert_true(kgr_table_print(&table, out, width, colours));
    kgr_table_deinit(&table);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void print_without_a_terminal_shows_everything(void **state)
{
    (void)state;
    assert_prints(0, false,
                  "NAME            GEN  STATE  SUITE\n"
                  "gateway-00001     7  ready  aes-128\n"
                  "b              1234  idle   -\n");
}

static void print_exact_width_drops_nothing(void **state)
{
    (void)state;
    assert_prints(35, false,
                  "NAME            GEN  STATE  SUITE\n"
                  "gateway-00001     7  ready  aes-128\n"
                  "b              1234  idle   -\n");
}

static void print_narrow_drops_by_rank(void **state)
{
    (void)state;
    assert_prints(34, false,
                  "NAME            GEN  STATE\n"
                  "gateway-00001     7  ready\n"
                  "b              1234  idle\n");
    assert_prints(25, false,
                  "NAME           STATE\n"
                  "gateway-00001  ready\n"
                  "b              idle\n");
}

static void print_narrower_cuts_the_first_column(void **state)
{
    (void)state;
    assert_prints(17, false,
                  "NAME        STATE\n"
                  "gateway-..  ready\n"
                  "b           idle\n");
    /* And never below a readable width. */
    assert_prints(3, false,
                  "NAME      STATE\n"
                  "gatewa..  ready\n"
                  "b         idle\n");
}

static void print_in_colour_keeps_the_columns(void **state)
{
    (void)state;
    assert_prints(25, true,
                  "NAME           STATE\n"
                  "gateway-00001  \033[32mready\033[0m\n"
                  "b              idle\n");
}

static void print_empty_cells_leave_no_spaces_behind(void **state)
{
    struct kgr_table table;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    kgr_table_init(&table, columns, 4, 2);
    add(&table, KGR_TABLE_PLAIN, "a", "1", "idle", "");
    assert_true(kgr_table_print(&table, out, 0, false));
    kgr_table_deinit(&table);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "NAME  GEN  STATE  SUITE\n"
                              "a       1  idle\n");
    free(text);
}

static void print_empty_table_has_a_head(void **state)
{
    struct kgr_table table;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    kgr_table_init(&table, columns, 4, 2);
    assert_true(kgr_table_print(&table, out, 80, false));
    kgr_table_deinit(&table);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "NAME  GEN  STATE  SUITE\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print_without_a_terminal_shows_everything),
        cmocka_unit_test(print_exact_width_drops_nothing),
        cmocka_unit_test(print_narrow_drops_by_rank),
        cmocka_unit_test(print_narrower_cuts_the_first_column),
        cmocka_unit_test(print_in_colour_keeps_the_columns),
        cmocka_unit_test(print_empty_cells_leave_no_spaces_behind),
        cmocka_unit_test(print_empty_table_has_a_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
