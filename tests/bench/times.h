/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads what times.c wrote: how long the services' TPM commands and synced writes took. */
struct bench_time {
    char service[32]; /* PROGRAM.PID */
    uint32_t command; /* TPM2_CC; 0: a synced write */
    uint64_t start_ns;
    uint64_t end_ns;
};

/* bench_times_read reads all files in the folder; *out is freed with free(). */
void bench_times_read(const char *dir, struct bench_time **out, size_t *out_num);
