/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/lab.h"

#include <stdlib.h>

#include "tests/bench/measure.h"

const char *bench_env(const char *name)
{
    const char *value = getenv(name);

    bench_must(value != NULL && *value != '\0', "%s is not set: use scripts/bench", name);
    return value;
}

unsigned long bench_env_number(const char *name)
{
    const char *value = bench_env(name);
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    bench_must(*end == '\0', "%s is no number: %s", name, value);
    return number;
}

void bench_ok(enum kgr_error err, const char *what)
{
    char reason[KGR_DIAG_MAX];

    bench_must(err == KGR_OK, "%s: %s", what, kgr_client_reason(reason, sizeof(reason)));
}

struct kgr_client *bench_client(const char *variable)
{
    struct kgr_client_options options = {.socket = bench_env(variable), .name = "bench"};
    struct kgr_client *client = NULL;

    bench_ok(kgr_client_new(&client, &options), "kgr_client_new");
    return client;
}
