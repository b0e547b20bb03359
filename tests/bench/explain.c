/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROCESSES_MAX 8

struct process {
    char name[32];
    clockid_t clock;
    double before_us;
};

static double cpu_us(clockid_t clock)
{
    struct timespec ts;

    bench_must(clock_gettime(clock, &ts) == 0, "a process that was to be watched is gone");
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static size_t find(struct process *out)
{
    const char *text = getenv("BENCH_PROCESSES");
    char copy[256], *rest = copy, *word;
    size_t num = 1;

    out[0] = (struct process){.name = "client", .clock = CLOCK_PROCESS_CPUTIME_ID};
    (void)snprintf(copy, sizeof(copy), "%s", text == NULL ? "" : text);
    while (num < PROCESSES_MAX && (word = strtok_r(rest, " ", &rest)) != NULL) {
        char *pid = strchr(word, '=');

        bench_must(pid != NULL, "BENCH_PROCESSES: %s", word);
        *pid = '\0';
        (void)snprintf(out[num].name, sizeof(out[num].name), "%s", word);
        bench_must(clock_getcpuclockid((pid_t)strtol(pid + 1, NULL, 10), &out[num].clock) == 0,
                   "no CPU clock of %s", word);
        num++;
    }
    return num;
}

void bench_explain(const struct bench_side *side, size_t num)
{
    struct process list[PROCESSES_MAX];
    size_t num_processes, units = side->units == 0 ? 1 : side->units;
    uint64_t start;
    double all = (double)num * (double)units;

    if (getenv("BENCH_EXPLAIN") == NULL)
        return;
    num_processes = find(list);
    for (size_t i = 0; i < num_processes; i++)
        list[i].before_us = cpu_us(list[i].clock);
    start = bench_now_ns();
    for (size_t i = 0; i < num; i++)
        side->op(side->ctx);
    (void)fprintf(stderr, "%.2f us, CPU:", (double)(bench_now_ns() - start) / 1000 / all);
    for (size_t i = 0; i < num_processes; i++)
        (void)fprintf(stderr, " %s %.2f", list[i].name,
                      (cpu_us(list[i].clock) - list[i].before_us) / all);
    (void)fputc('\n', stderr);
}
