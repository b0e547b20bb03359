/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Rows about starts run this program again as a child. */
void bench_start_program(const char *path);
/* bench_start_child is that child: "provider" or "module"; prints the milliseconds that it took. */
void bench_start_child(const char *what);
