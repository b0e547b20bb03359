/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/watch/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether line is a sample of name; *out_value is where its value begins. */
static bool is_sample(const char *line, size_t len, const char *name, const char **out_value)
{
    size_t name_len = strlen(name);
    const char *space;

    if (len <= name_len || strncmp(line, name, name_len) != 0 ||
        (line[name_len] != ' ' && line[name_len] != '{'))
        return false;
    /* Values have no spaces behind them here, and label values of these families none in them. */
    space = memrchr(line, ' ', len);
    *out_value = space + 1;
    return space != NULL;
}

/* The sum of all samples of name; false when there is none. */
static bool sum(double *out, const char *text, size_t len, const char *name)
{
    const char *end = text + len;
    bool found = false;

    *out = 0;
    while (text < end) {
        const char *feed = memchr(text, '\n', (size_t)(end - text)), *value;
        size_t line_len = feed == NULL ? (size_t)(end - text) : (size_t)(feed - text);
        char number[32];

        if (is_sample(text, line_len, name, &value)) {
            (void)snprintf(number, sizeof(number), "%.*s", (int)(text + line_len - value), value);
            *out += strtod(number, NULL);
            found = true;
        }
        text += line_len + 1;
    }
    return found;
}

struct kgr_watch_tpm kgr_watch_load(const char *text, size_t len)
{
    struct kgr_watch_tpm tpm = {0};
    double commands, queue;

    tpm.known = sum(&commands, text, len, "kgr_tpm_commands_total") &&
                sum(&tpm.busy_s, text, len, "kgr_tpm_command_seconds_total") &&
                sum(&queue, text, len, "kgr_tpm_queue");
    if (tpm.known) {
        tpm.commands = (uint64_t)commands;
        tpm.queue = (uint64_t)queue;
    }
    return tpm;
}
