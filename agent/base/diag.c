/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/diag.h"

#include <stdarg.h>
#include <stdio.h>

enum kgr_error kgr_diag_set(struct kgr_diag *diag, enum kgr_error err, const char *fmt, ...)
{
    va_list ap;

    if (diag == NULL || diag->text[0] != '\0')
        return err;
    va_start(ap, fmt);
    (void)vsnprintf(diag->text, sizeof(diag->text), fmt, ap); /* cut to fit */
    va_end(ap);
    return err;
}

const char *kgr_diag_text(const struct kgr_diag *diag, enum kgr_error err)
{
    if (diag == NULL || diag->text[0] == '\0')
        return kgr_strerror(err);
    return diag->text;
}
