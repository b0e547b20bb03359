/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"

/*
 * The arena is cut into units. What stands in each unit is kept outside of it, so that a write
 * past a secret meets the canary behind it and never the book-keeping. Free units are all zero.
 */
#define UNIT_LEN   32
#define CANARY_LEN 16
#define UNIT_FREE  0
#define UNIT_BODY  UINT32_MAX /* any unit of an allocation but its first, which holds the length */

static struct {
    pthread_mutex_t lock;
    uint8_t *base;   /* owned, between two pages without access; NULL when there is no arena */
    uint32_t *units; /* owned */
    size_t num_units;
    size_t num_used;
    size_t next; /* where the next search starts */
    size_t page;
    pid_t owner;
    uint8_t canary[CANARY_LEN];
} arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

void kgr_cleanse(void *p, size_t len)
{
    if (len != 0)
        explicit_bzero(p, len);
}

bool kgr_equal_ct(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t diff = 0;

    for (size_t i = 0; i < len; i++)
        diff |= (uint8_t)(x[i] ^ y[i]);
    return diff == 0;
}

/*
 * Memory that the kernel itself does not map (memfd_secret): not root's debugger, not /proc, not a core dump
 * reads it. Locked by its nature. false: this kernel has none, does not give any, or the caller does not want it.
 */
static bool map_secret(uint8_t *at, size_t len)
{
    const char *wish = secure_getenv("KGR_ARENA");
    int fd;
    bool ok;

    if (wish != NULL && strcmp(wish, "mlock") == 0)
        return false;
    fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0)
        return false;
    ok = ftruncate(fd, (off_t)len) == 0 &&
         mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
    (void)close(fd);
    return ok;
}

/* Ordinary memory, locked and kept out of dumps. Returns NULL, or the step that failed. */
static const char *map_locked(uint8_t *at, size_t len)
{
    if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        return "map";
    if (madvise(at, len, MADV_DONTDUMP) != 0)
        return "keep out of dumps";
    if (mlock(at, len) != 0)
        return "lock (raise LimitMEMLOCK or ulimit -l)";
    return NULL;
}

/*
 * Address space for len bytes that is guarded on both sides, locked, and neither dumped nor
 * inherited: a child that touches it dies, where zeroes (MADV_WIPEONFORK) would quietly become its keys.
 */
static enum kgr_error map_guarded(uint8_t **out, size_t len, size_t page)
{
    size_t total = len + 2 * page;
    uint8_t *map = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *step = NULL;

    if (map == MAP_FAILED) {
        kgr_error_log("arena_map", "bytes=%zu errno=%d", total, errno);
        return KGR_ERR_NO_MEMORY;
    }
    if (!map_secret(map + page, len))
        step = map_locked(map + page, len);
    if (step == NULL && madvise(map + page, len, MADV_DONTFORK) != 0)
        step = "keep out of children";
    if (step == NULL) {
        *out = map + page;
        return KGR_OK;
    }
    kgr_error_log("arena_protect", "step=\"%s\" bytes=%zu errno=%d", step, len, errno);
    (void)munmap(map, total);
    return KGR_ERR_NO_MEMORY;
}

enum kgr_error kgr_arena_init(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    enum kgr_error err;
    uint32_t *units;
    uint8_t *base;
    size_t len;

    if (bytes == 0 || bytes > UINT32_MAX / 2)
        return KGR_ERR_INVALID;
    if (arena.base != NULL)
        return KGR_ERR_EXISTS;
    len = (bytes + page - 1) / page * page;
    units = calloc(len / UNIT_LEN, sizeof(*units));
    if (units == NULL)
        return KGR_ERR_NO_MEMORY;
    err = map_guarded(&base, len, page);
    if (err != KGR_OK) {
        free(units);
        return err;
    }
    kgr_random(arena.canary, sizeof(arena.canary));
    arena.base = base;
    arena.units = units;
    arena.num_units = len / UNIT_LEN;
    arena.num_used = 0;
    arena.next = 0;
    arena.page = page;
    arena.owner = getpid();
    return KGR_OK;
}

void kgr_arena_deinit(void)
{
    size_t len = arena.num_units * UNIT_LEN;

    if (arena.base == NULL)
        return;
    /* In a child of the owner there is nothing at the address. */
    if (arena.owner == getpid()) {
        kgr_cleanse(arena.base, len);
        (void)munmap(arena.base - arena.page, len + 2 * arena.page);
    }
    free(arena.units);
    kgr_cleanse(arena.canary, sizeof(arena.canary));
    arena.base = NULL;
    arena.units = NULL;
    arena.num_units = 0;
    arena.num_used = 0;
}

void kgr_arena_use(size_t *used, size_t *limit)
{
    (void)pthread_mutex_lock(&arena.lock);
    *used = arena.num_used * UNIT_LEN;
    *limit = arena.num_units * UNIT_LEN;
    (void)pthread_mutex_unlock(&arena.lock);
}

/* The first unit of a run of free ones in [from, to), or to. */
static size_t find_run(size_t from, size_t to, size_t need)
{
    size_t run = 0;

    for (size_t i = from; i < to; i++) {
        run = arena.units[i] == UNIT_FREE ? run + 1 : 0;
        if (run == need)
            return i + 1 - need;
    }
    return to;
}

/* The canary fills what an allocation of len bytes leaves of its units. */
static void write_canary(uint8_t *p, size_t len, size_t num_units)
{
    for (size_t i = len; i < num_units * UNIT_LEN; i++)
        p[i] = arena.canary[i % CANARY_LEN];
}

static bool canary_intact(const uint8_t *p, size_t len, size_t num_units)
{
    for (size_t i = len; i < num_units * UNIT_LEN; i++)
        if (p[i] != arena.canary[i % CANARY_LEN])
            return false;
    return true;
}

void *kgr_secret_alloc(size_t len)
{
    uint8_t *p = NULL;
    size_t need;
    size_t at;

    if (len == 0 || len > UINT32_MAX / 2)
        return NULL;
    need = (len + CANARY_LEN + UNIT_LEN - 1) / UNIT_LEN;
    (void)pthread_mutex_lock(&arena.lock);
    at = find_run(arena.next, arena.num_units, need);
    if (at == arena.num_units)
        at = find_run(0, arena.num_units, need);
    if (at < arena.num_units) {
        arena.units[at] = (uint32_t)len;
        for (size_t i = 1; i < need; i++)
            arena.units[at + i] = UNIT_BODY;
        arena.num_used += need;
        arena.next = at + need;
        p = arena.base + at * UNIT_LEN;
        write_canary(p, len, need);
    }
    (void)pthread_mutex_unlock(&arena.lock);
    return p;
}

bool kgr_arena_contains(const void *p)
{
    uintptr_t at = (uintptr_t)p;
    uintptr_t base = (uintptr_t)arena.base;

    return base != 0 && at >= base && at - base < arena.num_units * UNIT_LEN;
}

void kgr_secret_free(void *p)
{
    size_t num = 1;
    size_t at;
    size_t len;

    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&arena.lock);
    /* A pointer that is not ours, freed twice or written past: our bug, and no state to go on in. */
    if (!kgr_arena_contains(p))
        abort();
    at = (size_t)((uint8_t *)p - arena.base) / UNIT_LEN;
    len = arena.units[at];
    if (arena.base + at * UNIT_LEN != (uint8_t *)p || len == UNIT_FREE || len == UNIT_BODY)
        abort();
    while (at + num < arena.num_units && arena.units[at + num] == UNIT_BODY)
        num++;
    if (!canary_intact(p, len, num))
        abort();
    kgr_cleanse(p, num * UNIT_LEN);
    for (size_t i = 0; i < num; i++)
        arena.units[at + i] = UNIT_FREE;
    arena.num_used -= num;
    (void)pthread_mutex_unlock(&arena.lock);
}
