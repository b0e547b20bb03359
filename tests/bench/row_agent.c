/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"

/* What an agent costs while nobody asks it anything. */

static double cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;

    bench_must(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0,
               "no CPU clock of process %d", (int)pid);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The first use of every key: in sealed custody its bytes are in the agent's memory from then on. */
static void use_all(void)
{
    struct kgr_client *client = bench_client("BENCH_CROWD");
    unsigned long num = bench_env_number("BENCH_CROWD_PEERS");
    uint8_t in[16] = {0}, out[sizeof(in) + KGR_RECORD_OVERHEAD];
    size_t n = 0;

    for (unsigned long i = 1; i <= num; i++) {
        char peer[KGR_PEER_MAX + 1];

        (void)snprintf(peer, sizeof(peer), "seed-%05lu", i);
        bench_ok(kgr_seal(client, peer, false, NULL, 0, in, sizeof(in), out, sizeof(out), &n),
                 peer);
    }
    kgr_client_free(client);
}

static void idle(struct bench_result *out)
{
    pid_t pid = (pid_t)bench_env_number("BENCH_CROWD_PID");
    double cpu;
    uint64_t start;

    use_all();
    bench_sleep_ms(2000);
    start = bench_now_ns();
    cpu = cpu_s(pid);
    bench_sleep_ms(1000 * bench_effort.idle_s);
    cpu = cpu_s(pid) - cpu;
    out->ours = 100 * cpu / ((double)(bench_now_ns() - start) / 1e9);
    out->theirs = NAN;
}

static void memory_of(struct bench_result *out, unsigned long pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%lu/status", pid);
    file = fopen(path, "re");
    bench_must(file != NULL, "cannot read %s", path);
    while (kib == 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    }
    (void)fclose(file);
    bench_must(kib != 0, "%s has no VmRSS", path);
    out->ours = (double)kib / 1024;
    out->theirs = NAN;
}

static void memory_one(struct bench_result *out)
{
    memory_of(out, bench_env_number("BENCH_SEALED_PID"));
}

static void memory_crowd(struct bench_result *out)
{
    use_all();
    memory_of(out, bench_env_number("BENCH_CROWD_PID"));
}

const struct bench_row bench_rows_agent[] = {
    {.name = "idle-cpu-100",
     .needs = "crowd-100",
     .ours = "CPU of an idle agent with 100 peers",
     .unit = "%",
     .sense = BENCH_MOST,
     .must = 0.2,
     .run = idle},
    {.name = "memory-1",
     .needs = "sealed",
     .ours = "VmRSS of an agent with one peer",
     .unit = "MiB",
     .sense = BENCH_MOST,
     .run = memory_one},
    {.name = "memory-100",
     .needs = "crowd-100",
     .ours = "VmRSS of an agent with 100 peers, all keys used",
     .unit = "MiB",
     .sense = BENCH_MOST,
     .run = memory_crowd},
    {.name = "memory-1000",
     .needs = "crowd-1000",
     .ours = "VmRSS of an agent with 1,000 peers, all keys used",
     .unit = "MiB",
     .sense = BENCH_MOST,
     .must = 24,
     .run = memory_crowd},
    {.name = NULL},
};
