/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/print.h"

#include <stdio.h>

#include "agent/base/terminal.h"

enum kgr_error kgr_ac_print_json(const json_t *value, struct kgr_diag *diag)
{
    if (value == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    if (json_dumpf(value, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot write to the standard output");
    return KGR_OK;
}

enum kgr_error kgr_ac_print_table(struct kgr_table *table, struct kgr_diag *diag)
{
    const bool printed =
        kgr_table_print(table, stdout, kgr_terminal_width(stdout), kgr_terminal_colours(stdout));
    kgr_table_deinit(table);
    return printed ? KGR_OK : kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
}
