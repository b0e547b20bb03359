/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kgr-bench --list
 * kgr-bench [--quick] ROW...: measures rows in the parts that the environment names (lab.h), and prints a line of
 * JSON for each. scripts/bench starts the parts and calls it.
 */
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/measure.h"
#include "tests/bench/row.h"
#include "tests/bench/start.h"

/* In this order, for the crowd of peers only grows. */
static const struct bench_row *const all[] = {
    bench_rows_resident, bench_rows_sealed,   bench_rows_batch, bench_rows_aead,  bench_rows_pkcs11,
    bench_rows_clients,  bench_rows_exchange, bench_rows_agent, bench_rows_start,
};

static const struct bench_row *find(const char *name)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (const struct bench_row *row = all[i]; row->name != NULL; row++) {
            if (strcmp(row->name, name) == 0)
                return row;
        }
    }
    return NULL;
}

static void list(void)
{
    static const char *const senses[] = {[BENCH_SPEED] = "speed",
                                         [BENCH_GAIN] = "gain",
                                         [BENCH_COST] = "cost",
                                         [BENCH_MOST] = "most"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (const struct bench_row *row = all[i]; row->name != NULL; row++)
            printf("%s\t%s\t%s\t%s\t%s\n", row->name, row->needs, senses[row->sense], row->ours,
                   row->theirs == NULL ? "" : row->theirs);
    }
}

static void print_number(const char *name, double value)
{
    if (isnan(value))
        printf("\"%s\": null, ", name);
    else
        printf("\"%s\": %.5g, ", name, value);
}

static void print(const struct bench_row *row, const struct bench_result *r)
{
    double ratio = row->sense == BENCH_SPEED ? r->theirs / r->ours : r->ours / r->theirs;
    double judged = row->sense == BENCH_MOST ? r->ours : ratio;
    bool at_least = row->sense == BENCH_SPEED || row->sense == BENCH_GAIN;
    bool ok = at_least ? judged >= row->must : judged <= row->must;

    printf("{\"name\": \"%s\", ", row->name);
    print_number("ours", r->ours);
    print_number("theirs", r->theirs);
    printf("\"unit\": \"%s\", ", row->unit);
    print_number("ratio", row->sense == BENCH_MOST ? NAN : ratio);
    print_number("must", row->must > 0 ? row->must : NAN);
    printf("\"ok\": %s}\n", row->must > 0 ? (ok ? "true" : "false") : "null");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    int i = 1;

    (void)signal(SIGPIPE, SIG_IGN);
    bench_start_program(argv[0]);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--child") == 0) {
        bench_start_child(argv[2]);
        return 0;
    }
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            bench_effort = (struct bench_effort){8, 31, 60, 7, 10};
        else if (strcmp(argv[i], "--smoke") == 0)
            bench_effort = (struct bench_effort){1, 5, 5, 5, 1};
        else
            bench_must(false, "unknown option %s", argv[i]);
    }
    bench_must(i < argc, "usage: kgr-bench --list | [--quick] ROW...");
    for (; i < argc; i++) {
        const struct bench_row *row = find(argv[i]);
        struct bench_result result = {.theirs = NAN};

        bench_must(row != NULL, "there is no row %s", argv[i]);
        row->run(&result);
        print(row, &result);
    }
    return 0;
}
