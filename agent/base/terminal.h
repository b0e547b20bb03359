/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* kgr_terminal_width is the number of columns of the terminal behind file; 0: it is none. */
size_t kgr_terminal_width(FILE *file);

/* kgr_terminal_colours: file is a terminal that shows colours, and NO_COLOR does not forbid them. */
bool kgr_terminal_colours(FILE *file);
