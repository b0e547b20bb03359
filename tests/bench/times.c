/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Preloaded into services of ours it notes how long every TPM command and every synced write took: a line
 * "T COMMAND_CODE BEGIN END" or "S 0 BEGIN END", CLOCK_MONOTONIC in nanoseconds, in the file PROGRAM.PID in the folder that
 * BENCH_TIMES names. Other programs that inherit it are left alone.
 */
static int (*real_fsync)(int fd);
static int (*real_fdatasync)(int fd);
static uint32_t (*real_execute)(void *sys);
static uint32_t (*real_code)(void *sys, uint8_t code[4]);
static int out = -1;

/* ISO C has no cast from an object's address to a function's. */
static void find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    memcpy(function, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("BENCH_TIMES");
    char path[512];

    find(&real_fsync, "fsync");
    find(&real_fdatasync, "fdatasync");
    find(&real_execute, "Tss2_Sys_Execute");
    find(&real_code, "Tss2_Sys_GetCommandCode");
    if (dir == NULL || strncmp(program_invocation_short_name, "kgr-", 4) != 0)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s.%ld", dir, program_invocation_short_name,
                   (long)getpid());
    out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static uint64_t now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void note(char kind, uint32_t code, uint64_t start, uint64_t end)
{
    int saved = errno;
    char line[96];
    int len = snprintf(line, sizeof(line), "%c %x %llu %llu\n", kind, (unsigned int)code,
                       (unsigned long long)start, (unsigned long long)end);

    if (out >= 0 && write(out, line, (size_t)len) != len)
        out = -1;
    errno = saved;
}

int fsync(int fd);
int fsync(int fd)
{
    uint64_t start = now();
    int rc = real_fsync(fd);

    note('S', 0, start, now());
    return rc;
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    uint64_t start = now();
    int rc = real_fdatasync(fd);

    note('S', 0, start, now());
    return rc;
}

uint32_t Tss2_Sys_Execute(void *sys);
uint32_t Tss2_Sys_Execute(void *sys)
{
    uint8_t code[4] = {0};
    uint64_t start, end;
    uint32_t rc;

    (void)real_code(sys, code);
    start = now();
    rc = real_execute(sys);
    end = now();
    note('T', (uint32_t)code[0] << 24 | (uint32_t)code[1] << 16 | (uint32_t)code[2] << 8 | code[3],
         start, end);
    return rc;
}
