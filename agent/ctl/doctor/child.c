/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"

#define PATIENCE_MS  10000u
#define TEXT_MAX     8192u
#define ARGS_MAX     8
#define CODE_NOT_RUN 127

extern char **environ;

/* Reads until the end of file; false: it took too long. What does not fit is read all the same, so that nobody waits. */
static bool read_all(int fd, char *out, size_t cap)
{
    uint64_t end = kgr_clock_boot_ms() + PATIENCE_MS;
    char rest[512];
    size_t len = 0;

    out[0] = '\0';
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint64_t now = kgr_clock_boot_ms();
        bool fits = len + 1 < cap;
        ssize_t n;

        if (now >= end || poll(&wait, 1, (int)(end - now)) == 0)
            return false;
        n = read(fd, fits ? out + len : rest, fits ? cap - 1 - len : sizeof(rest));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (fits)
            len += (size_t)n;
        out[len] = '\0';
    }
}

/* posix_spawn wants strings that it never writes to as if it did. */
static void free_args(char *args[ARGS_MAX])
{
    for (size_t i = 0; i < ARGS_MAX; i++)
        free(args[i]);
}

static bool copy_args(char *args[ARGS_MAX], const char *const argv[])
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        args[i] = i + 1 < ARGS_MAX ? strdup(argv[i]) : NULL;
        if (args[i] == NULL)
            return false;
    }
    return true;
}

static bool start(pid_t *out, const char *const argv[], int write_fd)
{
    char *args[ARGS_MAX] = {NULL};
    posix_spawn_file_actions_t actions;
    int rc;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    rc = copy_args(args, argv) ? 0 : ENOMEM;
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, write_fd, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, write_fd, 2);
    if (rc == 0)
        rc = posix_spawnp(out, args[0], &actions, NULL, args, environ);
    free_args(args);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc == 0;
}

char *kgr_child_run(const char *const argv[], int *out_code)
{
    char *text = malloc(TEXT_MAX);
    bool ended = false;
    int fds[2], status = 0;
    pid_t pid = -1;

    if (text == NULL || pipe2(fds, O_CLOEXEC) != 0) {
        free(text);
        return NULL;
    }
    if (!start(&pid, argv, fds[1]))
        pid = -1;
    (void)close(fds[1]);
    if (pid > 0)
        ended = read_all(fds[0], text, TEXT_MAX);
    (void)close(fds[0]);
    if (pid > 0 && !ended)
        (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended || !WIFEXITED(status) || WEXITSTATUS(status) == CODE_NOT_RUN) {
        free(text);
        return NULL;
    }
    *out_code = WEXITSTATUS(status);
    return text;
}
