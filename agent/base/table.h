/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A table for people. Text is ASCII. */
#define KGR_TABLE_COLUMNS_MAX 9

enum kgr_table_colour { KGR_TABLE_PLAIN, KGR_TABLE_GOOD, KGR_TABLE_WARN, KGR_TABLE_BAD };

struct kgr_table_column {
    const char *title;
    bool right;        /* numbers */
    unsigned int rank; /* 0: always shown; otherwise the highest goes first where room is short */
};

struct kgr_table_row {
    char *cells[KGR_TABLE_COLUMNS_MAX]; /* owned */
    enum kgr_table_colour colour;       /* shown by one cell of the row */
};

struct kgr_table {
    const struct kgr_table_column *columns; /* borrowed */
    size_t num_columns;                     /* at most KGR_TABLE_COLUMNS_MAX */
    size_t coloured;                        /* the column that shows a row's colour */
    struct kgr_table_row *rows;             /* owned */
    size_t num_rows;
    bool failed; /* memory ran out: nothing is printed */
};

void kgr_table_init(struct kgr_table *table, const struct kgr_table_column *columns,
                    size_t num_columns, size_t coloured);
void kgr_table_deinit(struct kgr_table *table);

/* kgr_table_add copies a row of num_columns cells. */
void kgr_table_add(struct kgr_table *table, enum kgr_table_colour colour, const char *const *cells);

/*
 * kgr_table_print fits the table to width columns (0: as wide as it likes): first columns of a rank other than 0 are left out, then
 * the first column is cut, marked by "..". False without memory.
 */
bool kgr_table_print(const struct kgr_table *table, FILE *out, size_t width, bool colours);
