/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <kgr/client.h>

#include "tests/unit/ring_fixture.h"

/* libkgr against the serving side, through the rings. */
struct world {
    struct ring_fixture f;
    struct kgr_client *client;
};

static struct kgr_client *new_client(struct ring_fixture *f, int timeout_ms)
{
    const struct kgr_client_options options = {.socket = f->path, .timeout_ms = timeout_ms};
    struct kgr_client *client = NULL;

    assert_int_equal(kgr_client_new(&client, &options), KGR_OK);
    return client;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    ring_fixture_init(&w->f);
    ring_fixture_start(&w->f, 2);
    w->client = new_client(&w->f, 30000);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    kgr_client_free(w->client);
    ring_fixture_stop(&w->f);
    ring_fixture_deinit(&w->f);
    free(w);
    return 0;
}

/* One request; whether the answer is what it must be. */
static enum kgr_error ask(struct kgr_client *client, const char *peer, unsigned int seed,
                          size_t len)
{
    struct kgr_key key = {.generation = 0};
    uint8_t iv[16], iv_before[16];
    uint8_t *bytes = malloc(2 * len + 1);
    enum kgr_error err;

    (void)snprintf(key.peer, sizeof(key.peer), "%s", peer);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed * 13 + i + i / 255);
    memset(iv, (int)(seed & 0xff), sizeof(iv));
    memcpy(iv_before, iv, sizeof(iv));
    err = kgr_encrypt(client, &key, KGR_MODE_CTR, iv, bytes, len, bytes + len);
    for (size_t i = 0; i < len && err == KGR_OK; i++)
        if (bytes[len + i] + bytes[i] != 0xff)
            err = KGR_ERR_CORRUPT;
    if (err == KGR_OK && memcmp(iv, iv_before, sizeof(iv)) != 0)
        err = KGR_ERR_CORRUPT;
    free(bytes);
    return err;
}

static void ask_often(struct kgr_client *client, const char *peer, unsigned int num)
{
    for (unsigned int i = 0; i < num; i++)
        assert_int_equal(ask(client, peer, i, 16 + i), KGR_OK);
}

static void ring_is_taken_after_some_requests(void **state)
{
    struct world *w = *state;

    ask_often(w->client, RING_PEER_WORKER, 8);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.stats.rings, 0); /* a short visit does not pay for it */
    assert_int_equal(w->f.num_by_loop, 8);
    ask_often(w->client, RING_PEER_WORKER, 300);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.stats.rings, 1);
    assert_int_equal(w->f.num_by_loop, 8);
    assert_int_equal(w->f.stats.requests, 300);
    assert_int_equal(w->f.server_stats.conns, 1);
}

static void ring_error_of_a_worker_has_its_words(void **state)
{
    struct world *w = *state;
    char text[256];

    ask_often(w->client, RING_PEER_WORKER, 20);
    assert_int_equal(ask(w->client, RING_PEER_ERROR, 1, 32), KGR_ERR_STATE);
    (void)kgr_client_reason(text, sizeof(text));
    assert_non_null(strstr(text, "not now"));
    assert_int_equal(ask(w->client, RING_PEER_WORKER, 1, 32), KGR_OK);
}

struct thread {
    pthread_t id;
    struct kgr_client *client;
    const char *peer;
    unsigned int seed;
    unsigned int num;
    size_t max_len;
    enum kgr_error err;
};

static void *work(void *arg)
{
    struct thread *t = arg;
    unsigned int seed = t->seed;

    for (unsigned int i = 0; i < t->num && t->err == KGR_OK; i++)
        t->err = ask(t->client, t->peer, t->seed * 1000 + i, (size_t)rand_r(&seed) % t->max_len);
    return NULL;
}

static void start_threads(struct thread *threads, unsigned int num, struct thread like)
{
    for (unsigned int i = 0; i < num; i++) {
        threads[i] = like;
        threads[i].seed = i + 1;
        assert_int_equal(pthread_create(&threads[i].id, NULL, work, &threads[i]), 0);
    }
}

static void join_threads(struct thread *threads, unsigned int num)
{
    for (unsigned int i = 0; i < num; i++) {
        (void)pthread_join(threads[i].id, NULL);
        assert_int_equal(threads[i].err, KGR_OK);
    }
}

static void ring_of_eight_threads_mixes_up_nothing(void **state)
{
    struct world *w = *state;
    struct thread small[8], large[4], by_loop[2];

    ask_often(w->client, RING_PEER_WORKER, 20);
    start_threads(
        small, 8,
        (struct thread){.client = w->client, .peer = RING_PEER_WORKER, .num = 500, .max_len = 700});
    start_threads(large, 4,
                  (struct thread){
                      .client = w->client, .peer = RING_PEER_WORKER, .num = 60, .max_len = 65536});
    start_threads(
        by_loop, 2,
        (struct thread){.client = w->client, .peer = RING_PEER_LOOP, .num = 100, .max_len = 9000});
    join_threads(small, 8);
    join_threads(large, 4);
    join_threads(by_loop, 2);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.server_stats.conns, 1);
    assert_int_equal(w->f.stats.breaches, 0);
}

static bool sixty_four_are_held(struct ring_fixture *f)
{
    return f->num_held == 64;
}

static bool release_until_80(struct ring_fixture *f)
{
    assert_true(f->num_held <= 64);
    ring_fixture_release(f);
    return f->num_released == 80;
}

static void ring_holds_no_more_than_64_in_flight(void **state)
{
    struct world *w = *state;
    struct thread threads[80];
    enum kgr_error err = KGR_OK;

    ask_often(w->client, RING_PEER_WORKER, 20);
    /* The answer is another one than work expects: CORRUPT shows that it came. */
    start_threads(
        threads, 80,
        (struct thread){.client = w->client, .peer = RING_PEER_HELD, .num = 1, .max_len = 4});
    ring_fixture_await(&w->f, sixty_four_are_held);
    assert_int_equal(w->f.num_held, 64);
    /* More may come between a look and a release: what was released is counted where it is. */
    ring_fixture_await(&w->f, release_until_80);
    for (unsigned int i = 0; i < 80; i++) {
        (void)pthread_join(threads[i].id, NULL);
        err = threads[i].err != KGR_ERR_CORRUPT ? threads[i].err : err;
    }
    assert_int_equal(err, KGR_OK);
    ask_often(w->client, RING_PEER_WORKER, 20);
}

static void ring_is_left_to_those_whom_workers_answer(void **state)
{
    struct world *w = *state;
    uint64_t handed;

    ask_often(w->client, RING_PEER_WORKER, 20);
    ask_often(w->client, RING_PEER_LOOP, 40);
    ring_fixture_look(&w->f);
    handed = w->f.stats.handed;
    assert_true(handed >= 4 && handed < 10);
    ask_often(w->client, RING_PEER_WORKER, 20);
    ask_often(w->client, RING_PEER_LOOP, 40);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.stats.handed, handed);
    /* Now and then it is tried again. */
    ask_often(w->client, RING_PEER_LOOP, 400);
    ring_fixture_look(&w->f);
    assert_true(w->f.stats.handed > handed && w->f.stats.handed < handed + 5);
}

static void ring_is_not_inherited(void **state)
{
    struct world *w = *state;
    int status = 0;
    pid_t pid;

    ask_often(w->client, RING_PEER_WORKER, 20);
    pid = fork();
    if (pid == 0) {
        enum kgr_error err = KGR_OK;

        for (unsigned int i = 0; i < 50 && err == KGR_OK; i++)
            err = ask(w->client, RING_PEER_WORKER, 77 + i, 900);
        if (err == KGR_OK)
            kgr_client_free(w->client);
        _exit(err == KGR_OK ? 0 : 1);
    }
    for (unsigned int i = 0; i < 200; i++)
        assert_int_equal(ask(w->client, RING_PEER_WORKER, i, 300), KGR_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ask_often(w->client, RING_PEER_WORKER, 20);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.server_stats.accepted, 2);
    assert_int_equal(w->f.stats.breaches, 0);
}

static void ring_of_an_agent_that_comes_back_is_not_missed(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 3; i++) {
        ask_often(w->client, RING_PEER_WORKER, 20);
        ring_fixture_stop(&w->f);
        ring_fixture_start(&w->f, i == 1 ? 0 : 1); /* one of them has none */
    }
    ask_often(w->client, RING_PEER_WORKER, 20);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.stats.rings, 1);
}

static bool one_is_held(struct ring_fixture *f)
{
    return f->num_held == 1;
}

static void ring_request_that_was_taken_is_lost_with_the_agent(void **state)
{
    struct world *w = *state;
    struct thread thread[1];

    ask_often(w->client, RING_PEER_WORKER, 20);
    start_threads(
        thread, 1,
        (struct thread){.client = w->client, .peer = RING_PEER_HELD, .num = 1, .max_len = 4});
    ring_fixture_await(&w->f, one_is_held);
    ring_fixture_stop(&w->f);
    (void)pthread_join(thread[0].id, NULL);
    assert_int_equal(thread[0].err, KGR_ERR_NO_AGENT);
    ring_fixture_start(&w->f, 1);
    ask_often(w->client, RING_PEER_WORKER, 20);
}

static void ring_request_times_out_and_its_reply_is_dropped(void **state)
{
    struct world *w = *state;
    struct kgr_client *hasty = new_client(&w->f, 300);

    ask_often(hasty, RING_PEER_WORKER, 20);
    assert_int_equal(ask(hasty, RING_PEER_HELD, 1, 4), KGR_ERR_TIMEOUT);
    ring_fixture_release(&w->f);
    for (unsigned int i = 0; i < 50;
         i++) /* a loaded machine may take its time, which is not the matter */
        assert_true(ask(hasty, RING_PEER_WORKER, i, 400) != KGR_ERR_CORRUPT);
    ring_fixture_look(&w->f);
    assert_int_equal(w->f.server_stats.accepted, 1);
    kgr_client_free(hasty);
}

static void ring_refused_leaves_the_socket(void **state)
{
    struct world *w = *state;

    ring_fixture_stop(&w->f);
    ring_fixture_start(&w->f, 0);
    ask_often(w->client, RING_PEER_WORKER, 60);
    assert_int_equal(w->f.num_by_loop, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ring_is_taken_after_some_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_error_of_a_worker_has_its_words, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_of_eight_threads_mixes_up_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_holds_no_more_than_64_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_is_left_to_those_whom_workers_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_is_not_inherited, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_of_an_agent_that_comes_back_is_not_missed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ring_request_that_was_taken_is_lost_with_the_agent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ring_request_times_out_and_its_reply_is_dropped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ring_refused_leaves_the_socket, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
