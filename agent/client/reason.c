/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/reason.h"

#include <stdarg.h>
#include <stdio.h>

#include <kgr/client.h>

static _Thread_local char reason[KGR_DIAG_MAX];

enum kgr_error kgr_reason_set(enum kgr_error err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, ap); /* cut to fit */
    va_end(ap);
    return err;
}

void kgr_text_clean(char *out, size_t cap, const void *text, size_t len, bool keep_lines)
{
    const unsigned char *in = text;
    size_t n = len < cap ? len : cap - 1;

    for (size_t i = 0; i < n; i++)
        out[i] =
            (in[i] >= 0x20 && in[i] < 0x7f) || (in[i] == '\n' && keep_lines) ? (char)in[i] : '?';
    out[n] = '\0';
}

enum kgr_error kgr_reason_take(enum kgr_error err, const void *text, size_t len)
{
    if (len == 0)
        return kgr_reason_set(err, "%s", kgr_strerror(err));
    kgr_text_clean(reason, sizeof(reason), text, len, false);
    return err;
}

KGR_EXPORT const char *kgr_client_reason(char *out, size_t out_cap)
{
    if (out_cap != 0)
        (void)snprintf(out, out_cap, "%s", reason);
    return out;
}
