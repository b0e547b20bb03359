/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/help.h"

#include <string.h>

void kgr_help_item(FILE *out, size_t margin, const char *name, size_t column, const char *text)
{
    size_t at = margin + strlen(name);

    (void)fprintf(out, "%*s%s", (int)margin, "", name);
    if (at + 1 > column) {
        (void)fputc('\n', out);
        at = 0;
    }
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        size_t gap = at < column ? column - at : 1;

        if (at > column && at + gap + len > KGR_HELP_WIDTH) {
            (void)fputc('\n', out);
            at = 0;
            gap = column;
        }
        (void)fprintf(out, "%*s%.*s", (int)gap, "", (int)len, text);
        at += gap + len;
        text += len;
        text += *text == ' ' ? 1 : 0;
    }
    (void)fputc('\n', out);
}
