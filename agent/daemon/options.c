/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/help.h"
#include "agent/base/nearest.h"

#define NUM_COMMON  4
#define HELP_COLUMN 31
/* What getopt_long returns for a long option: above every character. */
#define OPT_BASE 0x100

enum { COMMON_HELP, COMMON_VERSION, COMMON_CONFIG, COMMON_CHECK };

/* The common options, then those of the command. */
struct table {
    struct option longs[NUM_COMMON + KGR_OPTIONS_MAX + 1];
    char shorts[2 + 2 * (3 + KGR_OPTIONS_MAX) + 1];
};

static size_t count_options(const struct kgr_command *command)
{
    size_t num = 0;

    while (command != NULL && command->options != NULL && command->options[num].name != NULL)
        num++;
    assert(num <= KGR_OPTIONS_MAX);
    return num;
}

static void fill_table(struct table *table, const struct kgr_command *command)
{
    static const struct option common[NUM_COMMON] = {
        {"help", no_argument, NULL, OPT_BASE + COMMON_HELP},
        {"version", no_argument, NULL, OPT_BASE + COMMON_VERSION},
        {"config", required_argument, NULL, OPT_BASE + COMMON_CONFIG},
        {"check", no_argument, NULL, OPT_BASE + COMMON_CHECK},
    };
    size_t len = 0, num = count_options(command);

    memset(table, 0, sizeof(*table));
    memcpy(table->longs, common, sizeof(common));
    /* Before the command the first word ends the options; behind it they may stand anywhere. */
    if (command == NULL)
        table->shorts[len++] = '+';
    table->shorts[len++] = ':';
    table->shorts[len++] = 'h';
    for (size_t i = 0; i < num; i++) {
        const struct kgr_option *option = &command->options[i];

        table->longs[NUM_COMMON + i] =
            (struct option){option->name, option->arg != NULL ? required_argument : no_argument,
                            NULL, (int)(OPT_BASE + NUM_COMMON + i)};
        if (option->letter == 0)
            continue;
        table->shorts[len++] = option->letter;
        if (option->arg != NULL)
            table->shorts[len++] = ':';
    }
}

static void print_option(const struct kgr_option *option)
{
    char names[64];

    (void)snprintf(names, sizeof(names), "%c%c%s--%s%s%s", option->letter != 0 ? '-' : ' ',
                   option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : "  ",
                   option->name, option->arg != NULL ? " " : "",
                   option->arg != NULL ? option->arg : "");
    kgr_help_item(stdout, 6, names, HELP_COLUMN, option->help);
}

static void print_help(const struct kgr_program *program)
{
    static const struct kgr_option help = {"help", 'h', NULL, "show this and exit"};
    static const struct kgr_option check = {
        "check", 0, NULL, "show every mistake in the configuration, and do nothing else"};
    static const struct kgr_option version = {"version", 0, NULL, "show the version and exit"};

    printf("Usage: %s [--config FILE] COMMAND [options]\n%s\n\nCommands:\n", program->name,
           program->summary);
    for (const struct kgr_command *command = program->commands; command->name != NULL; command++) {
        char usage[64];

        (void)snprintf(usage, sizeof(usage), "%s%s%s", command->name,
                       command->operands != NULL ? " " : "",
                       command->operands != NULL ? command->operands : "");
        kgr_help_item(stdout, 2, usage, HELP_COLUMN, command->help);
        for (size_t i = 0; i < count_options(command); i++)
            print_option(&command->options[i]);
    }
    printf("\nOptions:\n      %-24s configuration (default: %s)\n", "    --config FILE",
           program->default_config);
    print_option(&check);
    print_option(&help);
    print_option(&version);
}

static enum kgr_options_result usage_error(const struct kgr_program *program, const char *what,
                                           const char *name)
{
    (void)fprintf(stderr, "%s: %s%s%s; see %s --help\n", program->name, what,
                  name != NULL ? " " : "", name != NULL ? name : "", program->name);
    return KGR_OPTIONS_USAGE;
}

static size_t option_index(const struct kgr_command *command, int got)
{
    if (got >= OPT_BASE)
        return (size_t)(got - OPT_BASE) - NUM_COMMON;
    for (size_t i = 0;; i++)
        if (command->options[i].letter == (char)got)
            return i;
}

/* Takes options until getopt has no more; the words left begin at optind. */
static enum kgr_options_result take_options(struct kgr_options *out,
                                            const struct kgr_program *program,
                                            const struct kgr_command *command, int argc,
                                            char **argv)
{
    struct table table;
    int got;

    fill_table(&table, command);
    optind = 0; /* glibc: start anew, also with another table */
    opterr = 0;
    while ((got = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
        if (got == '?')
            return usage_error(program, "unknown option", argv[optind - 1]);
        if (got == ':')
            return usage_error(program, "an argument is missing after", argv[optind - 1]);
        if (got == 'h' || got == OPT_BASE + COMMON_HELP) {
            print_help(program);
            return KGR_OPTIONS_DONE;
        }
        if (got == OPT_BASE + COMMON_VERSION) {
            printf("%s %s\n", program->name, KGR_VERSION);
            return KGR_OPTIONS_DONE;
        }
        if (got == OPT_BASE + COMMON_CONFIG)
            out->config = optarg;
        else if (got == OPT_BASE + COMMON_CHECK)
            out->check = true;
        else
            out->values[option_index(command, got)] = optarg != NULL ? optarg : "";
    }
    return KGR_OPTIONS_RUN;
}

/* How many of the words name the command: two, one, or none. */
static int matches(const struct kgr_command *command, int argc, char **argv)
{
    const char *space = strchr(command->name, ' ');
    size_t first = space == NULL ? strlen(command->name) : (size_t)(space - command->name);

    if (strlen(argv[0]) != first || strncmp(argv[0], command->name, first) != 0)
        return 0;
    if (space == NULL)
        return 1;
    return argc > 1 && strcmp(space + 1, argv[1]) == 0 ? 2 : 0;
}

/* The index of the command that most words name, and how many; none is the index of the table's end. */
static size_t find_command(const struct kgr_program *program, int argc, char **argv, int *out_words)
{
    size_t i, best = 0;

    *out_words = 0;
    for (i = 0; program->commands[i].name != NULL; i++) {
        int words = matches(&program->commands[i], argc, argv);

        if (words > *out_words) {
            *out_words = words;
            best = i;
        }
    }
    return *out_words == 0 ? i : best;
}

/* The command that was probably meant, of which the last words may be operands. */
static enum kgr_options_result unknown_command(const struct kgr_program *program, int argc,
                                               char **argv)
{
    struct kgr_nearest one, two, *found = &one;
    char words[128], what[256];

    (void)snprintf(words, sizeof(words), "%s%s%s", argv[0], argc > 1 ? " " : "",
                   argc > 1 ? argv[1] : "");
    kgr_nearest_begin(&one, argv[0]);
    kgr_nearest_begin(&two, words);
    for (size_t i = 0; program->commands[i].name != NULL; i++) {
        kgr_nearest_try(&one, program->commands[i].name);
        kgr_nearest_try(&two, program->commands[i].name);
    }
    /* The word before an operand is near to every command that begins with it. */
    if (one.best == NULL || (argc > 1 && two.best != NULL))
        found = &two;
    if (found->best == NULL)
        return usage_error(program, "unknown command", argv[0]);
    (void)snprintf(what, sizeof(what), "unknown command %s, did you mean", found->typed);
    return usage_error(program, what, found->best);
}

enum kgr_options_result kgr_options_parse(struct kgr_options *out,
                                          const struct kgr_program *program, int argc, char **argv)
{
    struct kgr_options options = {.config = program->default_config};
    enum kgr_options_result result;
    int words;

    result = take_options(&options, program, NULL, argc, argv);
    if (result != KGR_OPTIONS_RUN)
        return result;
    if (options.check && optind >= argc) {
        *out = options;
        return KGR_OPTIONS_CHECK;
    }
    if (optind >= argc)
        return usage_error(program, "a command is missing", NULL);
    argc -= optind;
    argv += optind;
    options.command_index = find_command(program, argc, argv, &words);
    options.command = &program->commands[options.command_index];
    if (options.command->name == NULL)
        return unknown_command(program, argc, argv);
    argc -= words - 1; /* getopt steps over the last one */
    argv += words - 1;

    result = take_options(&options, program, options.command, argc, argv);
    if (result != KGR_OPTIONS_RUN)
        return result;
    words = argc - optind;
    if (words < options.command->num_operands)
        return usage_error(program, "too few operands for the command", options.command->name);
    if (words > options.command->num_operands + options.command->optional_operands)
        return usage_error(program, "too many operands for the command", options.command->name);
    options.operands = argv + optind;
    options.num_operands = words;
    *out = options;
    return options.check ? KGR_OPTIONS_CHECK : KGR_OPTIONS_RUN;
}
