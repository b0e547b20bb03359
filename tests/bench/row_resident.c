/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/raw_tpm.h"

/* Resident custody through libkgr, against the commands that a record needs, sent by SAPI from this process. */

struct sealing {
    struct kgr_client *client;
    const char *peer;
    struct raw_tpm *tpm;
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

    raw_tpm_seal(s->tpm, s->in, s->len, s->out);
}

static void measure(struct bench_result *out, size_t len, unsigned long commands)
{
    struct sealing s = {.len = len};

    s.client = bench_client("BENCH_AGENT_RESIDENT");
    s.peer = bench_env("BENCH_PEER");
    s.tpm = raw_tpm_new(bench_env("BENCH_RAW_TPM"));
    s.in = calloc(1, len);
    s.out = calloc(1, len + KGR_RECORD_OVERHEAD);
    bench_must(s.in != NULL && s.out != NULL, "no memory");
    seal_raw(&s);
    bench_must(raw_tpm_commands(s.tpm) == commands, "%lu commands instead of %lu",
               raw_tpm_commands(s.tpm), commands);
    bench_compare(out, &(struct bench_side){.op = seal, .ctx = &s},
                  &(struct bench_side){.op = seal_raw, .ctx = &s});
    free(s.in);
    free(s.out);
    raw_tpm_free(s.tpm);
    kgr_client_free(s.client);
}

static void seal_64(struct bench_result *out)
{
    measure(out, 64, 2);
}

static void seal_944(struct bench_result *out)
{
    measure(out, 944, 2);
}

static void seal_1024(struct bench_result *out)
{
    measure(out, 1024, 5);
}

static void seal_4096(struct bench_result *out)
{
    measure(out, 4096, 11);
}

static void seal_16384(struct bench_result *out)
{
    measure(out, 16384, 35);
}

#define ROW(bytes, num, least)                                                                     \
    {                                                                                              \
        .name = "resident-seal-" #bytes, .needs = "resident raw-tpm",                              \
        .ours = "resident, seal " #bytes " B by kgr_seal", .theirs = num " raw commands",          \
        .unit = "us", .sense = BENCH_SPEED, .must = (least), .run = seal_##bytes                   \
    }

const struct bench_row bench_rows_resident[] = {
    ROW(64, "2", 0),    ROW(944, "2", 0.85), ROW(1024, "5", 0.85),
    ROW(4096, "11", 0), ROW(16384, "35", 0), {.name = NULL},
};
