/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/times.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/measure.h"

static void read_line(struct bench_time *out, const char *line, const char *service)
{
    char *end = NULL;

    (void)snprintf(out->service, sizeof(out->service), "%.*s", (int)sizeof(out->service) - 1,
                   service);
    out->command = (uint32_t)strtoul(line + 2, &end, 16);
    out->start_ns = strtoull(end, &end, 10);
    out->end_ns = strtoull(end, &end, 10);
    bench_must(*end == '\n' && out->end_ns >= out->start_ns, "%s: bad line %s", service, line);
}

void bench_times_read(const char *dir, struct bench_time **out, size_t *out_num)
{
    DIR *folder = opendir(dir);
    struct bench_time *list = NULL;
    struct dirent *entry;
    size_t num = 0, cap = 0;
    char path[768], line[128];

    bench_must(folder != NULL, "cannot read %s", dir);
    while ((entry = readdir(folder)) != NULL) {
        FILE *file;

        if (strncmp(entry->d_name, "kgr-", 4) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        file = fopen(path, "re");
        bench_must(file != NULL, "cannot read %s", path);
        while (fgets(line, sizeof(line), file) != NULL) {
            if (num == cap) {
                cap = cap == 0 ? 4096 : 2 * cap;
                list = realloc(list, cap * sizeof(*list));
                bench_must(list != NULL, "no memory");
            }
            read_line(&list[num++], line, entry->d_name);
        }
        (void)fclose(file);
    }
    (void)closedir(folder);
    *out = list;
    *out_num = num;
}
