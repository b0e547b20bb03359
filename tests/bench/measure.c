/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/explain.h"

struct bench_effort bench_effort = {
    .slice_ms = 40, .num_repetitions = 61, .round_ms = 300, .num_rounds = 15, .idle_s = 60};

void bench_must(bool ok, const char *format, ...)
{
    va_list args;

    if (ok)
        return;
    va_start(args, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

uint64_t bench_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void bench_sleep_ms(unsigned int ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&ts, &ts) != 0) {
    }
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double bench_median(double *values, size_t num)
{
    qsort(values, num, sizeof(*values), by_value);
    return num % 2 == 1 ? values[num / 2] : (values[num / 2 - 1] + values[num / 2]) / 2;
}

/* Nanoseconds of num operations. */
static uint64_t run(const struct bench_side *side, size_t num)
{
    uint64_t start = bench_now_ns();

    for (size_t i = 0; i < num; i++)
        side->op(side->ctx);
    return bench_now_ns() - start;
}

/* Warms up for two slices, and returns how many operations fit one. */
static size_t calibrate(const struct bench_side *side)
{
    uint64_t slice = (uint64_t)bench_effort.slice_ms * 1000000u;
    uint64_t spent = 0;
    size_t done = 0, num = 1;

    while (spent < 2 * slice) {
        spent += run(side, num);
        done += num;
        num = num < 1024 ? 2 * num : num;
    }
    num = (size_t)((double)slice / ((double)spent / (double)done));
    return num == 0 ? 1 : num;
}

static double one(const struct bench_side *side, size_t num)
{
    size_t units = side->units == 0 ? 1 : side->units;

    uint64_t ns = run(side, num);

    return (double)ns / (double)num / (double)units / 1000;
}

void bench_compare(struct bench_result *out, const struct bench_side *ours,
                   const struct bench_side *theirs)
{
    double a[BENCH_REPETITIONS_MAX], b[BENCH_REPETITIONS_MAX];
    size_t num = bench_effort.num_repetitions;
    size_t num_ours = calibrate(ours);
    size_t num_theirs = theirs == NULL ? 0 : calibrate(theirs);

    for (size_t i = 0; i < num; i++) {
        a[i] = one(ours, num_ours);
        if (theirs != NULL)
            b[i] = one(theirs, num_theirs);
    }
    bench_explain(ours, num_ours);
    if (theirs != NULL)
        bench_explain(theirs, num_theirs);
    out->ours = bench_median(a, num);
    out->theirs = theirs == NULL ? NAN : bench_median(b, num);
}
