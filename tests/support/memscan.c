/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memscan HEX... -- TARGET...: looks for byte strings, raw and as hexadecimal digits of either case, in
 * pid:N (the memory of a process), arena:N (only its guarded arena: locked and not dumped), outside:N (all but that),
 * file:PATH, or self (this process, which holds them: the positive control). Of those that may be keys of HMAC also the values of the hash that
 * follow from them, which are as good. Prints a line a find. Exit code 0: nothing found, 1: found, 2: could not look.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#define MAX_PATTERNS 64
#define MAX_LEN      128
#define CHUNK        (1024u * 1024u)

struct pattern {
    uint8_t bytes[MAX_LEN];
    size_t len;
};

static struct pattern patterns[MAX_PATTERNS];
static size_t num_patterns;
static bool found, failed;

static void add_pattern(const void *bytes, size_t len)
{
    if (num_patterns == MAX_PATTERNS || len == 0 || len > MAX_LEN) {
        fprintf(stderr, "memscan: too many patterns, or one of %zu bytes\n", len);
        exit(2);
    }
    memcpy(patterns[num_patterns].bytes, bytes, len);
    patterns[num_patterns++].len = len;
}

static void add_value(const uint8_t *key, size_t len, uint8_t mask)
{
    uint8_t block[SHA512_CBLOCK];
    SHA256_CTX narrow;
    SHA512_CTX wide;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (i < len ? key[i] : 0) ^ mask;
    SHA256_Init(&narrow);
    SHA256_Update(&narrow, block, SHA256_CBLOCK);
    SHA384_Init(&wide);
    SHA384_Update(&wide, block, SHA512_CBLOCK);
    if (len == SHA256_DIGEST_LENGTH)
        add_pattern(narrow.h, sizeof narrow.h);
    if (len == SHA384_DIGEST_LENGTH)
        add_pattern(wide.h, sizeof wide.h);
}

static void add_hex(const char *hex)
{
    uint8_t bytes[MAX_LEN];
    char upper[2 * MAX_LEN + 1];
    size_t len = strlen(hex) / 2;
    if (strlen(hex) % 2 != 0 || len > MAX_LEN / 2) {
        fprintf(stderr, "memscan: not hexadecimal: %s\n", hex);
        exit(2);
    }
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    add_value(bytes, len, 0x36);
    add_value(bytes, len, 0x5c);
    add_pattern(bytes, len);
    add_pattern(hex, 2 * len);
    for (size_t i = 0; i <= 2 * len; i++)
        upper[i] = (char)(hex[i] >= 'a' && hex[i] <= 'f' ? hex[i] - 32 : hex[i]);
    add_pattern(upper, 2 * len);
}

static void search(const char *target, const uint8_t *p, size_t len, uint64_t at)
{
    for (size_t i = 0; i < num_patterns; i++) {
        const uint8_t *hit = memmem(p, len, patterns[i].bytes, patterns[i].len);
        if (hit == NULL)
            continue;
        printf("%s: pattern %zu at 0x%" PRIx64 "\n", target, i, at + (uint64_t)(hit - p));
        found = true;
    }
}

/* Chunks overlap, so that a find across their border is not missed. */
static void search_range(const char *target, int fd, uint64_t start, uint64_t end)
{
    uint8_t *buf = malloc(CHUNK);
    if (buf == NULL)
        exit(2);
    for (uint64_t at = start; at < end; at += CHUNK - MAX_LEN) {
        size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = pread(fd, buf, want, (off_t)at);
        if (n <= 0)
            break; /* guard pages and device memory cannot be read */
        search(target, buf, (size_t)n, at);
        if ((size_t)n < CHUNK)
            break;
    }
    free(buf);
}

enum part { EVERYTHING, ARENA, OUTSIDE };

/* A mapping in smaps is a line of maps and many of details; the last, VmFlags, tells an arena: locked, not dumped. */
static void search_process(const char *target, const char *pid, enum part part)
{
    char path[64], line[512];
    uint64_t start = 0, end = 0;
    bool readable = false;
    snprintf(path, sizeof path, "/proc/%s/smaps", pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%s/mem", pid);
    int mem = open(path, O_RDONLY | O_CLOEXEC);
    if (maps == NULL || mem < 0) {
        fprintf(stderr, "memscan: cannot read the memory of %s: %s\n", pid, strerror(errno));
        failed = true;
    }
    while (maps != NULL && mem >= 0 && fgets(line, sizeof line, maps) != NULL) {
        char *dash = NULL, *space = NULL;
        uint64_t first = strtoull(line, &dash, 16);
        if (dash != line && *dash == '-') {
            start = first;
            end = strtoull(dash + 1, &space, 16);
            readable = space[0] == ' ' && space[1] == 'r';
        }
        if (strncmp(line, "VmFlags:", 8) != 0 || !readable || end <= start)
            continue;
        bool arena = strstr(line, " lo") != NULL && strstr(line, " dd") != NULL;
        if (part == EVERYTHING || arena == (part == ARENA))
            search_range(target, mem, start, end);
    }
    if (mem >= 0)
        close(mem);
    if (maps != NULL)
        fclose(maps);
}

static void search_file(const char *target, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "memscan: cannot read %s: %s\n", path, strerror(errno));
        failed = true;
        return;
    }
    search_range(target, fd, 0, (uint64_t)lseek(fd, 0, SEEK_END));
    close(fd);
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        add_hex(argv[i]);
    if (num_patterns == 0 || i + 1 >= argc) {
        fprintf(stderr, "usage: memscan HEX... -- pid:N|arena:N|outside:N|file:PATH|self...\n");
        return 2;
    }
    for (i++; i < argc; i++) {
        if (strncmp(argv[i], "pid:", 4) == 0)
            search_process(argv[i], argv[i] + 4, EVERYTHING);
        else if (strncmp(argv[i], "arena:", 6) == 0)
            search_process(argv[i], argv[i] + 6, ARENA);
        else if (strncmp(argv[i], "outside:", 8) == 0)
            search_process(argv[i], argv[i] + 8, OUTSIDE);
        else if (strncmp(argv[i], "file:", 5) == 0)
            search_file(argv[i], argv[i] + 5);
        else if (strcmp(argv[i], "self") == 0)
            search_process("self", "self", EVERYTHING);
        else
            failed = true;
    }
    return failed ? 2 : found ? 1 : 0;
}
