/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* A line on stderr that says what takes so long: only on a terminal, and only after the first second. */
struct kgr_ctl_progress {
    const char *what; /* borrowed */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running;
    bool ending;
};

/* kgr_ctl_progress_begin cannot fail: without a thread there is no line. */
void kgr_ctl_progress_begin(struct kgr_ctl_progress *progress, const char *what);
/* kgr_ctl_progress_end removes the line. */
void kgr_ctl_progress_end(struct kgr_ctl_progress *progress);
