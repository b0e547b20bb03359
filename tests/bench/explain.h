/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tests/bench/measure.h"

/*
 * bench_explain: with BENCH_EXPLAIN=1, runs side once more and tells on stderr how much CPU each process spent on one
 * operation: this one, and those that BENCH_PROCESSES names ("agent=123 tpm=124").
 */
void bench_explain(const struct bench_side *side, size_t num);
