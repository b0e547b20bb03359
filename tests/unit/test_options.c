/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/options.h"

#include "agent/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct kgr_option init_options[] = {
    {"ac", 0, "FILE", "public key of the AC"},
    {"output", 'o', "FILE", "where to write"},
    {"force", 'f', NULL, "even so"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_option loud_options[] = {
    {"loud", 'l', NULL, "tell it"},
    {NULL, 0, NULL, NULL},
};

static const struct kgr_command commands[] = {
    {.name = "run", .help = "serve"},
    {.name = "init", .help = "begin", .options = init_options},
    {.name = "enroll", .operands = "FILE", .num_operands = 1, .help = "register"},
    {.name = "again",
     .operands = "FILE [FILE]",
     .num_operands = 1,
     .optional_operands = 1,
     .help = "register anew"},
    {.name = "again and",
     .operands = "FILE",
     .num_operands = 1,
     .help = "anew, and more",
     .options = loud_options},
    {.name = "once more", .help = "of two words only"},
    {.name = NULL},
};

static const struct kgr_program program = {"kgr-test", "A test.", "/etc/kgr/test.conf", commands};

#define PARSE(out, ...) parse(out, (char *[]){(char *)(uintptr_t) "kgr-test", __VA_ARGS__, NULL})

static enum kgr_options_result parse(struct kgr_options *out, char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    return kgr_options_parse(out, &program, argc, argv);
}

/* getopt wants char *, and changes only the order of the pointers. */
#define A(text) (char *)(uintptr_t)(text)

static void options_command_alone_gives_the_defaults(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("run")), KGR_OPTIONS_RUN);
    assert_string_equal(out.command->name, "run");
    assert_int_equal(out.command_index, 0);
    assert_string_equal(out.config, "/etc/kgr/test.conf");
}

static void options_stand_before_and_behind_the_command(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("--config"), A("x"), A("init"), A("-o"), A("out"), A("--ac=y")),
                     KGR_OPTIONS_RUN);
    assert_string_equal(out.config, "x");
    assert_int_equal(out.command_index, 1);
    assert_string_equal(out.values[0], "y");
    assert_string_equal(out.values[1], "out");
    assert_null(out.values[2]);
    assert_int_equal(PARSE(&out, A("init"), A("-f"), A("--config=z")), KGR_OPTIONS_RUN);
    assert_string_equal(out.config, "z");
    assert_string_equal(out.values[2], "");
}

static void options_operands_are_counted(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("enroll"), A("file"), A("--config"), A("x")), KGR_OPTIONS_RUN);
    assert_string_equal(out.operands[0], "file");
    assert_int_equal(out.num_operands, 1);
    assert_int_equal(PARSE(&out, A("enroll")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("enroll"), A("a"), A("b")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("run"), A("a")), KGR_OPTIONS_USAGE);
}

static void options_optional_operands_may_be_left_out(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("again")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("again"), A("a")), KGR_OPTIONS_RUN);
    assert_int_equal(out.num_operands, 1);
    assert_int_equal(PARSE(&out, A("again"), A("a"), A("b")), KGR_OPTIONS_RUN);
    assert_int_equal(out.num_operands, 2);
    assert_string_equal(out.operands[1], "b");
    assert_int_equal(PARSE(&out, A("again"), A("a"), A("b"), A("c")), KGR_OPTIONS_USAGE);
}

static void options_check_needs_no_command(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("--check")), KGR_OPTIONS_CHECK);
    assert_string_equal(out.config, "/etc/kgr/test.conf");
    assert_int_equal(PARSE(&out, A("--check"), A("--config"), A("/x")), KGR_OPTIONS_CHECK);
    assert_string_equal(out.config, "/x");
    assert_int_equal(PARSE(&out, A("run"), A("--check")), KGR_OPTIONS_CHECK);
    assert_int_equal(PARSE(&out, A("--check"), A("nonsense")), KGR_OPTIONS_USAGE);
}

static void options_commands_of_two_words_are_found(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("again"), A("and"), A("--loud"), A("x")), KGR_OPTIONS_RUN);
    assert_string_equal(out.command->name, "again and");
    assert_string_equal(out.operands[0], "x");
    assert_string_equal(out.values[0], "");
    assert_int_equal(PARSE(&out, A("again"), A("x")), KGR_OPTIONS_RUN);
    assert_string_equal(out.command->name, "again");
    assert_int_equal(PARSE(&out, A("once"), A("more")), KGR_OPTIONS_RUN);
    assert_int_equal(PARSE(&out, A("once")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("once"), A("and")), KGR_OPTIONS_USAGE);
}

static void options_wrong_lines_are_usage_errors(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, NULL), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("fly")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("--fly"), A("run")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("run"), A("--ac"), A("x")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("run"), A("-x")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("init"), A("--ac")), KGR_OPTIONS_USAGE);
    assert_int_equal(PARSE(&out, A("--config")), KGR_OPTIONS_USAGE);
}

static void options_help_and_version_end_the_program(void **state)
{
    struct kgr_options out;

    (void)state;
    assert_int_equal(PARSE(&out, A("--help")), KGR_OPTIONS_DONE);
    assert_int_equal(PARSE(&out, A("init"), A("-h")), KGR_OPTIONS_DONE);
    assert_int_equal(PARSE(&out, A("--version")), KGR_OPTIONS_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_command_alone_gives_the_defaults),
        cmocka_unit_test(options_stand_before_and_behind_the_command),
        cmocka_unit_test(options_operands_are_counted),
        cmocka_unit_test(options_optional_operands_may_be_left_out),
        cmocka_unit_test(options_check_needs_no_command),
        cmocka_unit_test(options_commands_of_two_words_are_found),
        cmocka_unit_test(options_wrong_lines_are_usage_errors),
        cmocka_unit_test(options_help_and_version_end_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
