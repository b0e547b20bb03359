/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/entropy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_entropy e;

/* Samples without any repetition nearer than 256: they pass every test. */
static bool feed_good(size_t num)
{
    static uint8_t next;
    bool changed = false;

    for (size_t i = 0; i < num; i++) {
        changed = kgr_entropy_feed(&e, kgr_slice(&next, 1)) || changed;
        next++;
    }
    return changed;
}

static bool feed_same(uint8_t sample, size_t num)
{
    bool changed = false;

    for (size_t i = 0; i < num; i++)
        changed = kgr_entropy_feed(&e, kgr_slice(&sample, 1)) || changed;
    return changed;
}

static int begin(void **state)
{
    (void)state;
    kgr_entropy_init(&e, 100, 20);
    return 0;
}

/* SP 800-90B, 4.4.1: its example is H = 2.0 with 2^-20, C = 11. */
static void repeat_cutoffs_are_those_of_the_standard(void **state)
{
    (void)state;
    assert_int_equal(kgr_entropy_repeat_cutoff(200, 20), 11);
    assert_int_equal(kgr_entropy_repeat_cutoff(100, 30), 31);
    assert_int_equal(kgr_entropy_repeat_cutoff(800, 30), 5);
    assert_int_equal(kgr_entropy_repeat_cutoff(300, 20), 8); /* 20 / 3 is rounded up */
}

/* SP 800-90B, 4.4.2: its table of examples with 2^-20, and the usual 325 of H = 1 with 2^-30. */
static void proportion_cutoffs_are_those_of_the_standard(void **state)
{
    static const struct {
        uint32_t centibits, window, cutoff;
    } table[] = {
        {50, 512, 410},  {100, 512, 311}, {200, 512, 177}, {400, 512, 62},  {800, 512, 13},
        {20, 1024, 941}, {40, 1024, 840}, {60, 1024, 748}, {80, 1024, 664}, {100, 1024, 589},
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(table); i++)
        assert_int_equal(kgr_entropy_proportion_cutoff(table[i].centibits, 20, table[i].window),
                         table[i].cutoff);
    assert_int_equal(kgr_entropy_proportion_cutoff(100, 30, 512), 325);
}

static void block_has_the_entropy_asked_for(void **state)
{
    (void)state;
    assert_int_equal(kgr_entropy_block(800, 576), 72);
    assert_int_equal(kgr_entropy_block(100, 576), 576);
    assert_int_equal(kgr_entropy_block(700, 576), 83); /* rounded up */
    assert_int_equal(kgr_entropy_block(10, 576), 5760);
}

static void startup_counts_after_1024_samples(void **state)
{
    (void)state;
    assert_false(feed_good(1023));
    assert_int_equal(e.state, KGR_ENTROPY_STARTING);
    assert_true(feed_good(1));
    assert_int_equal(e.state, KGR_ENTROPY_GOOD);
}

static void repetition_fails_at_the_cutoff_and_not_before(void **state)
{
    (void)state;
    assert_int_equal(e.repeat_cutoff, 21);
    feed_good(2048);
    assert_false(feed_same(e.last, 19)); /* 20 in a row with the one before */
    assert_int_equal(e.state, KGR_ENTROPY_GOOD);
    feed_good(1);
    assert_false(feed_same((uint8_t)(e.last + 128), 20));
    assert_true(feed_same(e.last, 1));
    assert_int_equal(e.state, KGR_ENTROPY_REPEATS);
}

/* Every second sample, so that none repeats in a row, and one window from its first sample. */
static void proportion_fails_at_the_cutoff_and_not_before(void **state)
{
    uint8_t others = 1;

    (void)state;
    kgr_entropy_init(&e, 200, 20);
    assert_int_equal(e.proportion_cutoff, 177);
    for (size_t i = 0; i < 176; i++) {
        feed_same(0, 1);
        feed_same(others, 1);
        others = (uint8_t)(others == 255 ? 1 : others + 1);
    }
    assert_int_equal(e.state, KGR_ENTROPY_STARTING);
    assert_int_equal(e.matches, 176);
    assert_true(feed_same(0, 1));
    assert_int_equal(e.state, KGR_ENTROPY_BIASED);
}

static void proportion_begins_a_window_after_512_samples(void **state)
{
    (void)state;
    kgr_entropy_init(&e, 200, 20);
    for (size_t i = 0; i < 4; i++) {
        /* 150 in each window: never too many, though 300 in two of them would be. */
        for (size_t k = 0; k < 150; k++) {
            feed_same(7, 1);
            feed_same(8, 1);
        }
        feed_good(212);
    }
    assert_int_equal(e.state, KGR_ENTROPY_GOOD);
}

static void stuck_source_never_starts(void **state)
{
    (void)state;
    feed_same(0, 4096);
    assert_int_equal(e.state, KGR_ENTROPY_REPEATS);
    assert_true(kgr_entropy_failed(&e));
}

/* An alarm stays until the whole start-up test has passed again. */
static void failed_source_is_good_again_after_its_startup_test(void **state)
{
    (void)state;
    feed_good(2000);
    feed_same(0, 64);
    assert_true(kgr_entropy_failed(&e));
    feed_good(512);
    assert_int_equal(e.state, KGR_ENTROPY_REPEATS);
    feed_good(1024);
    assert_int_equal(e.state, KGR_ENTROPY_GOOD);
}

static void source_that_ended_begins_anew(void **state)
{
    (void)state;
    feed_good(2000);
    assert_true(kgr_entropy_fail(&e, KGR_ENTROPY_ENDED));
    assert_false(kgr_entropy_fail(&e, KGR_ENTROPY_ENDED));
    feed_good(1023);
    assert_true(kgr_entropy_failed(&e));
    feed_good(1);
    assert_false(kgr_entropy_failed(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeat_cutoffs_are_those_of_the_standard),
        cmocka_unit_test(proportion_cutoffs_are_those_of_the_standard),
        cmocka_unit_test(block_has_the_entropy_asked_for),
        cmocka_unit_test_setup(startup_counts_after_1024_samples, begin),
        cmocka_unit_test_setup(repetition_fails_at_the_cutoff_and_not_before, begin),
        cmocka_unit_test_setup(proportion_fails_at_the_cutoff_and_not_before, begin),
        cmocka_unit_test_setup(proportion_begins_a_window_after_512_samples, begin),
        cmocka_unit_test_setup(stuck_source_never_starts, begin),
        cmocka_unit_test_setup(failed_source_is_good_again_after_its_startup_test, begin),
        cmocka_unit_test_setup(source_that_ended_begins_anew, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
