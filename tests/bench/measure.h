/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/row.h"

/* One of the two that are compared: op does the work once, or ends the program. */
struct bench_side {
    void (*op)(void *ctx);
    void *ctx;
    size_t units; /* of work in one op: what is reported is the time of one */
};

/* How long and how often; set once by main. */
struct bench_effort {
    unsigned int slice_ms; /* of one side in one repetition of bench_compare */
    unsigned int num_repetitions;
    unsigned int round_ms; /* the same where a repetition needs processes of its own */
    unsigned int num_rounds;
    unsigned int idle_s; /* how long an idle agent is watched */
};

#define BENCH_REPETITIONS_MAX 101

extern struct bench_effort bench_effort;

/*
 * bench_compare warms both sides up, finds how many times each fits its slice, and then runs them by turns, so that a
 * drift of the machine hits both. out gets the medians over the repetitions, in microseconds. theirs may be NULL.
 */
void bench_compare(struct bench_result *out, const struct bench_side *ours,
                   const struct bench_side *theirs);

/* bench_median sorts values. */
double bench_median(double *values, size_t num);
uint64_t bench_now_ns(void);
void bench_sleep_ms(unsigned int ms);

/* bench_must ends the program with what failed, unless ok. */
void bench_must(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
