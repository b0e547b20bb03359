/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/raw_evp.h"
#include "tests/bench/start.h"

/* What an agent costs, by the number of its peers. */

static double cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;

    bench_must(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0,
               "no CPU clock of process %d", (int)pid);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#define LEN 1024

struct crowd {
    struct kgr_client *client;
    struct raw_evp *evp;
    unsigned long num;
    unsigned long next;
    uint8_t in[LEN];
    uint8_t out[LEN + KGR_RECORD_OVERHEAD];
};

/* The next one of all peers each time: no key is warm in the CPU's cache. */
static void seal_next(void *arg)
{
    struct crowd *crowd = arg;
    char peer[KGR_PEER_MAX + 1];
    size_t n = 0;

    crowd->next = crowd->next % crowd->num + 1;
    (void)snprintf(peer, sizeof(peer), "seed-%05lu", crowd->next);
    bench_ok(kgr_seal(crowd->client, peer, false, NULL, 0, crowd->in, LEN, crowd->out,
                      sizeof(crowd->out), &n),
             peer);
}

static void seal_raw(void *arg)
{
    struct crowd *crowd = arg;

    raw_evp_seal(crowd->evp, crowd->in, LEN, crowd->out);
}

/* The first use of every key: in sealed custody its bytes are in the agent's memory from then on. */
static void begin(struct crowd *crowd)
{
    memset(crowd, 0, sizeof(*crowd));
    crowd->client = bench_client("BENCH_CROWD");
    crowd->num = bench_env_number("BENCH_CROWD_PEERS");
    crowd->evp = raw_evp_new();
    for (unsigned long i = 0; i < crowd->num; i++)
        seal_next(crowd);
}

static void end(struct crowd *crowd)
{
    raw_evp_free(crowd->evp);
    kgr_client_free(crowd->client);
}

static void peers(struct bench_result *out)
{
    struct crowd crowd;

    begin(&crowd);
    bench_compare(out, &(struct bench_side){.op = seal_next, .ctx = &crowd},
                  &(struct bench_side){.op = seal_raw, .ctx = &crowd});
    end(&crowd);
}

static void idle(struct bench_result *out)
{
    pid_t pid = (pid_t)bench_env_number("BENCH_CROWD_PID");
    struct crowd crowd;
    double cpu;
    uint64_t start;

    begin(&crowd);
    end(&crowd);
    bench_sleep_ms(2000);
    start = bench_now_ns();
    cpu = cpu_s(pid);
    bench_sleep_ms(1000 * bench_effort.idle_s);
    cpu = cpu_s(pid) - cpu;
    out->ours = 100 * cpu / ((double)(bench_now_ns() - start) / 1e9);
    out->theirs = NAN;
}

static void memory(struct bench_result *out)
{
    struct crowd crowd;
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *file;

    begin(&crowd);
    end(&crowd);
    (void)snprintf(path, sizeof(path), "/proc/%lu/status", bench_env_number("BENCH_CROWD_PID"));
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

#define START(num)                                                                                 \
    {                                                                                              \
        .name = "start-agent-" #num, .needs = "crowd-" #num " crowd-stopped",                      \
        .ours = "start of an agent with " #num " peers, to its first answer", .unit = "ms",        \
        .sense = BENCH_MOST, .run = bench_start_agent                                              \
    }
#define PEERS(num)                                                                                 \
    {                                                                                              \
        .name = "sealed-peers-" #num, .needs = "crowd-" #num,                                      \
        .ours = "sealed, seal 1 KiB by kgr_seal, " #num " peers by turns",                         \
        .theirs = "EVP in the process, one key", .unit = "us", .sense = BENCH_SPEED, .run = peers  \
    }
#define MEMORY(num, most)                                                                          \
    {                                                                                              \
        .name = "memory-" #num, .needs = "crowd-" #num,                                            \
        .ours = "VmRSS of an agent with " #num " peers, all keys used", .unit = "MiB",             \
        .sense = BENCH_MOST, .must = (most), .run = memory                                         \
    }

/* The crowd only grows. */
const struct bench_row bench_rows_agent[] = {
    START(1),
    PEERS(1),
    MEMORY(1, 0),
    START(10),
    PEERS(10),
    MEMORY(10, 0),
    START(100),
    PEERS(100),
    {.name = "idle-cpu-100",
     .needs = "crowd-100",
     .ours = "CPU of an idle agent with 100 peers",
     .unit = "%",
     .sense = BENCH_MOST,
     .must = 0.2,
     .run = idle},
    MEMORY(100, 0),
    START(1000),
    PEERS(1000),
    MEMORY(1000, 24),
    {.name = NULL},
};
