/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/attr.h"

/*
 * The human half of an error: one line that names the thing and the remedy, filled by the function
 * that failed first. Later calls on the same diag keep the first text. A NULL diag is accepted
 * everywhere. Never holds a secret.
 */
struct kgr_diag {
    char text[256];
};

/* kgr_diag_set writes the text if none stands there yet, and returns err for `return kgr_diag_set(...)`. */
enum kgr_error kgr_diag_set(struct kgr_diag *diag, enum kgr_error err, const char *fmt, ...)
    KGR_PRINTF(3, 4);
/* kgr_diag_text returns the text, or kgr_strerror(err) when there is none. */
const char *kgr_diag_text(const struct kgr_diag *diag, enum kgr_error err);
