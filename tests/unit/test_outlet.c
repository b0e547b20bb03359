/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/outlet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct kgr_ipc_header header = {.op = 15, .reply = true, .id = 7};

struct fixture {
    int fd[2]; /* ours, the client's */
    struct kgr_outlet *outlet;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f->fd) != 0 ||
        kgr_outlet_new(&f->outlet, f->fd[0]) != KGR_OK)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_outlet_close(f->outlet);
    kgr_outlet_release(f->outlet);
    (void)close(f->fd[0]);
    if (f->fd[1] >= 0)
        (void)close(f->fd[1]);
    free(f);
    return 0;
}

static void outlet_sends_header_and_body_as_one_packet(void **state)
{
    const struct fixture *f = *state;
    uint8_t packet[64];
    struct kgr_ipc_header got;
    struct kgr_slice body;
    ssize_t n;

    assert_int_equal(kgr_outlet_send(f->outlet, &header, kgr_slice("answer", 6)), KGR_OUTLET_SENT);
    assert_int_equal(kgr_outlet_send(f->outlet, &header, kgr_slice(NULL, 0)), KGR_OUTLET_SENT);
    n = recv(f->fd[1], packet, sizeof packet, 0);
    assert_int_equal(n, KGR_IPC_HEADER_LEN + 6);
    assert_int_equal(kgr_ipc_header_decode(&got, &body, kgr_slice(packet, (size_t)n)), KGR_OK);
    assert_int_equal(got.id, 7);
    assert_true(got.reply);
    assert_true(kgr_slice_equal(body, kgr_slice("answer", 6)));
    assert_int_equal(recv(f->fd[1], packet, sizeof packet, 0), KGR_IPC_HEADER_LEN);
}

/* A client that does not read holds up nobody. */
static void outlet_that_is_full_says_so(void **state)
{
    static uint8_t bytes[32768];
    const struct fixture *f = *state;
    enum kgr_outlet_result result = KGR_OUTLET_SENT;

    for (int i = 0; i < 1000 && result == KGR_OUTLET_SENT; i++)
        result = kgr_outlet_send(f->outlet, &header, kgr_slice(bytes, sizeof bytes));
    assert_int_equal(result, KGR_OUTLET_FULL);
}

static void outlet_without_a_client_is_broken(void **state)
{
    struct fixture *f = *state;

    (void)close(f->fd[1]);
    f->fd[1] = -1;
    assert_int_equal(kgr_outlet_send(f->outlet, &header, kgr_slice("x", 1)), KGR_OUTLET_BROKEN);
}

static void *send_until_broken(void *arg)
{
    struct kgr_outlet *outlet = arg;

    while (kgr_outlet_send(outlet, &header, kgr_slice("x", 1)) != KGR_OUTLET_BROKEN) {
    }
    kgr_outlet_release(outlet);
    return NULL;
}

/* The descriptor may be closed, and be another's, as soon as close returns. */
static void outlet_closes_while_others_send(void **state)
{
    const struct fixture *f = *state;
    pthread_t threads[2];
    uint8_t packet[64];

    for (int i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, send_until_broken, kgr_outlet_hold(f->outlet)), 0);
    assert_true(recv(f->fd[1], packet, sizeof packet, 0) > 0);
    kgr_outlet_close(f->outlet);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(kgr_outlet_send(f->outlet, &header, kgr_slice("x", 1)), KGR_OUTLET_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outlet_sends_header_and_body_as_one_packet, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(outlet_that_is_full_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(outlet_without_a_client_is_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(outlet_closes_while_others_send, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
