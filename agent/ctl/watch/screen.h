/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/ctl/watch/model.h"

/* The terminal of kgrctl watch, through ncursesw. One at a time; one thread. */

/* kgr_screen_open: false, with the reason in *out_reason (static), where stdin and stdout are no terminal that can do it. */
bool kgr_screen_open(const char **out_reason);
/* kgr_screen_close gives the terminal back as it was; also after a failure. */
void kgr_screen_close(void);
/* kgr_screen_show draws what watch has to show on as much room as there is now. */
void kgr_screen_show(struct kgr_watch *watch, const char *clock);
/*
 * kgr_screen_key waits for a key for at most timeout_ms: a character, one of enum KGR_WATCH_KEY_*, or 0 for none, another size or
 * a signal. kgr_screen_ended tells whether a signal asked for the end.
 */
int kgr_screen_key(int timeout_ms);
bool kgr_screen_ended(void);
