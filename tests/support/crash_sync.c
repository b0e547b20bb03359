/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Preloaded into a program of ours, it ends it as a power cut would at a step that reaches the disk: at the n-th
 * fdatasync or fsync from now on, before it ("before N" in the file that KGR_CRASH names) or after it ("after N"). The
 * file counts down and is gone when the process is. Without the file nothing happens, so a test arms it when the
 * service stands; with a large N the file tells how many steps there were.
 */
static int (*real_fsync)(int fd);
static int (*real_fdatasync)(int fd);

__attribute__((constructor)) static void find(void)
{
    void *symbol = dlsym(RTLD_NEXT, "fsync");

    memcpy(&real_fsync, &symbol, sizeof(symbol)); /* ISO C has no cast for this */
    symbol = dlsym(RTLD_NEXT, "fdatasync");
    memcpy(&real_fdatasync, &symbol, sizeof(symbol));
}

static void die(const char *path)
{
    (void)unlink(path);
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* count returns whether this step is the last one, and when within it the process ends. */
static int count(const char *path, char when[8])
{
    char text[32] = "";
    char *end;
    unsigned long left;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    if (n <= 7 || (strncmp(text, "before ", 7) != 0 && strncmp(text, "after  ", 7) != 0)) {
        (void)close(fd);
        return 0;
    }
    memcpy(when, text, 7);
    when[7] = '\0';
    left = strtoul(text + 7, &end, 10);
    n = snprintf(text, sizeof(text), "%s%-10lu\n", when, left == 0 ? 0 : left - 1);
    if (pwrite(fd, text, (size_t)n, 0) != n)
        left = 0;
    (void)close(fd);
    return left == 1;
}

static int step(int fd, int (*real)(int fd))
{
    const char *path = getenv("KGR_CRASH");
    char when[8] = "";
    int last = path != NULL && count(path, when);
    int rc;

    if (last && when[0] == 'b')
        die(path);
    rc = real(fd);
    if (last)
        die(path);
    return rc;
}

int fsync(int fd);
int fsync(int fd)
{
    return step(fd, real_fsync);
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    return step(fd, real_fdatasync);
}
