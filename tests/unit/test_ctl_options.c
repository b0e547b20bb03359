/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 12

/* What kgr_ctl_parse says of a command line of at most ARGS_MAX words, with stderr out of the way. */
static enum kgr_ctl_parsed parse(struct kgr_ctl_options *out,
                                 const struct kgr_ctl_command **out_command, const char *line)
{
    static char words[256];
    static char program[] = "kgrctl";
    static char *argv[ARGS_MAX + 2]; /* the operands point into it */
    char *rest = NULL;
    int argc = 1;

    memset(argv, 0, sizeof(argv));
    argv[0] = program;
    (void)snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok_r(words, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        assert_true(argc <= ARGS_MAX);
        argv[argc++] = w;
    }
    return kgr_ctl_parse(out, out_command, argc, argv);
}

static void parse_options_anywhere_are_taken(void **state)
{
    const struct kgr_ctl_command *command = NULL;
    struct kgr_ctl_options o;

    (void)state;
    assert_int_equal(parse(&o, &command, "--json request -t 5 N2 --socket /x"), KGR_CTL_RUN);
    assert_string_equal(command->name, "request");
    assert_true(o.json);
    assert_int_equal(o.timeout_s, 5);
    assert_string_equal(o.socket, "/x");
    assert_int_equal(o.num_operands, 1);
    assert_string_equal(o.operands[0], "N2");
    assert_false(o.no_wait);
    assert_int_equal(parse(&o, &command, "renew --nksk --storage-key"), KGR_CTL_RUN);
    assert_true(o.nksk && o.storage_key);
    assert_int_equal(parse(&o, &command, "open N2 --input a -o b --aad c --stored"), KGR_CTL_RUN);
    assert_string_equal(command->name, "open");
    assert_string_equal(o.input, "a");
    assert_string_equal(o.output, "b");
    assert_string_equal(o.aad, "c");
    assert_true(o.stored);
    assert_int_equal(parse(&o, &command, "wait N2 -g 18446744073709551615"), KGR_CTL_RUN);
    assert_true(o.generation == UINT64_MAX);
    assert_int_equal(o.timeout_s, 30);
    assert_false(o.has_timeout);
    assert_int_equal(parse(&o, &command, "recv --count 0 -t 7 --lines"), KGR_CTL_RUN);
    assert_true(o.has_count && o.count == 0 && o.has_timeout && o.lines && !o.raw);
    assert_int_equal(o.num_operands, 0);
    assert_int_equal(parse(&o, &command, "events -p N2 -m 3"), KGR_CTL_RUN);
    assert_string_equal(o.peer, "N2");
    assert_true(o.count == 3);
    assert_int_equal(parse(&o, &command, "send N2 -"), KGR_CTL_RUN);
    assert_string_equal(o.operands[1], "-");
    assert_int_equal(parse(&o, &command, "--ks status"), KGR_CTL_RUN);
    assert_true(o.ks);
    assert_int_equal(parse(&o, &command, "handle -- -x"), KGR_CTL_RUN);
    assert_string_equal(o.operands[0], "-x");
}

static void parse_wrong_lines_are_usage(void **state)
{
    static const char *const lines[] = {
        "",
        "nonsense",
        "status extra",
        "topics",
        "topics a b",
        "--nonsense status",
        "status --socket",
        "request N2 -t x",
        "request N2 -t -1",
        "request N2 -t 999999999999",
        "wait N2 -g 0",
        "wait N2 -g 18446744073709551616",
        "peers --ks",
        "peers -s",
        "seal N2 --json",
        "status --no-wait",
        "send",
        "send N2 a b",
        "send N2 --json",
        "recv N2 -m x",
        "recv N2 -p N2",
        "events N2",
        "events --peer",
    };
    const struct kgr_ctl_command *command = NULL;
    struct kgr_ctl_options o = {.timeout_s = 77};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (parse(&o, &command, lines[i]) != KGR_CTL_USAGE)
            fail_msg("'%s' was accepted", lines[i]);
    assert_null(command);
    assert_int_equal(o.timeout_s, 77);
}

static void parse_help_and_version_end_it(void **state)
{
    const struct kgr_ctl_command *command = NULL;
    struct kgr_ctl_options o;

    (void)state;
    assert_int_equal(parse(&o, &command, "--help"), KGR_CTL_DONE);
    assert_int_equal(parse(&o, &command, "request --version"), KGR_CTL_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_options_anywhere_are_taken),
        cmocka_unit_test(parse_wrong_lines_are_usage),
        cmocka_unit_test(parse_help_and_version_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
