/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/attr.h"

/* What is wrong with a configuration: a line each, by file and line, whatever the order in which they were found. */
struct kgr_mistakes;

KGR_MUST_CHECK enum kgr_error kgr_mistakes_new(struct kgr_mistakes **out);
void kgr_mistakes_free(struct kgr_mistakes *mistakes); /* accepts NULL */
/*
 * kgr_mistakes_add keeps `FILE:LINE: text`, or `FILE: text` for no line: line 0 comes before the others of the file,
 * KGR_MISTAKES_LAST behind them. What stands there already is not kept twice. Without memory it keeps nothing but that
 * there was one.
 */
#define KGR_MISTAKES_LAST UINT_MAX
void kgr_mistakes_add(struct kgr_mistakes *mistakes, const char *file, unsigned line,
                      const char *text);
/* kgr_mistakes_num counts them; kgr_mistakes_line borrows the i-th. */
size_t kgr_mistakes_num(const struct kgr_mistakes *mistakes);
const char *kgr_mistakes_line(const struct kgr_mistakes *mistakes, size_t i);
/* kgr_mistakes_join writes as many of them as fit, a line each without a line feed behind the last. Returns out. */
char *kgr_mistakes_join(const struct kgr_mistakes *mistakes, char *out, size_t cap);
/* kgr_mistakes_any: also those that no memory was left for. */
bool kgr_mistakes_any(const struct kgr_mistakes *mistakes);
