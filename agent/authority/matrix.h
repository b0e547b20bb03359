/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdio.h>

#include "agent/authority/roster.h"

/* Pictures of who may have keys with whom. Both write to out and leave its errors to the caller. */

/*
 * kgr_matrix_grid: a row and a column for each node, numbered; "+" allowed with a key, "o" allowed without one yet, "x" revoked,
 * "-" denied, "." never named. False without memory.
 */
KGR_MUST_CHECK bool kgr_matrix_grid(const struct kgr_roster *roster, FILE *out);
/* kgr_matrix_dot: a graph in the language of Graphviz: solid lines have a key, dashed ones none yet, red ones are revoked or denied. */
void kgr_matrix_dot(const struct kgr_roster *roster, FILE *out);

/* "allowed", "revoked" or "denied". */
const char *kgr_pair_status_word(const struct kgr_pair_entry *pair);
