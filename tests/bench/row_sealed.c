/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/raw_evp.h"

/* Sealed custody through libkgr, one call at a time, against EVP in this process. */

struct sealing {
    struct kgr_client *client;
    const char *peer;
    struct raw_evp *evp;
    size_t len;
    uint8_t *in;
    uint8_t *out;
};

static void seal(void *arg)
{
    struct sealing *s = arg;
    size_t n = 0;

    bench_ok(kgr_seal(s->client, s->peer, false, NULL, 0, s->in, s->len, s->out,
                      s->len + KGR_RECORD_OVERHEAD, &n),
             "kgr_seal");
}

static void seal_raw(void *arg)
{
    struct sealing *s = arg;

    raw_evp_seal(s->evp, s->in, s->len, s->out);
}

static void begin(struct sealing *s, size_t len)
{
    memset(s, 0, sizeof(*s));
    s->client = bench_client("BENCH_AGENT_SEALED");
    s->peer = bench_env("BENCH_PEER");
    s->evp = raw_evp_new();
    s->len = len;
    s->in = calloc(1, len + KGR_RECORD_OVERHEAD);
    s->out = calloc(1, len + KGR_RECORD_OVERHEAD);
    bench_must(s->in != NULL && s->out != NULL, "no memory");
}

static void end(struct sealing *s)
{
    free(s->in);
    free(s->out);
    raw_evp_free(s->evp);
    kgr_client_free(s->client);
}

static void measure(struct bench_result *out, size_t len)
{
    struct sealing s;

    begin(&s, len);
    bench_compare(out, &(struct bench_side){.op = seal, .ctx = &s},
                  &(struct bench_side){.op = seal_raw, .ctx = &s});
    end(&s);
}

static void seal_64(struct bench_result *out)
{
    measure(out, 64);
}

static void seal_256(struct bench_result *out)
{
    measure(out, 256);
}

static void seal_1024(struct bench_result *out)
{
    measure(out, 1024);
}

static void seal_4096(struct bench_result *out)
{
    measure(out, 4096);
}

static void seal_16384(struct bench_result *out)
{
    measure(out, 16384);
}

static void seal_65536(struct bench_result *out)
{
    measure(out, 65536);
}

#define ROW(bytes, least)                                                                          \
    {                                                                                              \
        .name = "sealed-seal-" #bytes, .needs = "sealed",                                          \
        .ours = "sealed, seal " #bytes " B by kgr_seal", .theirs = "EVP in the process",           \
        .unit = "us", .sense = BENCH_SPEED, .must = (least), .run = seal_##bytes                   \
    }

const struct bench_row bench_rows_sealed[] = {
    ROW(64, 0),       ROW(256, 0),   ROW(1024, 0.40), ROW(4096, 0),
    ROW(16384, 0.85), ROW(65536, 0), {.name = NULL},
};
