/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <jansson.h>

#include "agent/base/diag.h"
#include "agent/base/table.h"

/* kgr_ac_print_json writes value (NULL: memory ran out) and a line end to stdout; value stays the caller's. */
KGR_MUST_CHECK enum kgr_error kgr_ac_print_json(const json_t *value, struct kgr_diag *diag);
/* kgr_ac_print_table fits table to the terminal, prints it to stdout and frees it. */
KGR_MUST_CHECK enum kgr_error kgr_ac_print_table(struct kgr_table *table, struct kgr_diag *diag);
