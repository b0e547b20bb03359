/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/progress.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void *run(void *arg)
{
    struct kgr_ctl_progress *progress = arg;
    struct timespec next;
    int seconds = 0;
    int width = 0;

    (void)clock_gettime(CLOCK_REALTIME, &next);
    (void)pthread_mutex_lock(&progress->lock);
    while (!progress->ending) {
        int rc = 0;

        next.tv_sec++;
        while (!progress->ending && rc != ETIMEDOUT)
            rc = pthread_cond_timedwait(&progress->wake, &progress->lock, &next);
        if (progress->ending)
            break;
        seconds++;
        width = fprintf(stderr, "\rwaiting for %s, %d s", progress->what, seconds);
        (void)fflush(stderr);
    }
    (void)pthread_mutex_unlock(&progress->lock);
    if (width > 0) {
        (void)fprintf(stderr, "\r%*s\r", width, "");
        (void)fflush(stderr);
    }
    return NULL;
}

void kgr_ctl_progress_begin(struct kgr_ctl_progress *progress, const char *what)
{
    *progress = (struct kgr_ctl_progress){
        .what = what,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .wake = PTHREAD_COND_INITIALIZER,
    };
    if (isatty(STDERR_FILENO) != 0)
        progress->running = pthread_create(&progress->thread, NULL, run, progress) == 0;
}

void kgr_ctl_progress_end(struct kgr_ctl_progress *progress)
{
    if (!progress->running)
        return;
    (void)pthread_mutex_lock(&progress->lock);
    progress->ending = true;
    (void)pthread_cond_signal(&progress->wake);
    (void)pthread_mutex_unlock(&progress->lock);
    (void)pthread_join(progress->thread, NULL);
    progress->running = false;
}
