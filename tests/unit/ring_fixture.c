/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/ring_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/wire/ipc.h"

static bool is_peer(const struct kgr_ipc_cipher *asked, const char *name)
{
    return strcmp(asked->key.peer.s, name) == 0;
}

static enum kgr_error write_answer(struct kgr_wr *wr, const struct kgr_ipc_cipher *asked)
{
    struct kgr_ipc_cipher_reply reply = {.data = kgr_slice(NULL, 0)};
    uint8_t *out;

    memcpy(reply.iv, asked->iv, sizeof(reply.iv));
    if (kgr_ipc_cipher_reply_encode(wr, &reply) != KGR_OK)
        return KGR_ERR_TOO_LARGE;
    out = kgr_wr_reserve(wr, asked->data.len);
    for (size_t i = 0; out != NULL && i < asked->data.len; i++)
        out[i] = (uint8_t)~asked->data.p[i];
    return out != NULL ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_worker_verdict on_worker(void *arg, const struct kgr_worker_request *request,
                                         struct kgr_wr *reply, enum kgr_error *status,
                                         struct kgr_diag *diag)
{
    struct ring_fixture *f = arg;
    struct kgr_ipc_cipher asked;

    if (!kgr_arena_contains(request->body) || !kgr_arena_contains(reply->p) ||
        !kgr_arena_contains(request->scratch) || request->peer.uid != geteuid())
        abort();
    if (request->op != KGR_IPC_CIPHER)
        return KGR_WORKER_LOOP;
    *status = kgr_ipc_cipher_decode(&asked, kgr_slice(request->body, request->body_len));
    if (*status != KGR_OK)
        return KGR_WORKER_DONE;
    if (is_peer(&asked, RING_PEER_LOOP) || is_peer(&asked, RING_PEER_HELD) ||
        is_peer(&asked, RING_PEER_TICKET))
        return KGR_WORKER_LOOP;
    if (is_peer(&asked, RING_PEER_ERROR)) {
        kgr_wr_u32(reply, 1); /* left behind, and told to nobody */
        reply->len = 0;
        *status = kgr_diag_set(diag, KGR_ERR_STATE, "not now");
        return KGR_WORKER_DONE;
    }
    if (is_peer(&asked, RING_PEER_STUCK)) {
        (void)sem_post(&f->stuck);
        (void)sem_wait(&f->unstick);
    }
    *status = write_answer(reply, &asked);
    return KGR_WORKER_DONE;
}

static void answer_by_ticket(struct ring_fixture *f, struct kgr_call call, struct kgr_slice body)
{
    struct kgr_ticket ticket = {.outlet = NULL};

    if (!kgr_server_ticket(f->server, call, &ticket) || !kgr_ticket_answer(&ticket, body))
        abort();
    kgr_server_answered(f->server, call);
    kgr_ticket_drop(&ticket);
}

static void on_request(void *arg, const struct kgr_server_request *request)
{
    static uint8_t bytes[KGR_IPC_PACKET_MAX];
    struct ring_fixture *f = arg;
    struct kgr_ipc_cipher asked;
    struct kgr_wr wr;

    atomic_fetch_add(&f->num_by_loop, 1);
    if (request->op != KGR_IPC_CIPHER || kgr_ipc_cipher_decode(&asked, request->body) != KGR_OK) {
        kgr_server_fail(f->server, request->call, KGR_ERR_UNSUPPORTED, "no such operation");
        return;
    }
    if (is_peer(&asked, RING_PEER_HELD)) {
        if (f->num_held == RING_HELD_MAX)
            abort();
        f->held[f->num_held++] = request->call;
        return;
    }
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    if (write_answer(&wr, &asked) == KGR_OK && is_peer(&asked, RING_PEER_TICKET))
        answer_by_ticket(f, request->call, kgr_wr_slice(&wr));
    else if (kgr_wr_ok(&wr))
        kgr_server_reply(f->server, request->call, KGR_OK, kgr_wr_slice(&wr));
    else
        kgr_server_fail(f->server, request->call, KGR_ERR_TOO_LARGE, NULL);
}

static void *serve(void *arg)
{
    struct ring_fixture *f = arg;

    kgr_loop_run(f->loop);
    return NULL;
}

static void on_errand(void *arg)
{
    struct ring_fixture *f = arg;

    void (*run)(struct ring_fixture * f) = f->run;

    run(f);
    (void)sem_post(&f->ran);
}

static void stop_loop(struct ring_fixture *f)
{
    kgr_loop_stop(f->loop);
}

static void read_stats(struct ring_fixture *f)
{
    kgr_server_stats(f->server, &f->server_stats);
    if (f->workers != NULL)
        kgr_workers_stats(f->workers, &f->stats);
}

static void answer_held(struct ring_fixture *f)
{
    f->num_released += f->num_held;
    while (f->num_held > 0)
        kgr_server_reply(f->server, f->held[--f->num_held], KGR_OK,
                         kgr_slice("0123456789abcdeflate", 20));
}

void ring_fixture_init(struct ring_fixture *f)
{
    memset(f, 0, sizeof(*f));
    kgr_log_set_level(KGR_LOG_ERROR);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/kgr-ring.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    assert_int_equal(sem_init(&f->ran, 0, 0), 0);
    assert_int_equal(sem_init(&f->stuck, 0, 0), 0);
    assert_int_equal(sem_init(&f->unstick, 0, 0), 0);
    assert_int_equal(kgr_arena_init(4u << 20), KGR_OK);
}

void ring_fixture_start(struct ring_fixture *f, unsigned int num_workers)
{
    const struct kgr_workers_options workers = {
        .num = num_workers, .scratch_len = 64, .handler = on_worker, .arg = f};
    struct kgr_server_options options = {.path = f->path, .handler = on_request, .arg = f};

    f->num_held = 0;
    assert_int_equal(kgr_loop_new(&f->loop), KGR_OK);
    assert_int_equal(kgr_wakeup_new(&f->errand, f->loop, on_errand, f), KGR_OK);
    if (num_workers > 0)
        assert_int_equal(kgr_workers_start(&f->workers, f->loop, &workers, NULL), KGR_OK);
    options.workers = f->workers;
    assert_int_equal(kgr_server_new(&f->server, f->loop, &options, NULL), KGR_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

void ring_fixture_stop(struct ring_fixture *f)
{
    ring_fixture_do(f, stop_loop);
    (void)pthread_join(f->thread, NULL);
    kgr_server_free(f->server);
    kgr_workers_stop(f->workers);
    f->workers = NULL;
    kgr_wakeup_free(f->errand);
    kgr_loop_free(f->loop);
}

void ring_fixture_deinit(struct ring_fixture *f)
{
    kgr_arena_deinit();
    (void)sem_destroy(&f->ran);
    (void)sem_destroy(&f->stuck);
    (void)sem_destroy(&f->unstick);
    (void)rmdir(f->dir);
}

void ring_fixture_do(struct ring_fixture *f, void (*fn)(struct ring_fixture *f))
{
    f->run = fn;
    kgr_wakeup_signal(f->errand);
    while (sem_wait(&f->ran) != 0)
        continue;
}

void ring_fixture_look(struct ring_fixture *f)
{
    ring_fixture_do(f, read_stats);
}

void ring_fixture_release(struct ring_fixture *f)
{
    ring_fixture_do(f, answer_held);
}

void ring_fixture_await(struct ring_fixture *f, bool (*holds)(struct ring_fixture *f))
{
    for (int i = 0; i < 20000; i++) {
        ring_fixture_look(f);
        if (holds(f))
            return;
        usleep(1000);
    }
    fail_msg("what was awaited did not come");
}
