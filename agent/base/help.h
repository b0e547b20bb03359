/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define KGR_HELP_WIDTH 80

/*
 * kgr_help_item writes name, margin columns from the left, and what it means from column on; the text is broken between words so that
 * no line is longer than KGR_HELP_WIDTH, and a name that is too long stands on a line of its own.
 */
void kgr_help_item(FILE *out, size_t margin, const char *name, size_t column, const char *text);
