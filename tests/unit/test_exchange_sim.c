/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS 60000u
#define SETTLE_MS (180 * MINUTE_MS)

static uint32_t num_scripts, num_random;
static uint64_t num_steps, num_crashes, num_frames, num_renewals, num_records;

static void finish(struct sim *sim, const char *what, uint64_t seed)
{
    bool failed = sim->failed;
    char why[sizeof(sim->why)];

    memcpy(why, sim->why, sizeof(why));
    num_frames += sim->frames;
    for (size_t e = 0; e < SIM_ENDS; e++)
        num_crashes += sim->ends[e].epoch - 1;
    free(sim);
    if (failed)
        fail_msg("%s, seed %llu: %s", what, (unsigned long long)seed, why);
}

/* steps lets time pass; in a script played by hand the first statement that fails ends the test. */
static void steps(struct sim *sim, uint64_t until_ms)
{
    while (!sim->failed && sim->now_ms < until_ms && sim_step(sim))
        num_steps++;
}

static void assert_holds(struct sim *sim)
{
    if (sim->failed)
        finish(sim, "script", 0);
}

/* A fresh request after all must lead both ends to a new generation. */
static void renew_at_last(struct sim *sim)
{
    uint64_t before = sim->nodes[0].ex.s.current.generation;

    sim_request(sim, sim_below(sim, SIM_NODES), true);
    sim_settle(sim, SETTLE_MS);
    if (!sim->failed && sim->nodes[0].ex.s.current.generation <= before)
        sim_fail(sim, "a request after all brings no key");
}

/* Scripts: a first exchange, a renewal by the other end, and both ends at once. */
static void script(struct sim *sim)
{
    sim_request(sim, 0, false);
    steps(sim, sim->now_ms + 3 * MINUTE_MS);
    sim_request(sim, 1, true);
    steps(sim, sim->now_ms + 3 * MINUTE_MS);
    sim_request(sim, 0, true);
    sim_request(sim, 1, true);
    steps(sim, sim->now_ms + 3 * MINUTE_MS);
    sim_calm(sim);
    sim_settle(sim, SETTLE_MS);
    if (!sim->failed && sim->nodes[0].ex.s.current.generation == 0)
        sim_fail(sim, "no key after three requests");
    renew_at_last(sim);
}

static struct sim *run_script(struct sim_faults faults)
{
    struct sim *sim;

    faults.delay_ms = 50;
    faults.job_ms = 50;
    sim = sim_new(1, &faults);
    script(sim);
    num_scripts++;
    return sim;
}

static void scripts_undisturbed_agree(void **state)
{
    struct sim *sim = run_script((struct sim_faults){.lose = 0});

    (void)state;
    assert_holds(sim);
    assert_true(sim->nodes[0].ex.s.current.generation >= 4);
    assert_int_equal(sim->nodes[0].alarms + sim->nodes[1].alarms, 0);
    finish(sim, "undisturbed", 1);
}

static void scripts_each_frame_disturbed_agree(void **state)
{
    struct sim *plain = run_script((struct sim_faults){.lose = 0});
    uint32_t frames = plain->frames;

    (void)state;
    assert_true(frames > 28);
    finish(plain, "undisturbed", 1);
    for (uint32_t i = 1; i <= frames; i++) {
        finish(run_script((struct sim_faults){.lose_nth = i}), "a frame lost", i);
        finish(run_script((struct sim_faults){.twice_nth = i}), "a frame doubled", i);
        finish(run_script((struct sim_faults){.late_nth = i}), "a frame late", i);
        for (uint32_t j = 1; j <= frames; j++) {
            finish(run_script((struct sim_faults){.lose_nth = i, .late_nth = j}),
                   "a frame lost, another late", i * 1000ull + j);
            finish(run_script((struct sim_faults){.twice_nth = i, .late_nth = j}),
                   "a frame doubled, another late", i * 1000ull + j);
        }
    }
}

static void scripts_each_crash_agree(void **state)
{
    struct sim *plain = run_script((struct sim_faults){.lose = 0});
    uint32_t frames = plain->frames;
    uint32_t points[SIM_ENDS];

    (void)state;
    for (size_t e = 0; e < SIM_ENDS; e++)
        points[e] = plain->ends[e].points;
    finish(plain, "undisturbed", 1);
    for (uint8_t e = 0; e < SIM_ENDS; e++) {
        assert_true(points[e] > 20);
        for (uint32_t i = 1; i <= points[e]; i++) {
            struct sim_faults crash = {.crash_end = e, .crash_point = i};

            finish(run_script(crash), "a crash", e * 1000ull + i);
            for (uint32_t j = 1; j <= frames; j++) {
                crash.lose_nth = j;
                finish(run_script(crash), "a crash, a frame lost", (e * 1000ull + i) * 1000 + j);
            }
        }
    }
}

/* The destined node is away for longer than the KS keeps an advert. */
static void scripts_peer_away_give_up_and_agree(void **state)
{
    struct sim *sim = sim_new(7, &(struct sim_faults){.delay_ms = 50, .job_ms = 50});

    (void)state;
    num_scripts++;
    sim->ends[1].online = false;
    sim->ends[1].online_ms = sim->now_ms + 3 * 86400000ull;
    sim_request(sim, 0, false);
    steps(sim, sim->now_ms + 20 * MINUTE_MS);
    assert_holds(sim);
    assert_int_equal(sim->nodes[0].ex.s.phase, KGR_EXCHANGE_WAITING);
    assert_int_not_equal(sim->ks.disk.duplicates[1].generation, 0);
    steps(sim, sim->now_ms + 86400000ull);
    assert_holds(sim);
    assert_int_equal(sim->nodes[0].ex.s.phase, KGR_EXCHANGE_FAILED);
    assert_int_equal(sim->ks.disk.duplicates[1].generation, 0);
    sim_calm(sim);
    sim_settle(sim, SETTLE_MS);
    renew_at_last(sim);
    finish(sim, "peer away", 7);
}

static void scripts_pair_not_allowed_fail(void **state)
{
    struct sim *sim = sim_new(8, &(struct sim_faults){.delay_ms = 50, .job_ms = 50});

    (void)state;
    num_scripts++;
    sim_deny(sim, true);
    sim_request(sim, 0, false);
    sim_request(sim, 1, false);
    sim_settle(sim, SETTLE_MS);
    assert_holds(sim);
    for (size_t i = 0; i < SIM_NODES; i++) {
        assert_int_equal(sim->nodes[i].ex.s.phase, KGR_EXCHANGE_FAILED);
        assert_int_equal(sim->nodes[i].ex.s.error, KGR_ERR_NOT_AUTHORIZED);
        assert_int_equal(sim->nodes[i].ex.s.highest, 0);
    }
    assert_int_equal(sim->births, 0);
    sim_deny(sim, false);
    renew_at_last(sim);
    finish(sim, "not allowed", 8);
}

/* A KS that hands out two keys under one name: the requester sees it, and neither end uses any. */
static void scripts_wrong_key_destroys_candidate(void **state)
{
    struct sim *sim = sim_new(9, &(struct sim_faults){.delay_ms = 50, .job_ms = 50});

    (void)state;
    num_scripts++;
    sim->ks.twists = true;
    sim_request(sim, 1, false);
    steps(sim, sim->now_ms + MINUTE_MS);
    assert_holds(sim);
    assert_int_equal(sim->nodes[1].alarms, 1);
    assert_int_equal(sim->nodes[1].ex.s.phase, KGR_EXCHANGE_FAILED);
    assert_int_equal(sim->nodes[1].ex.s.error, KGR_ERR_CORRUPT);
    assert_int_equal(sim->nodes[1].ring.candidate.generation, 0);
    sim_settle(sim, SETTLE_MS); /* it tells the KS by a nack to conf_req, and the KS its peer */
    assert_holds(sim);
    assert_int_equal(sim->nodes[0].ex.s.current.generation, 0);
    sim->ks.twists = false;
    renew_at_last(sim);
    finish(sim, "wrong key", 9);
}

/* Keys that live for a minute are renewed, and their predecessors destroyed, by nobody's wish. */
static void scripts_renewals_lose_no_record(void **state)
{
    struct sim *sim = sim_new(10, &(struct sim_faults){.delay_ms = 50, .job_ms = 50});
    uint64_t end_ms;

    (void)state;
    num_scripts++;
    sim->renews = true;
    sim->lifetime_s = 60;
    sim->rules.overlap_s = 5;
    sim_request(sim, 1, false);
    steps(sim, sim->now_ms + 5000);
    for (end_ms = sim->now_ms + 20 * MINUTE_MS; sim->now_ms < end_ms && !sim->failed;) {
        sim_node_record(sim, sim_below(sim, SIM_NODES));
        steps(sim, sim->now_ms + 500);
    }
    assert_holds(sim);
    assert_in_range(sim->nodes[0].ex.s.current.generation, 24, 30);
    assert_true(sim->records > 20);
    /* Role 1 asks, and nobody else: no generation was used up in vain. */
    assert_int_equal(sim->births, sim->nodes[0].ex.s.highest);
    assert_true(sim->destroyed >= 2 * (sim->births - 2));
    num_renewals += sim->renewals;
    finish(sim, "renewals", 10);
}

/* nnsk_done is withheld: the requester keeps the old key while its peer may send under it, and no longer. */
static void scripts_withheld_done_keeps_the_old_key(void **state)
{
    struct sim *sim = sim_new(11, &(struct sim_faults){.delay_ms = 50, .job_ms = 50});
    struct sim_node *node;

    (void)state;
    num_scripts++;
    sim->lifetime_s = 3600;
    sim_request(sim, 0, false);
    steps(sim, sim->now_ms + MINUTE_MS);
    sim_request(sim, 0, true);
    /* The destined node has answered, and hears nothing more. */
    while (!sim->failed && sim->nodes[1].ex.s.phase != KGR_EXCHANGE_CANDIDATE && sim_step(sim))
        num_steps++;
    sim->ends[1].online_ms = sim->now_ms + 10 * 3600000ull;
    steps(sim, sim->now_ms + 20);
    sim->ends[1].online = false;
    sim->renews = true;
    steps(sim, sim->now_ms + 30 * MINUTE_MS);
    assert_holds(sim);
    node = &sim->nodes[0];
    assert_int_equal(node->ex.s.current.generation, 2);
    assert_int_equal(sim->nodes[1].ex.s.current.generation, 1);
    assert_int_equal(node->ring.previous.generation, 1);
    steps(sim, sim->now_ms + 31 * MINUTE_MS);
    assert_holds(sim);
    assert_int_equal(node->ring.previous.generation, 0);
    finish(sim, "done withheld", 11);
}

/* Random runs */

static uint32_t pick(struct sim *sim, const uint32_t *of, size_t n)
{
    return of[sim_below(sim, (uint32_t)n)];
}

static void choose(struct sim *sim)
{
    static const uint32_t loss[] = {0, 50, 200, 400}, twice[] = {0, 100, 400};
    static const uint32_t delay[] = {20, 1000, 20000, 90000}, job[] = {10, 500, 5000};
    static const uint32_t seldom[] = {0, 5, 20}, crash[] = {0, 2, 10, 40};
    static const uint32_t request[] = {20, 60, 200}, often[] = {0, 50, 200};
    static const uint32_t lifetime[] = {100000000, 100000000, 600, 40}, keep[] = {86400, 120};
    static const uint32_t lease[] = {3600, 3600000, 60}, overlap[] = {1, 10, 300};
    struct sim_faults *f = &sim->faults;

    f->lose = pick(sim, loss, KGR_ARRAY_LEN(loss));
    f->twice = pick(sim, twice, KGR_ARRAY_LEN(twice));
    f->replay = pick(sim, often, KGR_ARRAY_LEN(often));
    f->crash = pick(sim, crash, KGR_ARRAY_LEN(crash));
    f->offline = pick(sim, seldom, KGR_ARRAY_LEN(seldom));
    f->job = pick(sim, often, KGR_ARRAY_LEN(often));
    f->write = pick(sim, seldom, KGR_ARRAY_LEN(seldom));
    f->refuse = pick(sim, seldom, KGR_ARRAY_LEN(seldom));
    f->deny = pick(sim, seldom, KGR_ARRAY_LEN(seldom));
    f->request = pick(sim, request, KGR_ARRAY_LEN(request));
    f->record = pick(sim, often, KGR_ARRAY_LEN(often));
    f->delay_ms = pick(sim, delay, KGR_ARRAY_LEN(delay));
    f->job_ms = pick(sim, job, KGR_ARRAY_LEN(job));
    sim->lifetime_s = pick(sim, lifetime, KGR_ARRAY_LEN(lifetime));
    sim->renews = sim_below(sim, 2) == 0;
    sim->rules.overlap_s = pick(sim, overlap, KGR_ARRAY_LEN(overlap));
    sim->advert_keep_s = pick(sim, keep, KGR_ARRAY_LEN(keep));
    sim->ks.co.advert_keep_s = sim->advert_keep_s;
    sim->lease_s = pick(sim, lease, KGR_ARRAY_LEN(lease));
}

static void run_random(uint64_t seed, bool trace)
{
    struct sim *sim =
        sim_new(seed * UINT64_C(0x2545f4914f6cdd1d), &(struct sim_faults){.job_ms = 10});
    uint32_t n = 100 + sim_below(sim, 300);

    sim->trace = trace;
    choose(sim);
    for (uint32_t i = 0; i < n && !sim->failed; i++) {
        sim_chaos(sim);
        if (!sim_step(sim))
            break;
        num_steps++;
    }
    sim_calm(sim);
    if (sim->ks.denied)
        sim_deny(sim, false);
    sim->lifetime_s = 100000000;
    sim_settle(sim, SETTLE_MS);
    renew_at_last(sim);
    num_random++;
    num_renewals += sim->renewals;
    num_records += sim->records;
    finish(sim, "random", seed);
}

static void random_runs_hold_every_statement(void **state)
{
    const char *only = getenv("KGR_SIM_SEED");
    const char *runs = getenv("KGR_SIM_RUNS");
    uint64_t n = runs != NULL ? strtoull(runs, NULL, 10) : 12000;

    (void)state;
    if (only != NULL) {
        run_random(strtoull(only, NULL, 10), true);
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++)
        run_random(seed, false);
}

static int print_count(void **state)
{
    (void)state;
    print_message(
        "exchange_sim: %u scripts, %u random runs, %llu steps, %llu frames, %llu crashes, %llu "
        "renewals, %llu records\n",
        num_scripts, num_random, (unsigned long long)num_steps, (unsigned long long)num_frames,
        (unsigned long long)num_crashes, (unsigned long long)num_renewals,
        (unsigned long long)num_records);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_undisturbed_agree),
        cmocka_unit_test(scripts_each_frame_disturbed_agree),
        cmocka_unit_test(scripts_each_crash_agree),
        cmocka_unit_test(scripts_peer_away_give_up_and_agree),
        cmocka_unit_test(scripts_pair_not_allowed_fail),
        cmocka_unit_test(scripts_wrong_key_destroys_candidate),
        cmocka_unit_test(scripts_renewals_lose_no_record),
        cmocka_unit_test(scripts_withheld_done_keeps_the_old_key),
        cmocka_unit_test(random_runs_hold_every_statement),
    };

    return cmocka_run_group_tests_name("exchange_sim", tests, NULL, print_count);
}
