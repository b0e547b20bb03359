/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/*
 * One line of what scripts/bench prints: something of ours against something beside it, measured by run with whatever
 * the environment names (lab.h). run ends the program with a message where it cannot measure.
 */
enum bench_sense {
    BENCH_SPEED, /* ratio = theirs / ours, where both are times: at least must */
    BENCH_GAIN,  /* ratio = ours / theirs, where both are rates: at least must */
    BENCH_COST,  /* ratio = ours / theirs, where both are times: at most must */
    BENCH_MOST   /* nothing beside it: ours at most must */
};

struct bench_result {
    double ours;
    double theirs; /* NAN: nothing beside it */
};

struct bench_row {
    const char *name;
    const char *needs; /* words that scripts/bench knows: which parts must stand */
    const char *ours;
    const char *theirs; /* NULL: nothing beside it */
    const char *unit;
    enum bench_sense sense;
    double must; /* 0: none */
    void (*run)(struct bench_result *out);
};

/* Rows that stand together, ended by one without a name. */
extern const struct bench_row bench_rows_resident[];
extern const struct bench_row bench_rows_sealed[];
extern const struct bench_row bench_rows_batch[];
extern const struct bench_row bench_rows_aead[];
extern const struct bench_row bench_rows_pkcs11[];
extern const struct bench_row bench_rows_clients[];
extern const struct bench_row bench_rows_exchange[];
extern const struct bench_row bench_rows_agent[];
extern const struct bench_row bench_rows_start[];
