/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kgr/client.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/times.h"

/*
 * The exchange of fresh pairs, from the first request until both ends may send, against what its TPM commands and
 * synced writes took themselves, in all services together.
 */

#define PAIRS_MAX 512

struct end {
    struct kgr_client *client;
    char id[KGR_PEER_MAX + 1];
    char socket[256];
};

struct exchange {
    uint64_t start_ns;
    uint64_t end_ns;
};

/* The other end, in a thread of its own: it hears of the pair when the KS tells its agent. */
struct other {
    struct end *end;
    const char *peer;
    struct kgr_events *events;
    uint64_t ready_ns;
};

static void wait_ready(struct end *end, const char *peer)
{
    struct kgr_peer state;

    bench_ok(kgr_wait(end->client, peer, 1, 30000, &state), "kgr_wait");
    bench_must(state.may_send && state.may_receive, "%s is ready but may not send", peer);
}

static void *watch(void *arg)
{
    struct other *other = arg;
    struct kgr_event event;

    do {
        bench_ok(kgr_events_next(other->events, &event, 30000), "kgr_events_next");
    } while (event.type != KGR_EVENT_KEY_READY || strcmp(event.peer, other->peer) != 0);
    wait_ready(other->end, other->peer);
    other->ready_ns = bench_now_ns();
    return NULL;
}

static void open_end(struct end *end, unsigned long i)
{
    struct kgr_client_options options = {.socket = end->socket, .name = "bench"};

    (void)snprintf(end->socket, sizeof(end->socket), "%s/node-%lu/agent.sock",
                   bench_env("BENCH_PAIRS"), i);
    (void)snprintf(end->id, sizeof(end->id), "gateway-%05lu", i);
    bench_ok(kgr_client_new(&end->client, &options), "kgr_client_new");
}

static void establish(struct exchange *out, struct end *one, struct end *two)
{
    struct other other = {.end = two, .peer = one->id};
    struct kgr_status status;
    pthread_t thread;
    uint64_t ready_ns;

    bench_ok(kgr_get_status(one->client, &status), "kgr_get_status");
    bench_ok(kgr_events_open(two->client, &other.events, NULL), "kgr_events_open");
    bench_must(pthread_create(&thread, NULL, watch, &other) == 0, "no thread");
    bench_sleep_ms(20);
    out->start_ns = bench_now_ns();
    bench_ok(kgr_request(one->client, two->id), "kgr_request");
    wait_ready(one, two->id);
    ready_ns = bench_now_ns();
    bench_must(pthread_join(thread, NULL) == 0, "no thread");
    out->end_ns = ready_ns > other.ready_ns ? ready_ns : other.ready_ns;
    kgr_events_close(other.events);
    bench_sleep_ms(50); /* what follows the exchange is over then */
}

/* BENCH_EXPLAIN=1: what each service did in one exchange. */
static void explain(const struct bench_time *times, size_t num, const struct exchange *x)
{
    fprintf(stderr, "exchange of %.3f ms: at, for (ms), who, what (0: synced write)\n",
            (double)(x->end_ns - x->start_ns) / 1e6);
    for (size_t i = 0; i < num; i++) {
        const struct bench_time *t = &times[i];

        if (t->start_ns >= x->start_ns && t->end_ns <= x->end_ns)
            fprintf(stderr, "%8.3f %7.3f %s 0x%x\n", (double)(t->start_ns - x->start_ns) / 1e6,
                    (double)(t->end_ns - t->start_ns) / 1e6, t->service, (unsigned)t->command);
    }
}

static double own_ms(const struct bench_time *times, size_t num, const struct exchange *x)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < num; i++) {
        if (times[i].start_ns >= x->start_ns && times[i].end_ns <= x->end_ns)
            sum += times[i].end_ns - times[i].start_ns;
    }
    return (double)sum / 1e6;
}

static int by_start(const void *a, const void *b)
{
    const struct bench_time *x = a, *y = b;

    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static void judge(struct bench_result *out, const struct exchange *list, size_t num_pairs)
{
    static double ours[PAIRS_MAX], theirs[PAIRS_MAX];
    struct bench_time *times;
    size_t num;

    bench_times_read(bench_env("BENCH_TIMES"), &times, &num);
    qsort(times, num, sizeof(*times), by_start);
    for (size_t i = 0; i < num_pairs; i++) {
        ours[i] = (double)(list[i].end_ns - list[i].start_ns) / 1e6;
        theirs[i] = own_ms(times, num, &list[i]);
        bench_must(theirs[i] > 0, "no command was noted: the services lack libkgrtimes.so");
    }
    if (getenv("BENCH_EXPLAIN") != NULL)
        explain(times, num, &list[num_pairs / 2]);
    out->ours = bench_median(ours, num_pairs);
    out->theirs = bench_median(theirs, num_pairs);
    free(times);
}

static void exchange(struct bench_result *out)
{
    static struct exchange list[PAIRS_MAX];
    unsigned long num = bench_env_number("BENCH_PAIRS_NODES");
    struct end *ends = calloc(num + 1, sizeof(*ends));
    size_t num_pairs = 0;

    bench_must(ends != NULL && num >= 4 && num * num / 2 < PAIRS_MAX, "%lu nodes", num);
    for (unsigned long i = 1; i <= num; i++)
        open_end(&ends[i], i);
    /* The lab joined node 1 with the others. */
    for (unsigned long i = 2; i < num; i++) {
        for (unsigned long j = i + 1; j <= num; j++)
            establish(&list[num_pairs++], &ends[i], &ends[j]);
    }
    judge(out, list, num_pairs);
    for (unsigned long i = 1; i <= num; i++)
        kgr_client_free(ends[i].client);
    free(ends);
}

const struct bench_row bench_rows_exchange[] = {
    {.name = "exchange-resident",
     .needs = "pairs",
     .ours = "resident, first request to both ends ready",
     .theirs = "its TPM commands and synced writes",
     .unit = "ms",
     .sense = BENCH_COST,
     .must = 1.5,
     .run = exchange},
    {.name = NULL},
};
