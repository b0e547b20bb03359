/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARENA_LEN 65536

static int open_arena(void **state)
{
    (void)state;
    return kgr_arena_init(ARENA_LEN) == KGR_OK ? 0 : -1;
}

static int close_arena(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return 0;
}

/* The signal that ends a child which runs fn(arg), or 0. */
static int signal_of(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        /* The handlers of cmocka and of a sanitizer would turn the signal into a message. */
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void alloc_returns_zeroed_bytes_of_the_arena(void **state)
{
    static const uint8_t zero[100];
    uint8_t *p = kgr_secret_alloc(100);

    (void)state;
    assert_non_null(p);
    assert_memory_equal(p, zero, 100);
    assert_true(kgr_arena_contains(p));
    assert_true(kgr_arena_contains(p + 99));
    assert_false(kgr_arena_contains(zero));
    assert_false(kgr_arena_contains(NULL));
    kgr_secret_free(p);
    kgr_secret_free(NULL);
}

static void alloc_of_nothing_or_too_much_is_null(void **state)
{
    (void)state;
    assert_null(kgr_secret_alloc(0));
    assert_null(kgr_secret_alloc(ARENA_LEN));
    assert_null(kgr_secret_alloc(SIZE_MAX));
}

static void free_cleanses(void **state)
{
    static const uint8_t zero[64];
    uint8_t *p = kgr_secret_alloc(64);

    (void)state;
    assert_non_null(p);
    memset(p, 0xa5, 64);
    kgr_secret_free(p);
    assert_memory_equal(p, zero, 64);
}

static void use_counts_what_is_allocated(void **state)
{
    size_t before, used, limit;
    void *p, *q;

    (void)state;
    kgr_arena_use(&before, &limit);
    assert_int_equal(limit, ARENA_LEN);
    p = kgr_secret_alloc(100);
    q = kgr_secret_alloc(1);
    assert_null(kgr_secret_alloc(ARENA_LEN));
    kgr_arena_use(&used, &limit);
    assert_true(used >= before + 101 && used <= before + 101 + 128);
    kgr_secret_free(p);
    kgr_secret_free(q);
    kgr_arena_use(&used, &limit);
    assert_int_equal(used, before);
}

static void full_arena_gives_null_and_recovers(void **state)
{
    static void *all[ARENA_LEN];
    size_t num = 0;
    uint8_t *big;

    (void)state;
    while ((all[num] = kgr_secret_alloc(16)) != NULL)
        num++;
    assert_true(num > ARENA_LEN / 128);
    /* Freed out of order: neighbours must melt together again. */
    for (size_t i = 0; i < num; i += 2)
        kgr_secret_free(all[i]);
    for (size_t i = 1; i < num; i += 2)
        kgr_secret_free(all[i]);
    big = kgr_secret_alloc(ARENA_LEN - 64);
    assert_non_null(big);
    kgr_secret_free(big);
}

static void random_load_keeps_allocations_apart(void **state)
{
    struct {
        uint8_t *p;
        size_t len;
        uint8_t mark;
    } held[64] = {{0}};
    unsigned int seed = 1;

    (void)state;
    for (unsigned int round = 0; round < 20000; round++) {
        size_t i = (size_t)rand_r(&seed) % 64;

        if (held[i].p != NULL) {
            for (size_t j = 0; j < held[i].len; j++)
                assert_int_equal(held[i].p[j], held[i].mark);
            kgr_secret_free(held[i].p);
            held[i].p = NULL;
            continue;
        }
        held[i].len = 1 + (size_t)rand_r(&seed) % 300;
        held[i].mark = (uint8_t)rand_r(&seed);
        held[i].p = kgr_secret_alloc(held[i].len);
        assert_non_null(held[i].p);
        memset(held[i].p, held[i].mark, held[i].len);
    }
    for (size_t i = 0; i < 64; i++)
        kgr_secret_free(held[i].p);
}

static void *churn(void *arg)
{
    uint8_t mark = *(const uint8_t *)arg;

    for (int i = 0; i < 5000; i++) {
        uint8_t *p = kgr_secret_alloc(48);

        if (p == NULL)
            return arg;
        memset(p, mark, 48);
        for (size_t j = 0; j < 48; j++)
            if (p[j] != mark)
                return arg;
        kgr_secret_free(p);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    static uint8_t marks[4] = {1, 2, 3, 4};
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &marks[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void overflow_and_free(void *arg)
{
    volatile uint8_t *p = arg;

    p[40] ^= 1;
    kgr_secret_free(arg);
}

static void free_again(void *arg)
{
    kgr_secret_free(arg);
}

static void touch(void *arg)
{
    *(volatile uint8_t *)arg = 1;
}

/* A child has no arena to spoil, so these open their own. */
static void in_own_arena(void (*fn)(void *), size_t len)
{
    uint8_t *p;

    kgr_arena_deinit();
    if (kgr_arena_init(4096) != KGR_OK || (p = kgr_secret_alloc(len)) == NULL)
        _exit(1);
    fn(p);
}

static void run_overflow(void *arg)
{
    (void)arg;
    in_own_arena(overflow_and_free, 40);
}

static void twice(void *arg)
{
    kgr_secret_free(arg);
    kgr_secret_free(arg);
    _exit(2);
}

static void run_twice(void *arg)
{
    (void)arg;
    in_own_arena(twice, 40);
}

static void overflow_behind_a_guard(void *arg)
{
    touch((uint8_t *)arg + 4096);
}

static void underflow_before_a_guard(void *arg)
{
    touch((uint8_t *)arg - 1);
}

static void run_past_end(void *arg)
{
    (void)arg;
    in_own_arena(overflow_behind_a_guard, 4000);
}

static void run_before_start(void *arg)
{
    (void)arg;
    in_own_arena(underflow_before_a_guard, 4000);
}

static void misuse_aborts(void **state)
{
    int on_heap = 0;

    (void)state;
    assert_int_equal(signal_of(run_overflow, NULL), SIGABRT);
    assert_int_equal(signal_of(run_twice, NULL), SIGABRT);
    assert_int_equal(signal_of(free_again, &on_heap), SIGABRT);
}

static void guard_pages_stop_a_run(void **state)
{
    (void)state;
    assert_int_equal(signal_of(run_past_end, NULL), SIGSEGV);
    assert_int_equal(signal_of(run_before_start, NULL), SIGSEGV);
}

static void child_has_no_secrets(void **state)
{
    uint8_t *p = kgr_secret_alloc(16);

    (void)state;
    assert_non_null(p);
    assert_int_equal(signal_of(touch, p), SIGSEGV);
    kgr_secret_free(p);
}

/* The flags of the mapping that holds p, from /proc/self/smaps. */
static void vm_flags(char *out, size_t cap, const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    bool inside = false;
    char line[512];

    assert_non_null(f);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f) != NULL) {
        unsigned long from;
        unsigned long to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(out, cap, "%s", line);
    }
    (void)fclose(f);
}

static void pages_are_locked_and_kept_from_dumps_and_children(void **state)
{
    void *p = kgr_secret_alloc(1);
    char flags[512];

    (void)state;
    vm_flags(flags, sizeof(flags), p);
#ifndef KGR_SANITIZED
    /* Sanitizers turn mlock into nothing. */
    assert_non_null(strstr(flags, " lo"));
#endif
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " dc"));
    kgr_secret_free(p);
}

static void init_twice_or_of_nothing_is_refused(void **state)
{
    (void)state;
    assert_int_equal(kgr_arena_init(4096), KGR_ERR_EXISTS);
    kgr_arena_deinit();
    kgr_arena_deinit();
    assert_null(kgr_secret_alloc(16));
    assert_int_equal(kgr_arena_init(0), KGR_ERR_INVALID);
    assert_int_equal(kgr_arena_init(ARENA_LEN), KGR_OK);
}

static void equal_ct_sees_every_bit(void **state)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    (void)state;
    assert_true(kgr_equal_ct(a, b, sizeof(a)));
    assert_true(kgr_equal_ct(NULL, NULL, 0));
    for (size_t i = 0; i < 8 * sizeof(b); i++) {
        b[i / 8] = (uint8_t)(b[i / 8] ^ 1u << i % 8);
        assert_false(kgr_equal_ct(a, b, sizeof(a)));
        b[i / 8] = 0;
    }
}

static void cleanse_overwrites(void **state)
{
    uint8_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    (void)state;
    kgr_cleanse(a, 7);
    assert_memory_equal(a, "\0\0\0\0\0\0\0\10", 8);
    kgr_cleanse(NULL, 0);
}

/* 2,000 peers with three generations each: what every key in sealed custody and the larger suite takes. */
static void arena_of_a_service_holds_the_keys_of_2000_peers(void **state)
{
    static const size_t lens[] = {33, 33, 32, 48}; /* two authorisation values, NNSK, NNSKsign */
    static void *taken[6000][4];

    (void)state;
    kgr_arena_deinit();
    assert_int_equal(kgr_arena_init(KGR_ARENA_SERVICE_BYTES), KGR_OK);
    for (size_t key = 0; key < 6000; key++)
        for (size_t i = 0; i < 4; i++)
            assert_non_null(taken[key][i] = kgr_secret_alloc(lens[i]));
    assert_non_null(kgr_secret_alloc(KGR_ARENA_SERVICE_BYTES / 2)); /* and half of it is left */
    for (size_t key = 0; key < 6000; key++)
        for (size_t i = 0; i < 4; i++)
            kgr_secret_free(taken[key][i]);
    kgr_arena_deinit();
    assert_int_equal(kgr_arena_init(ARENA_LEN), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_returns_zeroed_bytes_of_the_arena),
        cmocka_unit_test(alloc_of_nothing_or_too_much_is_null),
        cmocka_unit_test(free_cleanses),
        cmocka_unit_test(use_counts_what_is_allocated),
        cmocka_unit_test(full_arena_gives_null_and_recovers),
        cmocka_unit_test(random_load_keeps_allocations_apart),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(guard_pages_stop_a_run),
        cmocka_unit_test(child_has_no_secrets),
        cmocka_unit_test(pages_are_locked_and_kept_from_dumps_and_children),
        cmocka_unit_test(init_twice_or_of_nothing_is_refused),
        cmocka_unit_test(equal_ct_sees_every_bit),
        cmocka_unit_test(cleanse_overwrites),
        cmocka_unit_test(arena_of_a_service_holds_the_keys_of_2000_peers),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
