/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/ctl/ctl.h"

enum kgr_ctl_parsed {
    KGR_CTL_RUN,   /* both outputs are filled */
    KGR_CTL_DONE,  /* help or the version was printed */
    KGR_CTL_USAGE, /* a line on stderr says what is wrong */
};

/*
 * kgr_ctl_parse reads the command line, options anywhere; --help and --version print to stdout. Uses getopt's globals:
 * not thread-safe.
 */
enum kgr_ctl_parsed kgr_ctl_parse(struct kgr_ctl_options *out,
                                  const struct kgr_ctl_command **out_command, int argc,
                                  char **argv);

/* kgr_ctl_find_command: NULL when there is none of that name. */
const struct kgr_ctl_command *kgr_ctl_find_command(const char *name);

/*
 * For completion. kgr_ctl_option_name is the i-th option, with its dashes, that command may take (NULL: before a command is named);
 * NULL behind the last. kgr_ctl_argument_of says what follows word, should it be an option that stands alone.
 */
const char *kgr_ctl_option_name(const struct kgr_ctl_command *command, size_t i);
enum kgr_ctl_argument {
    KGR_CTL_ARGUMENT_NONE,
    KGR_CTL_ARGUMENT_FILE,
    KGR_CTL_ARGUMENT_PEER,
    KGR_CTL_ARGUMENT_OTHER,
};
enum kgr_ctl_argument kgr_ctl_argument_of(const char *word);
