/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"

/* Several processes at once, each with a client of its own, against one of them. */

#define CLIENTS_MAX 8

struct crew {
    int start[2]; /* closing the writing end starts all */
    int done[2];  /* each writes how many it sealed */
    size_t num;
    pid_t pids[CLIENTS_MAX];
};

struct work {
    const char *variable;
    size_t len;
};

/* One client: warm before it waits for the start, then as many as it can. */
static void work(const struct crew *crew, const struct work *w)
{
    struct kgr_client *client = bench_client(w->variable);
    const char *peer = bench_env("BENCH_PEER");
    uint64_t slice = (uint64_t)bench_effort.round_ms * 1000000u, end = 0, num = 0;
    uint8_t *in = calloc(1, w->len), *out = calloc(1, w->len + KGR_RECORD_OVERHEAD);
    char byte;
    size_t n = 0;

    bench_must(in != NULL && out != NULL, "no memory");
    for (int i = 0; i < 100; i++)
        bench_ok(kgr_seal(client, peer, false, NULL, 0, in, w->len, out,
                          w->len + KGR_RECORD_OVERHEAD, &n),
                 "kgr_seal");
    bench_must(write(crew->done[1], &num, sizeof(num)) == sizeof(num), "a pipe broke");
    while (read(crew->start[0], &byte, 1) != 0) {
    }
    for (end = bench_now_ns() + slice; bench_now_ns() < end; num++)
        bench_ok(kgr_seal(client, peer, false, NULL, 0, in, w->len, out,
                          w->len + KGR_RECORD_OVERHEAD, &n),
                 "kgr_seal");
    bench_must(write(crew->done[1], &num, sizeof(num)) == sizeof(num), "a pipe broke");
    free(in);
    free(out);
    kgr_client_free(client);
}

static uint64_t collect(const struct crew *crew)
{
    uint64_t sum = 0, num = 0;

    for (size_t i = 0; i < crew->num; i++) {
        bench_must(read(crew->done[0], &num, sizeof(num)) == sizeof(num), "a client ended early");
        sum += num;
    }
    return sum;
}

/* Megabytes a second of num clients together. */
static double rate(const struct work *w, size_t num)
{
    struct crew crew = {.num = num};
    uint64_t sum;

    bench_must(pipe(crew.start) == 0 && pipe(crew.done) == 0, "no pipe");
    for (size_t i = 0; i < num; i++) {
        crew.pids[i] = fork();
        bench_must(crew.pids[i] >= 0, "no process");
        if (crew.pids[i] == 0) {
            (void)close(crew.start[1]);
            (void)close(crew.done[0]);
            work(&crew, w);
            _exit(0);
        }
    }
    (void)close(crew.start[0]);
    (void)close(crew.done[1]);
    (void)collect(&crew); /* all are warm */
    (void)close(crew.start[1]);
    sum = collect(&crew);
    for (size_t i = 0; i < num; i++)
        bench_must(waitpid(crew.pids[i], NULL, 0) == crew.pids[i], "a client is lost");
    (void)close(crew.done[0]);
    return (double)sum * (double)w->len / ((double)bench_effort.round_ms / 1000) / 1e6;
}

static void measure(struct bench_result *out, const struct work *w, size_t num)
{
    double many[BENCH_REPETITIONS_MAX], one[BENCH_REPETITIONS_MAX];

    for (size_t i = 0; i < bench_effort.num_rounds; i++) {
        many[i] = rate(w, num);
        one[i] = rate(w, 1);
    }
    out->ours = bench_median(many, bench_effort.num_rounds);
    out->theirs = bench_median(one, bench_effort.num_rounds);
}

static void sealed_2_16384(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 16384}, 2);
}

static void sealed_4_16384(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 16384}, 4);
}

static void sealed_8_16384(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 16384}, 8);
}

static void sealed_2_1024(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 1024}, 2);
}

static void sealed_4_1024(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 1024}, 4);
}

static void sealed_8_1024(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_SEALED", 1024}, 8);
}

static void resident_2_944(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_RESIDENT", 944}, 2);
}

static void resident_4_944(struct bench_result *out)
{
    measure(out, &(struct work){"BENCH_AGENT_RESIDENT", 944}, 4);
}

#define ROW(custody, num, bytes, least)                                                            \
    {                                                                                              \
        .name = #custody "-clients-" #num "-" #bytes, .needs = #custody,                           \
        .ours = #custody ", " #num " clients at once, seal " #bytes " B", .theirs = "one client",  \
        .unit = "MB/s", .sense = BENCH_GAIN, .must = (least), .run = custody##_##num##_##bytes     \
    }

const struct bench_row bench_rows_clients[] = {
    ROW(sealed, 2, 16384, 1.6), ROW(sealed, 4, 16384, 0), ROW(sealed, 8, 16384, 0),
    ROW(sealed, 2, 1024, 0),    ROW(sealed, 4, 1024, 0),  ROW(sealed, 8, 1024, 0),
    ROW(resident, 2, 944, 0),   ROW(resident, 4, 944, 0), {.name = NULL},
};
