/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tests/bench/row.h"

/* Rows about starts run this program again as a child. */
void bench_start_program(const char *path);
/* bench_start_child is that child: "provider" or "module"; prints the milliseconds that it took. */
void bench_start_child(const char *what);
/* bench_start_agent is the run of a row: the agent of the crowd, which must not run; to its first answer. */
void bench_start_agent(struct bench_result *out);
