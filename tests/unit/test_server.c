/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/server.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/log.h"
#include "agent/wire/ipc.h"

enum {
    OP_ECHO = 100,
    OP_HOLD = 101,
    OP_RELEASE = 102,
    OP_LARGE = 103,
    OP_WORDS = 104,
    OP_POLICY = 105,
    OP_TICKET = 106,  /* lets the test's thread answer */
    OP_ANSWERED = 107 /* it did */
};

struct fixture {
    char dir[64];
    char path[96];
    struct kgr_loop *loop;
    struct kgr_server *server;
    struct kgr_wakeup *stopper;
    pthread_t thread;
    struct kgr_call held[256];
    size_t num_held;
    struct kgr_ticket ticket;
    struct kgr_call lent; /* its call */
    pthread_mutex_t lock; /* of both */
    _Atomic int closed;
    struct kgr_policy *policy;
};

/* Users that need no account; a test by root becomes them. */
enum { MEMBER = 4242, STRANGER = 4243 };

/* Rights of a connection that stands change with the policy; the socket's mode too. */
static void change_policy(struct fixture *f)
{
    const struct kgr_account_limits limits = {1, 2, 1, 1};
    struct kgr_policy *none = NULL;
    struct stat st;
    assert_int_equal(kgr_policy_new(&none, NULL, 0, 1), KGR_OK);
    assert_int_equal(f->num_held, 1);
    struct kgr_principal *p = kgr_server_principal(f->server, f->held[0]);
    bool own = geteuid() == 0; /* root has every right in any case */
    assert_true(kgr_principal_allows(p, "x", KGR_RIGHT_LIST));
    assert_int_equal(kgr_principal_allows(p, "x", KGR_RIGHT_SEND), own);
    assert_int_equal(kgr_server_set(f->server, none, &limits), KGR_OK);
    assert_int_equal(kgr_principal_allows(p, "x", KGR_RIGHT_LIST), own);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    kgr_policy_unref(none);
}

static void handle(void *arg, const struct kgr_server_request *r)
{
    struct fixture *f = arg;
    static uint8_t large[KGR_IPC_PACKET_MAX];
    switch (r->op) {
    case OP_ECHO:
        kgr_server_reply(f->server, r->call, KGR_OK, r->body);
        break;
    case OP_HOLD:
        assert_true(f->num_held < KGR_ARRAY_LEN(f->held));
        f->held[f->num_held++] = r->call;
        break;
    case OP_RELEASE: /* newest first: replies out of order */
        while (f->num_held > 0)
            kgr_server_reply(f->server, f->held[--f->num_held], KGR_OK, kgr_slice("late", 4));
        kgr_server_reply(f->server, r->call, KGR_OK, kgr_slice(NULL, 0));
        kgr_server_reply(f->server, r->call, KGR_OK, kgr_slice("twice", 5));
        break;
    case OP_POLICY:
        change_policy(f);
        kgr_server_reply(f->server, r->call, KGR_OK, kgr_slice(NULL, 0));
        break;
    case OP_TICKET:
        pthread_mutex_lock(&f->lock);
        f->lent = r->call;
        assert_true(kgr_server_ticket(f->server, r->call, &f->ticket));
        pthread_mutex_unlock(&f->lock);
        break;
    case OP_ANSWERED:
        kgr_server_answered(f->server, f->lent);
        kgr_server_reply(f->server, f->lent, KGR_OK, kgr_slice("twice", 5));
        kgr_ticket_drop(&f->ticket);
        kgr_server_reply(f->server, r->call, KGR_OK, kgr_slice(NULL, 0));
        break;
    case OP_WORDS:
        kgr_server_fail(f->server, r->call, KGR_ERR_IO, "no \x1b[31mfile\nhere");
        break;
    case OP_LARGE:
        kgr_server_reply(f->server, r->call, KGR_OK, kgr_slice(large, sizeof large));
        break;
    default:
        kgr_server_fail(f->server, r->call, KGR_ERR_UNSUPPORTED, "no such operation");
    }
}

static void closed(void *arg, uint32_t slot, uint32_t generation)
{
    struct fixture *f = arg;
    (void)slot;
    (void)generation;
    f->closed++;
}

/* As root, MEMBER may list; without privileges, whoever runs this may. */
static struct kgr_policy *make_policy(enum kgr_right right)
{
    const uid_t member = geteuid() == 0 ? MEMBER : geteuid();
    const struct kgr_policy_rule rule = {
        .uids = &member, .num_uids = 1, .rights = KGR_RIGHT_BIT(right)};
    struct kgr_policy *policy = NULL;
    assert_int_equal(kgr_policy_new(&policy, &rule, 1, 1), KGR_OK);
    return policy;
}

static void *serve(void *arg)
{
    struct fixture *f = arg;
    kgr_loop_run(f->loop);
    return NULL;
}

static void stop(void *arg)
{
    struct fixture *f = arg;
    kgr_loop_stop(f->loop);
}

static int start_server(void **state, struct kgr_policy *policy)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->policy = policy;
    pthread_mutex_init(&f->lock, NULL);
    kgr_log_set_level(KGR_LOG_ERROR);
    strcpy(f->dir, "/tmp/kgr-server.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0711), 0);
    snprintf(f->path, sizeof f->path, "%s/s", f->dir);
    assert_int_equal(kgr_loop_new(&f->loop), KGR_OK);
    assert_int_equal(kgr_wakeup_new(&f->stopper, f->loop, stop, f), KGR_OK);
    const struct kgr_server_options options = {.path = f->path,
                                               .node = "gateway-00001",
                                               .max_in_flight = 8,
                                               .limits = {.connections = 4, .in_flight = 20},
                                               .hello_timeout_ms = 1000,
                                               .handler = handle,
                                               .closed = closed,
                                               .policy = f->policy,
                                               .arg = f};
    assert_int_equal(kgr_server_new(&f->server, f->loop, &options, NULL), KGR_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return start_server(state, NULL);
}

static int setup_policy(void **state)
{
    return start_server(state, make_policy(KGR_RIGHT_LIST));
}

static int setup_nobody(void **state)
{
    struct kgr_policy *policy = NULL;
    assert_int_equal(kgr_policy_new(&policy, NULL, 0, 1), KGR_OK);
    return start_server(state, policy);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kgr_wakeup_signal(f->stopper);
    pthread_join(f->thread, NULL);
    kgr_server_free(f->server);
    kgr_wakeup_free(f->stopper);
    kgr_loop_free(f->loop);
    kgr_policy_unref(f->policy);
    assert_int_equal(access(f->path, F_OK), -1);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, f->path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval limit = {10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void ask(int fd, uint16_t op, uint32_t id, const void *body, size_t len)
{
    static uint8_t buf[KGR_IPC_PACKET_MAX];
    const struct kgr_ipc_header h = {op, false, id, 0};
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    kgr_ipc_header_encode(&wr, &h);
    kgr_wr_bytes(&wr, body, len);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(send(fd, buf, wr.len, MSG_NOSIGNAL), wr.len);
}

/* The next reply; false when the connection was closed. */
static bool answer(int fd, struct kgr_ipc_header *h, struct kgr_slice *body)
{
    static uint8_t buf[KGR_IPC_PACKET_MAX];
    ssize_t n;
    /* The loop was made by this thread: what newer versions of libuv leave to io_uring interrupts it. */
    do {
        n = recv(fd, buf, sizeof buf, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    assert_int_equal(kgr_ipc_header_decode(h, body, kgr_slice(buf, (size_t)n)), KGR_OK);
    assert_true(h->reply);
    return true;
}

static void say_hello(int fd, uint16_t lowest, uint16_t highest)
{
    uint8_t buf[64];
    struct kgr_wr wr;
    const struct kgr_ipc_hello hello = {lowest, highest, kgr_slice("test", 4)};
    kgr_wr_init(&wr, buf, sizeof buf);
    assert_int_equal(kgr_ipc_hello_encode(&wr, &hello), KGR_OK);
    ask(fd, KGR_IPC_HELLO, 1, buf, wr.len);
}

static int greeted(const struct fixture *f)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    struct kgr_ipc_hello_reply reply;
    int fd = dial(f);
    say_hello(fd, 1, 1);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_OK);
    assert_int_equal(kgr_ipc_hello_reply_decode(&reply, body), KGR_OK);
    assert_int_equal(reply.version, 1);
    assert_memory_equal(reply.node.p, "gateway-00001", reply.node.len);
    return fd;
}

static void expect_error_then_end(int fd, enum kgr_error status)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, status);
    assert_false(answer(fd, &h, &body));
    close(fd);
}

static void server_request_is_echoed(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    struct stat st;
    struct fixture *f = *state;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    int fd = greeted(f);
    ask(fd, OP_ECHO, 77, "abc", 3);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.id, 77);
    assert_int_equal(h.op, OP_ECHO);
    assert_int_equal(body.len, 3);
    ask(fd, 999, 78, NULL, 0);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_ERR_UNSUPPORTED);
    char text[KGR_IPC_TEXT_MAX + 1];
    assert_int_equal(kgr_ipc_error_decode(text, body), KGR_OK);
    assert_string_equal(text, "no such operation");
    close(fd);
}

static void server_replies_come_in_any_order_and_once(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(*state);
    for (uint32_t id = 10; id < 15; id++)
        ask(fd, OP_HOLD, id, NULL, 0);
    ask(fd, OP_RELEASE, 20, NULL, 0);
    for (uint32_t id = 14; id >= 10; id--) {
        assert_true(answer(fd, &h, &body));
        assert_int_equal(h.id, id);
    }
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.id, 20);
    ask(fd, OP_ECHO, 21, NULL, 0);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.id, 21);
    close(fd);
}

static void server_in_flight_limit_stops_reading(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(f), other = greeted(f);
    for (uint32_t id = 0; id < 20; id++)
        ask(fd, OP_HOLD, id, NULL, 0);
    for (int i = 0; i < 50; i++) { /* the other client is served meanwhile */
        ask(other, OP_ECHO, 1, NULL, 0);
        assert_true(answer(other, &h, &body));
    }
    assert_int_equal(f->num_held, 8);
    ask(other, OP_RELEASE, 2, NULL, 0);
    assert_true(answer(other, &h, &body));
    for (int i = 0; i < 8; i++)
        assert_true(answer(fd, &h, &body));
    close(fd);
    close(other);
}

static void server_client_that_does_not_read_is_bounded(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    static uint8_t data[60000];
    int fd = greeted(*state), other = greeted(*state);
    int sent = 0;
    for (; sent < 200; sent++) {
        static uint8_t buf[KGR_IPC_PACKET_MAX];
        const struct kgr_ipc_header q = {OP_ECHO, false, (uint32_t)sent, 0};
        struct kgr_wr wr;
        kgr_wr_init(&wr, buf, sizeof buf);
        kgr_ipc_header_encode(&wr, &q);
        kgr_wr_bytes(&wr, data, sizeof data);
        if (send(fd, buf, wr.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            ask(other, OP_ECHO, 1, NULL, 0);
            assert_true(answer(other, &h, &body));
            if (send(fd, buf, wr.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                break;
        }
    }
    assert_true(sent < 100); /* the kernel's buffers and eight replies of ours, no more */
    for (int i = 0; i < sent; i++) {
        assert_true(answer(fd, &h, &body));
        assert_int_equal(h.id, i);
        assert_int_equal(body.len, sizeof data);
    }
    close(fd);
    close(other);
}

static void server_large_reply_is_an_error(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(*state);
    ask(fd, OP_LARGE, 5, NULL, 0);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_ERR_TOO_LARGE);
    close(fd);
}

static void server_anything_before_hello_ends_it(void **state)
{
    int fd = dial(*state);
    ask(fd, OP_ECHO, 1, NULL, 0);
    expect_error_then_end(fd, KGR_ERR_STATE);
}

static void server_unknown_version_ends_it(void **state)
{
    int fd = dial(*state);
    say_hello(fd, 2, 9);
    expect_error_then_end(fd, KGR_ERR_VERSION);
}

static void server_malformed_hello_is_answered_and_may_be_repeated(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = dial(*state);
    ask(fd, KGR_IPC_HELLO, 3, "x", 1);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_ERR_CORRUPT);
    say_hello(fd, 1, 1);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_OK);
    close(fd);
}

static void server_pipelined_breach_is_answered(void **state)
{
    int fd = dial(*state);
    ask(fd, OP_ECHO, 1, NULL, 0);
    for (uint32_t id = 2; id < 6; id++)
        ask(fd, OP_ECHO, id, NULL, 0);
    expect_error_then_end(fd, KGR_ERR_STATE);
}

static void server_silence_ends_it(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = dial(*state);
    assert_false(answer(fd, &h, &body));
    close(fd);
}

static void server_malformed_packets_end_it(void **state)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    static uint8_t large[KGR_IPC_PACKET_MAX + 1];
    static const char *const bad[] = {"x", "KGRJ0000000000000000", "KGRI"};
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        int fd = greeted(*state);
        assert_true(send(fd, bad[i], strlen(bad[i]), 0) > 0);
        assert_false(answer(fd, &h, &body));
        close(fd);
    }
    int fd = greeted(*state);
    struct kgr_wr wr;
    const struct kgr_ipc_header q = {OP_ECHO, false, 9, 0};
    kgr_wr_init(&wr, large, sizeof large);
    kgr_ipc_header_encode(&wr, &q);
    assert_int_equal(send(fd, large, sizeof large, 0), sizeof large);
    expect_error_then_end(fd, KGR_ERR_TOO_LARGE);
}

static void server_gone_client_is_harmless(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    for (int i = 0; i < 20; i++) {
        int fd = greeted(f);
        ask(fd, OP_HOLD, 1, NULL, 0);
        ask(fd, OP_ECHO, 2, NULL, 0);
        assert_true(answer(fd, &h, &body));
        close(fd);
        /* Until then it counts as one of the four that a user may have. */
        while ((int)f->closed <= i)
            usleep(1000);
    }
    int fd = greeted(f);
    ask(fd, OP_RELEASE, 3, NULL, 0); /* answers clients that have gone */
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.id, 3);
    assert_int_equal(f->closed, 20);
    close(fd);
}

static void expect_words(int fd, uint32_t id, enum kgr_error status, const char *words)
{
    char text[KGR_IPC_TEXT_MAX + 1];
    struct kgr_ipc_header h;
    struct kgr_slice body;
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.id, id);
    assert_int_equal(h.status, status);
    assert_int_equal(kgr_ipc_error_decode(text, body), KGR_OK);
    assert_non_null(strstr(text, words));
}

static void server_connections_of_a_user_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fds[4], fifth;
    for (int i = 0; i < 4; i++)
        fds[i] = greeted(f);
    fifth = dial(f);
    say_hello(fifth, 1, 1);
    expect_words(fifth, 1, KGR_ERR_QUOTA, "limits.connections");
    assert_false(answer(fifth, &h, &body));
    close(fifth);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

/* Over all his connections; a refused one is answered, and leaves room for the next. */
static void server_requests_of_a_user_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = greeted(f);
        for (uint32_t id = 0; i < 2 && id < 8; id++)
            ask(fds[i], OP_HOLD, id, NULL, 0);
    }
    for (uint32_t id = 0; id < 4; id++)
        ask(fds[2], OP_HOLD, id, NULL, 0);
    while (f->num_held < 20)
        usleep(1000);
    for (uint32_t id = 4; id < 20; id++) {
        ask(fds[2], OP_ECHO, id, NULL, 0);
        expect_words(fds[2], id, KGR_ERR_QUOTA, "limits.in_flight");
    }
    close(fds[0]); /* its eight count no more */
    while (f->closed == 0)
        usleep(1000);
    ask(fds[2], OP_RELEASE, 20, NULL, 0);
    for (uint32_t id = 4; id-- > 0;) {
        assert_true(answer(fds[2], &h, &body));
        assert_int_equal(h.id, id);
    }
    close(fds[1]);
    close(fds[2]);
}

static bool answer_by_ticket(struct fixture *f)
{
    bool sent;
    pthread_mutex_lock(&f->lock);
    sent = f->ticket.outlet != NULL && kgr_ticket_answer(&f->ticket, kgr_slice("worked out", 10));
    pthread_mutex_unlock(&f->lock);
    return sent;
}

/* Another thread answers; who has the answer may ask the next at once, whatever the loop knows of it. */
static void server_ticket_answers_from_another_thread(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = greeted(f);
        for (uint32_t id = 0; id < (i < 2 ? 8u : 3u); id++)
            ask(fds[i], OP_HOLD, id, NULL, 0);
    }
    while (f->num_held < 19)
        usleep(1000);
    ask(fds[2], OP_TICKET, 3, NULL, 0);
    ask(fds[2], OP_ECHO, 4, NULL, 0);
    expect_words(fds[2], 4, KGR_ERR_QUOTA, "limits.in_flight");
    assert_true(answer_by_ticket(f));
    assert_true(answer(fds[2], &h, &body));
    assert_int_equal(h.id, 3);
    assert_int_equal(h.status, KGR_OK);
    assert_memory_equal(body.p, "worked out", 10);
    ask(fds[2], OP_ANSWERED, 5, NULL, 0);
    assert_true(answer(fds[2], &h, &body));
    assert_int_equal(h.id, 5);
    /* Again, and the client goes before it is answered: no count is left over, none ended twice. */
    ask(fds[2], OP_TICKET, 6, NULL, 0);
    ask(fds[2], OP_ECHO, 7, NULL, 0);
    expect_words(fds[2], 7, KGR_ERR_QUOTA, "limits.in_flight");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    while (f->closed < 3)
        usleep(1000);
    assert_false(answer_by_ticket(f));
    kgr_ticket_drop(&f->ticket);
    fds[0] = greeted(f);
    ask(fds[0], OP_ECHO, 1, "x", 1);
    assert_true(answer(fds[0], &h, &body));
    assert_int_equal(h.status, KGR_OK);
    close(fds[0]);
}

/* as runs act(f) as another user, in a process of its own; whether it returned true. */
static bool as(uid_t uid, bool (*act)(const struct fixture *f), const struct fixture *f)
{
    int status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(setgid(uid) == 0 && setuid(uid) == 0 && act(f) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_served(const struct fixture *f)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(f);
    ask(fd, OP_ECHO, 7, "x", 1);
    return answer(fd, &h, &body) && h.status == KGR_OK && body.len == 1;
}

static bool is_refused(const struct fixture *f)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    char text[KGR_IPC_TEXT_MAX + 1];
    int fd = dial(f);
    say_hello(fd, 1, 1);
    return answer(fd, &h, &body) && h.status == KGR_ERR_ACCESS &&
           kgr_ipc_error_decode(text, body) == KGR_OK && strstr(text, "group access") != NULL &&
           !answer(fd, &h, &body);
}

static void server_policy_decides_who_is_served(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_true(is_served(f));
    if (geteuid() != 0)
        return; /* nobody can be another user then */
    assert_true(as(MEMBER, is_served, f));
    assert_true(as(STRANGER, is_refused, f));
    for (int i = 0; i < 20; i++) /* who is refused takes no place */
        assert_true(as(STRANGER, is_refused, f));
    assert_true(as(MEMBER, is_served, f));
}

static void server_policy_of_nobody_refuses(void **state)
{
    struct fixture *f = *state;
    struct kgr_server_stats stats;
    if (geteuid() == 0)
        assert_true(is_served(f)); /* root; and the file lets nobody else in */
    else
        assert_true(is_refused(f));
    kgr_server_stats(f->server, &stats);
    assert_int_equal(stats.refused_access, geteuid() != 0);
}

static void server_policy_changes_under_a_connection(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(f);
    ask(fd, OP_HOLD, 1, NULL, 0);
    ask(fd, OP_POLICY, 2, NULL, 0);
    assert_true(answer(fd, &h, &body));
    ask(fd, OP_ECHO, 3, NULL, 0);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_OK);
    ask(fd, OP_ECHO, 4, NULL, 0);
    expect_words(fd, 4, KGR_ERR_QUOTA, "limits.rate");
    close(fd);
}

static void server_path_in_use_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_diag diag = {0};
    struct kgr_loop *loop = NULL;
    struct kgr_server *second = NULL;
    assert_int_equal(kgr_loop_new(&loop), KGR_OK);
    struct kgr_server_options options = {.path = f->path, .handler = handle, .arg = f};
    assert_int_equal(kgr_server_new(&second, loop, &options, &diag), KGR_ERR_BUSY);
    assert_non_null(strstr(diag.text, f->path));

    char file[128];
    snprintf(file, sizeof file, "%s/file", f->dir);
    FILE *out = fopen(file, "w");
    fclose(out);
    options.path = file;
    assert_int_equal(kgr_server_new(&second, loop, &options, NULL), KGR_ERR_CONFIG);
    unlink(file);

    /* What a crashed process leaves behind is replaced. */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s/stale", f->dir);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    options.path = a.sun_path;
    assert_int_equal(kgr_server_new(&second, loop, &options, NULL), KGR_OK);
    kgr_server_free(second);
    kgr_loop_free(loop);
}

/* An error's words hold what others chose, a path say: they must stay one line, and decodable. */
static void server_error_text_is_without_control_characters(void **state)
{
    struct fixture *f = *state;
    char text[KGR_IPC_TEXT_MAX + 1];
    struct kgr_ipc_header h;
    struct kgr_slice body;
    int fd = greeted(f);
    ask(fd, OP_WORDS, 9, NULL, 0);
    assert_true(answer(fd, &h, &body));
    assert_int_equal(h.status, KGR_ERR_IO);
    assert_int_equal(kgr_ipc_error_decode(text, body), KGR_OK);
    assert_string_equal(text, "no ?[31mfile?here");
    close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define P(name) cmocka_unit_test_setup_teardown(name, setup_policy, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(server_request_is_echoed),
        T(server_replies_come_in_any_order_and_once),
        T(server_in_flight_limit_stops_reading),
        T(server_client_that_does_not_read_is_bounded),
        T(server_large_reply_is_an_error),
        T(server_error_text_is_without_control_characters),
        T(server_anything_before_hello_ends_it),
        T(server_unknown_version_ends_it),
        T(server_malformed_hello_is_answered_and_may_be_repeated),
        T(server_pipelined_breach_is_answered),
        T(server_silence_ends_it),
        T(server_malformed_packets_end_it),
        T(server_gone_client_is_harmless),
        T(server_connections_of_a_user_are_bounded),
        T(server_requests_of_a_user_are_bounded),
        T(server_ticket_answers_from_another_thread),
        P(server_policy_decides_who_is_served),
        cmocka_unit_test_setup_teardown(server_policy_of_nobody_refuses, setup_nobody, teardown),
        P(server_policy_changes_under_a_connection),
        T(server_path_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
