/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/raw_evp.h"

/* Sealed custody, many messages in one call, against EVP in this process; the times are of one message. */

#define NUM 64

struct batch {
    struct kgr_client *client;
    const char *peer;
    struct raw_evp *evp;
    struct kgr_batch_item items[NUM];
};

static void seal(void *arg)
{
    struct batch *b = arg;

    bench_ok(kgr_seal_batch(b->client, b->peer, false, b->items, NUM), "kgr_seal_batch");
}

static void seal_raw(void *arg)
{
    struct batch *b = arg;

    for (size_t i = 0; i < NUM; i++)
        raw_evp_seal(b->evp, b->items[i].in, b->items[i].in_len, b->items[i].out);
}

static void measure(struct bench_result *out, size_t len)
{
    struct batch b = {.client = bench_client("BENCH_AGENT_SEALED"),
                      .peer = bench_env("BENCH_PEER"),
                      .evp = raw_evp_new()};
    uint8_t *in = calloc(NUM, len), *sealed = calloc(NUM, len + KGR_RECORD_OVERHEAD);

    bench_must(in != NULL && sealed != NULL, "no memory");
    for (size_t i = 0; i < NUM; i++)
        b.items[i] = (struct kgr_batch_item){.in = in + i * len,
                                             .in_len = len,
                                             .out = sealed + i * (len + KGR_RECORD_OVERHEAD),
                                             .out_cap = len + KGR_RECORD_OVERHEAD};
    bench_compare(out, &(struct bench_side){.op = seal, .ctx = &b, .units = NUM},
                  &(struct bench_side){.op = seal_raw, .ctx = &b, .units = NUM});
    free(in);
    free(sealed);
    raw_evp_free(b.evp);
    kgr_client_free(b.client);
}

static void batch_64(struct bench_result *out)
{
    measure(out, 64);
}

static void batch_256(struct bench_result *out)
{
    measure(out, 256);
}

static void batch_1024(struct bench_result *out)
{
    measure(out, 1024);
}

#define ROW(bytes, least)                                                                          \
    {                                                                                              \
        .name = "sealed-batch-" #bytes, .needs = "sealed",                                         \
        .ours = "sealed, each of 64 messages of " #bytes " B by kgr_seal_batch",                   \
        .theirs = "EVP in the process", .unit = "us", .sense = BENCH_SPEED, .must = (least),       \
        .run = batch_##bytes                                                                       \
    }

const struct bench_row bench_rows_batch[] = {
    ROW(64, 0.5),
    ROW(256, 0),
    ROW(1024, 0.8),
    {.name = NULL},
};
