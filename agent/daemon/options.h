/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/attr.h"

/*
 * The command line of a daemon: PROGRAM [--config FILE] COMMAND [options] [operands], options anywhere,
 * with --help and --version; or PROGRAM [--config FILE] --check. The tables are static const.
 */
#define KGR_OPTIONS_MAX 8

struct kgr_option {
    const char *name; /* long name, without dashes; NULL ends the table */
    char letter;      /* short name, or 0 */
    const char *arg;  /* placeholder of its argument in the help, or NULL for a flag */
    const char *help;
};

struct kgr_command {
    const char *name;     /* one word, or two with a space between; NULL ends the table */
    const char *operands; /* as the help shows them, e.g. "FILE"; NULL for none */
    int num_operands;     /* at least so many */
    const char *help;
    const struct kgr_option *options; /* at most KGR_OPTIONS_MAX; may be NULL */
    int optional_operands;            /* so many more than num_operands may be given */
};

struct kgr_program {
    const char *name;
    const char *summary;
    const char *default_config;
    const struct kgr_command *commands;
};

/* All pointers borrow from argv or the tables. */
struct kgr_options {
    const char *config;
    const struct kgr_command *command;
    size_t command_index; /* of command in the program's table */
    const char
        *values[KGR_OPTIONS_MAX]; /* by index in command->options; NULL: absent; "" for a flag */
    char *const *operands;
    int num_operands; /* how many were given */
    bool check;
};

enum kgr_options_result {
    KGR_OPTIONS_RUN,   /* out is filled */
    KGR_OPTIONS_CHECK, /* the configuration is only to be checked: config of out is filled */
    KGR_OPTIONS_DONE,  /* help or version was printed: exit 0 */
    KGR_OPTIONS_USAGE, /* one line on stderr says what is wrong: exit 2 */
};

KGR_MUST_CHECK enum kgr_options_result kgr_options_parse(struct kgr_options *out,
                                                         const struct kgr_program *program,
                                                         int argc, char **argv);
