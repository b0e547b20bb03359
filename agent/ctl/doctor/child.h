/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/attr.h"

/*
 * kgr_child_run runs a program by its path, or by a name to be looked up in $PATH, with nothing on its standard input. It returns
 * both its outputs together, cut to fit, to be freed by the caller, and its exit code. NULL: it could not be run, was killed, or took
 * longer than 10 s. argv ends with NULL.
 */
KGR_MUST_CHECK char *kgr_child_run(const char *const argv[], int *out_code);
