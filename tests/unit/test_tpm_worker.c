/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/worker.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/random.h"
#include "agent/tpm/tpm.h"
#include "tests/support/swtpm.h"
#include "tests/support/tpm_tap.h"

#define MAX_JOBS 8

static struct swtpm swtpm;
static struct kgr_tpm_worker *worker;
static struct kgr_diag diag;
static sem_t notified;
static sem_t gate; /* holds the job "wait" */
static sem_t running;
static atomic_uint num_notified;

/* What came back, in its order. */
static int order[32];
static size_t num_done;
static enum kgr_error last_err;
static char last_text[sizeof(diag.text)];

static void notify(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&num_notified, 1);
    (void)sem_post(&notified);
}

static int begin(void **state)
{
    struct kgr_tpm *tpm = NULL;

    (void)state;
    tpm_tap_reset();
    num_done = 0;
    atomic_store(&num_notified, 0);
    last_err = KGR_OK;
    if (kgr_arena_init(262144) != KGR_OK || sem_init(&notified, 0, 0) != 0 ||
        sem_init(&gate, 0, 0) != 0 || sem_init(&running, 0, 0) != 0)
        return -1;
    swtpm_start(&swtpm);
    if (kgr_tpm_open(&tpm, swtpm.tcti, &diag) != KGR_OK ||
        kgr_tpm_worker_start(&worker, tpm, MAX_JOBS, notify, NULL) != KGR_OK)
        return -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_tpm_worker_stop(worker);
    worker = NULL;
    swtpm_stop(&swtpm);
    kgr_arena_deinit();
    return 0;
}

struct job {
    int number;
    uint8_t bytes[16];
};

static enum kgr_error run_random(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *d)
{
    struct job *job = ctx;

    return kgr_tpm_random(tpm, job->bytes, sizeof(job->bytes), d);
}

static enum kgr_error run_wait(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *d)
{
    (void)tpm;
    (void)ctx;
    (void)d;
    (void)sem_post(&running);
    (void)sem_wait(&gate);
    return KGR_OK;
}

static enum kgr_error run_fail(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *d)
{
    (void)tpm;
    (void)ctx;
    return kgr_diag_set(d, KGR_ERR_CORRUPT, "as it should");
}

static void done(void *ctx, enum kgr_error err, const struct kgr_diag *d)
{
    const struct job *job = ctx;

    order[num_done++] = job->number;
    last_err = err;
    (void)strcpy(last_text, d->text);
}

static enum kgr_error submit(struct job *job, enum kgr_tpm_priority priority,
                             enum kgr_error (*run)(struct kgr_tpm *, void *, struct kgr_diag *))
{
    const struct kgr_tpm_job j = {.run = run, .done = done, .ctx = job};

    return kgr_tpm_worker_submit(worker, priority, &j);
}

static void drain_until(size_t num)
{
    while (num_done < num) {
        assert_int_equal(sem_wait(&notified), 0);
        (void)kgr_tpm_worker_drain(worker);
    }
}

static void worker_runs_a_job_and_hands_back_its_result(void **state)
{
    static const uint8_t zeroes[16];
    struct job job = {.number = 1};

    (void)state;
    assert_int_equal(submit(&job, KGR_TPM_CONTROL, run_random), KGR_OK);
    drain_until(1);
    assert_int_equal(last_err, KGR_OK);
    assert_memory_not_equal(job.bytes, zeroes, sizeof(zeroes));
}

static void worker_hands_back_an_error_with_its_text(void **state)
{
    struct job job = {.number = 1};

    (void)state;
    assert_int_equal(submit(&job, KGR_TPM_BULK, run_fail), KGR_OK);
    drain_until(1);
    assert_int_equal(last_err, KGR_ERR_CORRUPT);
    assert_string_equal(last_text, "as it should");
}

static void worker_prefers_control_and_keeps_the_order(void **state)
{
    struct job jobs[7];
    static const int expected[] = {0, 4, 5, 6, 1, 2, 3};

    (void)state;
    for (int i = 0; i < 7; i++)
        jobs[i].number = i;
    assert_int_equal(submit(&jobs[0], KGR_TPM_BULK, run_wait), KGR_OK);
    assert_int_equal(sem_wait(&running), 0);
    for (int i = 1; i < 4; i++)
        assert_int_equal(submit(&jobs[i], KGR_TPM_BULK, run_random), KGR_OK);
    for (int i = 4; i < 7; i++)
        assert_int_equal(submit(&jobs[i], KGR_TPM_CONTROL, run_random), KGR_OK);
    (void)sem_post(&gate);
    drain_until(7);
    assert_memory_equal(order, expected, sizeof(expected));
}

static enum kgr_error submit_in(uint32_t lane, bool small, struct job *job,
                                enum kgr_error (*run)(struct kgr_tpm *, void *, struct kgr_diag *))
{
    const struct kgr_tpm_job j = {
        .run = run, .done = done, .ctx = job, .lane = lane, .small = small};

    return kgr_tpm_worker_submit(worker, KGR_TPM_BULK, &j);
}

/* Who asks for much waits for who asks for little; what ends keys (lane 0) waits for all before it. */
static void worker_serves_lanes_by_turns(void **state)
{
    static const uint32_t lanes[] = {9, 1, 1, 1, 2, 2, 0, 3};
    static const int expected[] = {0, 1, 4, 7, 2, 5, 3, 6};
    struct job jobs[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        jobs[i].number = i;
        assert_int_equal(submit_in(lanes[i], false, &jobs[i], i == 0 ? run_wait : run_random),
                         KGR_OK);
        if (i == 0)
            assert_int_equal(sem_wait(&running), 0);
    }
    (void)sem_post(&gate);
    drain_until(8);
    assert_memory_equal(order, expected, sizeof(expected));
}

static enum kgr_error run_long(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *d)
{
    enum kgr_error err = run_wait(tpm, ctx, d);

    kgr_tpm_let_others(tpm);
    return err;
}

/*
 * A long job of lane 1 (0) lets control (5) in, and of each other lane one small job (1): not the second (2), not what is
 * not small (3), nor what follows in its own lane (4), nor what ends keys (6).
 */
static void worker_lets_others_into_a_long_job(void **state)
{
    static const uint32_t lanes[] = {1, 2, 2, 3, 1, 0, 0};
    static const bool small[] = {false, true, true, false, true, false, true};
    static const int expected[] = {5, 1, 0, 3, 2, 4, 6};
    struct job jobs[7];

    (void)state;
    for (int i = 0; i < 7; i++) {
        jobs[i].number = i;
        if (i == 5)
            assert_int_equal(submit(&jobs[i], KGR_TPM_CONTROL, run_random), KGR_OK);
        else
            assert_int_equal(
                submit_in(lanes[i], small[i], &jobs[i], i == 0 ? run_long : run_random), KGR_OK);
        if (i == 0)
            assert_int_equal(sem_wait(&running), 0);
    }
    (void)sem_post(&gate);
    drain_until(7);
    assert_memory_equal(order, expected, sizeof(expected));
}

static bool yes(void *ctx)
{
    (void)ctx;
    return true;
}

static enum kgr_error submit_lazy(struct job *job)
{
    const struct kgr_tpm_job j = {.run = run_random, .done = done, .ctx = job, .is_lazy = yes};

    return kgr_tpm_worker_submit(worker, KGR_TPM_BULK, &j);
}

/* It comes with the next that is told of, and when there is none it is told of by itself. */
static void worker_tells_late_of_what_is_lazy(void **state)
{
    struct job jobs[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        jobs[i].number = i;
    assert_int_equal(submit(&jobs[0], KGR_TPM_BULK, run_wait), KGR_OK);
    assert_int_equal(submit_lazy(&jobs[1]), KGR_OK);
    assert_int_equal(submit(&jobs[2], KGR_TPM_BULK, run_random), KGR_OK);
    (void)sem_post(&gate);
    drain_until(3);
    assert_int_equal(submit_lazy(&jobs[3]), KGR_OK);
    while (num_done < 4) {
        (void)sem_wait(&notified);
        (void)kgr_tpm_worker_drain(worker);
    }
    kgr_tpm_worker_stop(worker);
    worker = NULL;
    assert_int_equal(atomic_load(&num_notified), 3);
}

static void worker_full_is_busy_until_drained(void **state)
{
    struct job jobs[MAX_JOBS + 1];

    (void)state;
    for (int i = 0; i <= MAX_JOBS; i++)
        jobs[i].number = i;
    assert_int_equal(submit(&jobs[0], KGR_TPM_BULK, run_wait), KGR_OK);
    for (int i = 1; i < MAX_JOBS; i++)
        assert_int_equal(submit(&jobs[i], KGR_TPM_BULK, run_random), KGR_OK);
    assert_int_equal(submit(&jobs[MAX_JOBS], KGR_TPM_BULK, run_random), KGR_ERR_BUSY);
    /* The other queue has room of its own. */
    assert_int_equal(submit(&jobs[MAX_JOBS], KGR_TPM_CONTROL, run_random), KGR_OK);
    (void)sem_post(&gate);
    drain_until(MAX_JOBS + 1);
    assert_int_equal(submit(&jobs[0], KGR_TPM_BULK, run_random), KGR_OK);
    drain_until(MAX_JOBS + 2);
}

/* Lets the running job end once the worker is stopping: a full queue says BUSY before, STATE after. */
static void *open_gate_when_stopping(void *arg)
{
    while (submit(arg, KGR_TPM_BULK, run_random) != KGR_ERR_STATE)
        (void)sched_yield();
    (void)sem_post(&gate);
    return NULL;
}

static void worker_stopped_ends_what_waits(void **state)
{
    struct job jobs[MAX_JOBS + 1];
    pthread_t thread;

    (void)state;
    for (int i = 0; i <= MAX_JOBS; i++)
        jobs[i].number = i;
    assert_int_equal(submit(&jobs[0], KGR_TPM_BULK, run_wait), KGR_OK);
    assert_int_equal(sem_wait(&running), 0);
    for (int i = 1; i < MAX_JOBS; i++)
        assert_int_equal(submit(&jobs[i], KGR_TPM_BULK, run_random), KGR_OK);
    assert_int_equal(pthread_create(&thread, NULL, open_gate_when_stopping, &jobs[MAX_JOBS]), 0);
    kgr_tpm_worker_stop(worker);
    worker = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(num_done, MAX_JOBS);
    assert_int_equal(order[0], 0);
    assert_int_equal(last_err, KGR_ERR_STATE);
}

/* Nobody submits anything: the worker itself finds that the TPM is there again. */
static void failing_is_told_until_the_tpm_is_back(void **state)
{
    struct job job = {.number = 1};
    struct kgr_tpm_job submitted = {.run = run_random, .done = done, .ctx = &job};

    (void)state;
    assert_int_equal(kgr_tpm_worker_failing(worker), 0);
    swtpm_kill(&swtpm);
    assert_int_equal(kgr_tpm_worker_submit(worker, KGR_TPM_CONTROL, &submitted), KGR_OK);
    (void)sem_wait(&notified);
    assert_int_equal(kgr_tpm_worker_drain(worker), 1);
    assert_int_equal(last_err, KGR_ERR_TPM);
    assert_true(kgr_tpm_worker_failing(worker) > 0);
    swtpm_restart(&swtpm);
    for (int i = 0; i < 1000 && kgr_tpm_worker_failing(worker) != 0; i++) {
        const struct timespec t = {0, 10000000L};

        (void)nanosleep(&t, NULL);
    }
    assert_int_equal(kgr_tpm_worker_failing(worker), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(worker_runs_a_job_and_hands_back_its_result, begin, end),
        cmocka_unit_test_setup_teardown(worker_hands_back_an_error_with_its_text, begin, end),
        cmocka_unit_test_setup_teardown(worker_prefers_control_and_keeps_the_order, begin, end),
        cmocka_unit_test_setup_teardown(worker_serves_lanes_by_turns, begin, end),
        cmocka_unit_test_setup_teardown(worker_lets_others_into_a_long_job, begin, end),
        cmocka_unit_test_setup_teardown(worker_tells_late_of_what_is_lazy, begin, end),
        cmocka_unit_test_setup_teardown(worker_full_is_busy_until_drained, begin, end),
        cmocka_unit_test_setup_teardown(worker_stopped_ends_what_waits, begin, end),
        cmocka_unit_test_setup_teardown(failing_is_told_until_the_tpm_is_back, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
