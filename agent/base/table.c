/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/table.h"

#include <stdlib.h>
#include <string.h>

#define GAP       2
#define FIRST_MIN 8 /* the first column is not cut below this */

void kgr_table_init(struct kgr_table *table, const struct kgr_table_column *columns,
                    size_t num_columns, size_t coloured)
{
    memset(table, 0, sizeof(*table));
    table->columns = columns;
    table->num_columns = num_columns;
    table->coloured = coloured;
}

void kgr_table_deinit(struct kgr_table *table)
{
    for (size_t r = 0; r < table->num_rows; r++)
        for (size_t c = 0; c < table->num_columns; c++)
            free(table->rows[r].cells[c]);
    free(table->rows);
    memset(table, 0, sizeof(*table));
}

void kgr_table_add(struct kgr_table *table, enum kgr_table_colour colour, const char *const *cells)
{
    struct kgr_table_row *rows;
    struct kgr_table_row *row;

    if (table->failed)
        return;
    rows = realloc(table->rows, (table->num_rows + 1) * sizeof(*rows));
    if (rows == NULL) {
        table->failed = true;
        return;
    }
    table->rows = rows;
    row = &rows[table->num_rows];
    memset(row, 0, sizeof(*row));
    row->colour = colour;
    table->num_rows++;
    for (size_t c = 0; c < table->num_columns; c++) {
        row->cells[c] = strdup(cells[c]);
        if (row->cells[c] == NULL)
            table->failed = true;
    }
}

static size_t total_width(const size_t *widths, size_t num)
{
    size_t total = 0;

    for (size_t c = 0; c < num; c++)
        if (widths[c] != 0)
            total += widths[c] + (total == 0 ? 0 : GAP);
    return total;
}

/* The widths of the columns, 0 for those that are left out. */
static void measure(const struct kgr_table *table, size_t *widths, size_t width)
{
    size_t total;

    for (size_t c = 0; c < table->num_columns; c++) {
        widths[c] = strlen(table->columns[c].title);
        for (size_t r = 0; r < table->num_rows; r++) {
            size_t len = strlen(table->rows[r].cells[c]);

            widths[c] = len > widths[c] ? len : widths[c];
        }
    }
    while (width != 0 && total_width(widths, table->num_columns) > width) {
        size_t drop = 0;

        for (size_t c = 1; c < table->num_columns; c++)
            if (widths[c] != 0 && table->columns[c].rank > table->columns[drop].rank)
                drop = c;
        if (drop == 0)
            break;
        widths[drop] = 0;
    }
    total = total_width(widths, table->num_columns);
    if (width != 0 && total > width) {
        size_t over = total - width;

        widths[0] = widths[0] > FIRST_MIN + over ? widths[0] - over
                    : widths[0] > FIRST_MIN      ? FIRST_MIN
                                                 : widths[0];
    }
}

static const char *colour_code(enum kgr_table_colour colour)
{
    switch (colour) {
    case KGR_TABLE_GOOD:
        return "\033[32m";
    case KGR_TABLE_WARN:
        return "\033[33m";
    case KGR_TABLE_BAD:
        return "\033[31m";
    case KGR_TABLE_PLAIN:
    default:
        return "";
    }
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last,
                       const char *colour)
{
    size_t len = strlen(text);
    bool cut = len > width;
    size_t shown = cut ? width - 2 : len;
    size_t pad = cut ? 0 : width - len;

    if (right)
        (void)fprintf(out, "%*s", (int)pad, "");
    (void)fprintf(out, "%s%.*s%s%s", colour, (int)shown, text, cut ? ".." : "",
                  colour[0] == '\0' ? "" : "\033[0m");
    /* No spaces at the end of a line. */
    if (!last)
        (void)fprintf(out, "%*s", (int)((right ? 0 : pad) + GAP), "");
}

bool kgr_table_print(const struct kgr_table *table, FILE *out, size_t width, bool colours)
{
    size_t widths[KGR_TABLE_COLUMNS_MAX] = {0};

    if (table->failed)
        return false;
    measure(table, widths, width);
    for (size_t r = 0; r <= table->num_rows; r++) {
        const char *texts[KGR_TABLE_COLUMNS_MAX];
        size_t last = 0;

        for (size_t c = 0; c < table->num_columns; c++) {
            texts[c] = r == 0 ? table->columns[c].title : table->rows[r - 1].cells[c];
            if (widths[c] != 0 && texts[c][0] != '\0')
                last = c;
        }
        for (size_t c = 0; c <= last; c++) {
            bool tint = colours && r != 0 && c == table->coloured;

            if (widths[c] != 0)
                print_cell(out, texts[c], widths[c], table->columns[c].right, c == last,
                           tint ? colour_code(table->rows[r - 1].colour) : "");
        }
        (void)fputc('\n', out);
    }
    return true;
}
