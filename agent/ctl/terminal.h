/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <kgr/client.h>

#define KGR_CTL_DURATION_MAX 48
/* kgr_ctl_duration writes seconds for people ("45s", "2h 05m", "3d 04h"), "-" if negative. Returns out. */
const char *kgr_ctl_duration(char out[KGR_CTL_DURATION_MAX], int64_t seconds);

/*
 * kgr_ctl_fail prints one line on stderr: what was tried, the phrase of err, what libkgr knows about this thread's
 * last failure, and a remedy where there is one. Returns the exit code.
 */
int kgr_ctl_fail(enum kgr_error err, const char *what);

/* kgr_ctl_fail_text does the same for failures that are not libkgr's. */
int kgr_ctl_fail_text(enum kgr_error err, const char *what, const char *reason);

/* kgr_ctl_flush ends the output: the exit code, 1 if it could not be written (silently for a closed pipe). */
int kgr_ctl_flush(void);
