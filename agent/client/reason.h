/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/attr.h"

/*
 * Why the calling thread's last call failed, in words, for kgr_client_reason. One text a thread;
 * a success leaves it alone.
 */

/* kgr_reason_set keeps the text (cut to fit) and returns err for `return kgr_reason_set(...)`. */
enum kgr_error kgr_reason_set(enum kgr_error err, const char *fmt, ...) KGR_PRINTF(2, 3);

/*
 * kgr_reason_take keeps text that came from outside: all but printable ASCII becomes '?', so that
 * it drives no terminal when somebody prints it. An empty text becomes that of kgr_strerror. Returns err.
 */
enum kgr_error kgr_reason_take(enum kgr_error err, const void *text, size_t len);

/*
 * kgr_text_clean copies text in that way into out (cap at least 1), cut to fit; with keep_lines, line
 * feeds stay.
 */
void kgr_text_clean(char *out, size_t cap, const void *text, size_t len, bool keep_lines);
