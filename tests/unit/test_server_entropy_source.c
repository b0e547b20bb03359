/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/entropy_source.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"

static char dir[64], fifo[96];
static struct kgr_entropy_source *source;
static int writer = -1;

static void nap(void)
{
    const struct timespec t = {0, 10000000L};

    (void)nanosleep(&t, NULL);
}

static struct kgr_entropy_report report(void)
{
    struct kgr_entropy_report r;

    kgr_entropy_source_report(source, &r);
    return r;
}

/* The descriptor is non-blocking: what does not fit into the FIFO is not written. */
static void write_random(void)
{
    uint8_t bytes[1024];

    kgr_random(bytes, sizeof bytes);
    if (writer >= 0)
        (void)!write(writer, bytes, sizeof bytes);
}

static void write_same(void)
{
    static const uint8_t bytes[1024];

    (void)!write(writer, bytes, sizeof bytes);
}

/* Until the source is in that state, at most 20 s, with the writer at work. */
static void await(enum kgr_entropy_state state, void (*work)(void))
{
    for (int i = 0; i < 2000 && report().state != state; i++) {
        work();
        nap();
    }
    assert_int_equal(report().state, state);
}

static void await_blocks(void)
{
    for (int i = 0; i < 2000 && report().blocks == 0; i++) {
        write_random();
        nap();
    }
    assert_true(report().blocks > 0);
}

static void open_source(const char *path)
{
    const struct kgr_entropy_source_options options = {.path = path, .centibits = 400};

    assert_int_equal(kgr_entropy_source_new(&source, &options), KGR_OK);
}

static void open_writer(void)
{
    for (int i = 0; i < 500 && writer < 0; i++) { /* until the source has opened its end */
        writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (writer < 0)
            nap();
    }
    assert_true(writer >= 0);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/kgr-entropy-XXXXXX");
    if (mkdtemp(dir) == NULL || kgr_arena_init(65536) != KGR_OK)
        return -1;
    (void)snprintf(fifo, sizeof fifo, "%s/q", dir);
    return mkfifo(fifo, 0600);
}

static int end(void **state)
{
    (void)state;
    kgr_entropy_source_free(source);
    source = NULL;
    if (writer >= 0)
        (void)close(writer);
    writer = -1;
    (void)unlink(fifo);
    (void)rmdir(dir);
    kgr_arena_deinit();
    return 0;
}

static void good_fifo_gives_blocks_that_differ(void **state)
{
    uint8_t a[KGR_ENTROPY_BLOCK_LEN], b[KGR_ENTROPY_BLOCK_LEN];

    (void)state;
    open_source(fifo);
    open_writer();
    await(KGR_ENTROPY_GOOD, write_random);
    await_blocks();
    assert_true(kgr_entropy_source_take(source, a));
    await_blocks();
    assert_true(kgr_entropy_source_take(source, b));
    assert_memory_not_equal(a, b, sizeof a);
}

static void fifo_without_writer_has_ended_until_one_comes(void **state)
{
    uint8_t block[KGR_ENTROPY_BLOCK_LEN];

    (void)state;
    open_source(fifo);
    await(KGR_ENTROPY_ENDED, nap);
    open_writer();
    await(KGR_ENTROPY_GOOD, write_random);
    await_blocks();
    (void)close(writer);
    writer = -1;
    await(KGR_ENTROPY_ENDED, nap);
    assert_int_equal(report().blocks, 0);
    assert_false(kgr_entropy_source_take(source, block));
}

static void source_that_sticks_loses_its_blocks_and_comes_back(void **state)
{
    uint8_t block[KGR_ENTROPY_BLOCK_LEN];

    (void)state;
    open_source(fifo);
    open_writer();
    await(KGR_ENTROPY_GOOD, write_random);
    await(KGR_ENTROPY_REPEATS, write_same);
    assert_false(kgr_entropy_source_take(source, block));
    await(KGR_ENTROPY_GOOD, write_random);
}

static void silent_source_is_blocked(void **state)
{
    (void)state;
    open_source(fifo);
    open_writer();
    await(KGR_ENTROPY_BLOCKED, nap);
    await(KGR_ENTROPY_GOOD, write_random);
}

static void dev_zero_fails_at_its_startup_test(void **state)
{
    (void)state;
    open_source("/dev/zero");
    await(KGR_ENTROPY_REPEATS, nap);
}

static void regular_file_is_no_source(void **state)
{
    (void)state;
    open_source("/etc/passwd");
    await(KGR_ENTROPY_AWAY, nap);
    assert_non_null(strstr(report().reason, "FIFO"));
}

static void missing_source_says_so(void **state)
{
    (void)state;
    open_source("/nonexistent/hwrng");
    await(KGR_ENTROPY_AWAY, nap);
    assert_string_equal(report().reason, "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_fifo_gives_blocks_that_differ, begin, end),
        cmocka_unit_test_setup_teardown(fifo_without_writer_has_ended_until_one_comes, begin, end),
        cmocka_unit_test_setup_teardown(source_that_sticks_loses_its_blocks_and_comes_back, begin,
                                        end),
        cmocka_unit_test_setup_teardown(silent_source_is_blocked, begin, end),
        cmocka_unit_test_setup_teardown(dev_zero_fails_at_its_startup_test, begin, end),
        cmocka_unit_test_setup_teardown(regular_file_is_no_source, begin, end),
        cmocka_unit_test_setup_teardown(missing_source_says_so, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
