/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* Below PIPE_BUF: a line reaches a pipe in one piece, whatever other threads write. */
#define LINE_MAX_LEN 1024

static atomic_int threshold = KGR_LOG_INFO;

static const char *const level_names[] = {
    [KGR_LOG_ERROR] = "ERROR",
    [KGR_LOG_WARN] = "WARN",
    [KGR_LOG_INFO] = "INFO",
    [KGR_LOG_DEBUG] = "DEBUG",
};

void kgr_log_set_level(enum kgr_log_level level)
{
    atomic_store(&threshold, (int)level);
}

static bool printable(unsigned char c)
{
    return c >= 0x20 && c < 0x7f;
}

void kgr_log(enum kgr_log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_MAX_LEN];
    size_t cap = sizeof(line) - 1; /* room for the newline */
    size_t len;
    va_list ap;
    int n;

    if ((int)level > atomic_load(&threshold))
        return;
    n = snprintf(line, cap, "%s %s ", level_names[level], event);
    if (n < 0)
        return;
    len = (size_t)n < cap ? (size_t)n : cap - 1;
    va_start(ap, fmt);
    n = vsnprintf(line + len, cap - len, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    len = (size_t)n < cap - len ? len + (size_t)n : cap - 1;
    /* A caller that forgot kgr_log_escape must not be able to forge a second line. */
    for (size_t i = 0; i < len; i++)
        if (!printable((unsigned char)line[i]))
            line[i] = '?';
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    /* Nobody is left to be told that stderr is gone. */
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}

const char *kgr_log_escape(char *out, size_t cap, const void *text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = text;
    size_t n = 0;

    if (cap == 0)
        return "";
    for (size_t i = 0; i < len; i++) {
        if (printable(p[i]) && p[i] != '\\') {
            if (cap - n < 2)
                break;
            out[n++] = (char)p[i];
        } else {
            if (cap - n < 5)
                break;
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = digits[p[i] >> 4];
            out[n++] = digits[p[i] & 15];
        }
    }
    out[n] = '\0';
    return out;
}
