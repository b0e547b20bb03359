/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

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
