/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/*
 * LD_PRELOAD of it moves the wall clock of a program by KGR_TEST_SHIFT_S seconds, or by what the file KGR_TEST_SHIFT_FILE
 * says at that moment. Clocks that only go forward are left alone, as a wrong date leaves them.
 */

static long long shift_s(void)
{
    const char *path = getenv("KGR_TEST_SHIFT_FILE");
    const char *text = getenv("KGR_TEST_SHIFT_S");
    char room[32] = {0};
    FILE *file;

    if (path == NULL)
        return text == NULL ? 0 : atoll(text);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    text = fgets(room, sizeof(room), file);
    (void)fclose(file);
    return text == NULL ? 0 : atoll(text);
}

static bool is_wall(clockid_t id)
{
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ts);

    if (rc == 0 && is_wall(id))
        ts->tv_sec += (time_t)shift_s();
    return rc;
}

time_t time(time_t *out)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (out != NULL)
        *out = ts.tv_sec;
    return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

/* Deadlines were computed with the clock above; the kernel's is another. No clock that only goes forward is as far. */

#define WALL_FROM_S 1000000000

static struct timespec real(const struct timespec *deadline)
{
    struct timespec ts = *deadline;

    ts.tv_sec -= (time_t)shift_s();
    return ts;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
    struct timespec ts = real(deadline);

    return deadline->tv_sec < WALL_FROM_S
               ? pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, deadline)
               : pthread_cond_clockwait(cond, mutex, CLOCK_REALTIME, &ts);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline)
{
    struct timespec ts = real(deadline);

    return sem_clockwait(sem, CLOCK_REALTIME, &ts);
}
