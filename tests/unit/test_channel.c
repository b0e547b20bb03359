/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <kgr/client.h>

#include "tests/unit/fake_agent.h"

/*
 * The requests here are MACs over arbitrary data: the fake agent answers with 32 bytes made of the
 * data, so that a reply that reached the wrong caller shows.
 */
#define HELD_MAX 128

struct fixture {
    struct fake_agent agent;
    struct kgr_client *client;
    /* What the handler does with requests: */
    unsigned int hold; /* so many are held, then all of them are answered, the last first */
    struct fake_request held[HELD_MAX];
    unsigned int num_held;
    unsigned int most_held;
    atomic_bool hang_up;  /* closes instead of answering, once */
    atomic_int malformed; /* which wrong reply is sent; 0: none */
};

static void digest(uint8_t out[32], const uint8_t *data, size_t len)
{
    memset(out, 0, 32);
    for (size_t i = 0; i < len; i++)
        out[i % 32] = (uint8_t)(out[i % 32] * 31 + data[i] + 1);
}

static void answer(const struct fake_request *request)
{
    uint8_t mac[32];
    uint32_t id = 7;
    struct kgr_ipc_mac body;
    uint8_t id_bytes[4] = {0, 0, 0, (uint8_t)id};

    if (request->op == KGR_IPC_MAC_START) {
        fake_agent_reply(request, KGR_OK, id_bytes, sizeof(id_bytes));
        return;
    }
    if (request->op != KGR_IPC_MAC) {
        fake_agent_reply(request, KGR_OK, NULL, 0);
        return;
    }
    if (kgr_ipc_mac_decode(&body, kgr_slice(request->body, request->len)) != KGR_OK)
        abort();
    digest(mac, body.data.p, body.data.len);
    fake_agent_reply(request, KGR_OK, mac, sizeof(mac));
}

static void hold(struct fixture *f, const struct fake_request *request)
{
    if (f->num_held == HELD_MAX)
        abort();
    f->held[f->num_held++] = *request;
    f->most_held = f->num_held > f->most_held ? f->num_held : f->most_held;
    if (f->num_held < f->hold)
        return;
    f->hold = 0;
    while (f->num_held > 0) {
        f->num_held--;
        answer(&f->held[f->num_held]);
    }
}

enum {
    MALFORMED_SHORT = 1,
    MALFORMED_MAGIC,
    MALFORMED_NO_REPLY,
    MALFORMED_OP,
    MALFORMED_ID,
    MALFORMED_FLAGS,
    MALFORMED_LONG,
    MALFORMED_LAST, /* those before break the connection, those after only the call */
    MALFORMED_BODY,
    MALFORMED_REFUSAL,
    MALFORMED_END
};

static void send_malformed(const struct fake_request *request, int kind)
{
    struct kgr_ipc_header header = {request->op, true, request->id, 0};
    static uint8_t packet[KGR_IPC_PACKET_MAX + 100];
    size_t len = KGR_IPC_HEADER_LEN + 32;
    struct kgr_wr wr;

    if (kind == MALFORMED_NO_REPLY)
        header.reply = false;
    if (kind == MALFORMED_OP)
        header.op = KGR_IPC_CIPHER;
    if (kind == MALFORMED_ID)
        header.id += 1000;
    if (kind == MALFORMED_REFUSAL)
        header.status = KGR_ERR_TPM; /* and a body that is no text */
    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    memset(packet + KGR_IPC_HEADER_LEN, 0xee, len - KGR_IPC_HEADER_LEN);
    if (kind == MALFORMED_SHORT)
        len = KGR_IPC_HEADER_LEN - 1;
    if (kind == MALFORMED_MAGIC)
        packet[0] ^= 1;
    if (kind == MALFORMED_FLAGS)
        packet[6] = 0x80;
    if (kind == MALFORMED_LONG)
        len = sizeof(packet);
    if (kind == MALFORMED_BODY)
        len--; /* no MAC has 31 bytes */
    fake_agent_send_raw(request, packet, len);
}

static void handle(void *arg, const struct fake_request *request)
{
    struct fixture *f = arg;

    if (atomic_exchange(&f->hang_up, false))
        fake_agent_hang_up(request);
    else if (f->malformed != 0)
        send_malformed(request, f->malformed);
    else if (f->hold != 0)
        hold(f, request);
    else
        answer(request);
}

static struct kgr_client *new_client(const struct fixture *f, int timeout_ms)
{
    struct kgr_client_options options = {.socket = f->agent.path, .timeout_ms = timeout_ms};
    struct kgr_client *client = NULL;

    assert_int_equal(kgr_client_new(&client, &options), KGR_OK);
    return client;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    fake_agent_init(&f->agent, handle, f);
    fake_agent_start(&f->agent);
    f->client = new_client(f, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    kgr_client_free(f->client);
    fake_agent_deinit(&f->agent);
    free(f);
    return 0;
}

static const struct kgr_key key = {.peer = "N2", .generation = 0};

/* One request of len bytes that begin with tag; KGR_ERR_FAILED if the reply is another's. */
static enum kgr_error ask(struct kgr_client *client, uint32_t tag, size_t len)
{
    uint8_t *data = malloc(len);
    uint8_t wanted[32];
    uint8_t mac[KGR_MAC_MAX];
    size_t mac_len = 0;
    enum kgr_error err;

    if (data == NULL)
        return KGR_ERR_NO_MEMORY;
    memset(data, (int)(tag & 0x7f), len);
    memcpy(data, &tag, sizeof(tag));
    digest(wanted, data, len);
    err = kgr_mac(client, &key, data, len, mac, &mac_len);
    if (err == KGR_OK && (mac_len != 32 || memcmp(mac, wanted, 32) != 0))
        err = KGR_ERR_FAILED;
    free(data);
    return err;
}

struct worker {
    pthread_t thread;
    struct kgr_client *client;
    uint32_t tag;
    unsigned int num;
    size_t max_len;
    enum kgr_error err;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    unsigned int seed = w->tag;

    for (unsigned int i = 0; i < w->num && w->err == KGR_OK; i++)
        w->err = ask(w->client, w->tag << 16 | i, 4 + (size_t)rand_r(&seed) % (w->max_len - 3));
    return NULL;
}

static void start_worker(struct worker *w, struct kgr_client *client, uint32_t tag,
                         unsigned int num, size_t max_len)
{
    *w = (struct worker){.client = client, .tag = tag, .num = num, .max_len = max_len};
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

static enum kgr_error join_worker(struct worker *w)
{
    (void)pthread_join(w->thread, NULL);
    return w->err;
}

static void run_workers(struct kgr_client *client, size_t num_threads, unsigned int num,
                        size_t max_len)
{
    struct worker workers[HELD_MAX];

    for (size_t i = 0; i < num_threads; i++)
        start_worker(&workers[i], client, (uint32_t)i + 1, num, max_len);
    for (size_t i = 0; i < num_threads; i++)
        assert_int_equal(join_worker(&workers[i]), KGR_OK);
}

static void exchange_eight_threads_each_gets_its_replies(void **state)
{
    struct fixture *f = *state;

    run_workers(f->client, 8, 300, 500);
    assert_int_equal(fake_agent_num_conns(&f->agent), 1);
    assert_int_equal(fake_agent_num_requests(&f->agent), 8 * 300);
}

static void exchange_eight_threads_with_large_requests_succeeds(void **state)
{
    struct fixture *f = *state;

    run_workers(f->client, 8, 40, KGR_DATA_MAX);
    assert_int_equal(fake_agent_num_conns(&f->agent), 1);
}

/* All eight must be under way at once for any of them to be answered. */
static void exchange_replies_out_of_order_reach_their_owners(void **state)
{
    struct fixture *f = *state;

    f->hold = 8;
    run_workers(f->client, 8, 1, 1000);
    assert_int_equal(f->most_held, 8);
    assert_int_equal(fake_agent_num_conns(&f->agent), 1);
}

static void exchange_more_threads_than_the_limit_wait_their_turn(void **state)
{
    struct fixture *f = *state;

    f->hold = KGR_IPC_IN_FLIGHT;
    run_workers(f->client, KGR_IPC_IN_FLIGHT + 30, 1, 100);
    assert_int_equal(f->most_held, KGR_IPC_IN_FLIGHT);
    assert_int_equal(fake_agent_num_conns(&f->agent), 1);
}

static void exchange_without_answer_times_out_and_names_the_socket(void **state)
{
    struct fixture *f = *state;
    struct kgr_client *hasty = new_client(f, 50);
    char reason[KGR_DIAG_MAX];

    f->hold = HELD_MAX + 1;
    assert_int_equal(ask(hasty, 1, 10), KGR_ERR_TIMEOUT);
    assert_non_null(strstr(kgr_client_reason(reason, sizeof(reason)), f->agent.path));
    kgr_client_free(hasty);
}

/* The first request's reply arrives when the second one waits, and is not taken for its own. */
static void exchange_late_reply_is_not_the_next_ones(void **state)
{
    struct fixture *f = *state;
    struct kgr_client *client = new_client(f, 1000);

    f->hold = 2;
    assert_int_equal(ask(client, 1, 10), KGR_ERR_TIMEOUT);
    assert_int_equal(ask(client, 2, 10), KGR_OK);
    assert_int_equal(ask(client, 3, 10), KGR_OK);
    assert_int_equal(fake_agent_num_conns(&f->agent), 1);
    kgr_client_free(client);
}

static void exchange_agent_that_never_answers_gets_a_new_connection(void **state)
{
    struct fixture *f = *state;
    struct kgr_client *hasty = new_client(f, 20);

    f->hold = HELD_MAX + 1;
    for (int i = 0; i < HELD_MAX && fake_agent_num_conns(&f->agent) < 2; i++)
        assert_int_equal(ask(hasty, 1, 10), KGR_ERR_TIMEOUT);
    assert_true(fake_agent_num_conns(&f->agent) >= 2);
    kgr_client_free(hasty);
}

static void exchange_agent_dies_while_asked_fails_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->client, 1, 10), KGR_OK);
    atomic_store(&f->hang_up, true);
    assert_int_equal(ask(f->client, 2, 10), KGR_ERR_NO_AGENT);
    assert_int_equal(ask(f->client, 3, 10), KGR_OK);
    assert_int_equal(fake_agent_num_conns(&f->agent), 2);
}

/* Those that were sent fail, those that come later connect again; nobody hangs. */
static void exchange_agent_dies_under_many_fails_those_only(void **state)
{
    struct fixture *f = *state;
    struct worker workers[8];
    unsigned int num_lost = 0;

    f->hold = HELD_MAX;
    for (uint32_t i = 0; i < 8; i++)
        start_worker(&workers[i], f->client, i, 1, 100);
    fake_agent_await(&f->agent, 8);
    fake_agent_stop(&f->agent);
    for (size_t i = 0; i < 8; i++)
        num_lost += join_worker(&workers[i]) == KGR_ERR_NO_AGENT ? 1 : 0;
    assert_int_equal(num_lost, 8);
    assert_int_equal(ask(f->client, 9, 10), KGR_ERR_NO_AGENT);
    f->hold = 0;
    fake_agent_start(&f->agent);
    assert_int_equal(ask(f->client, 10, 10), KGR_OK);
}

static void exchange_agent_restarted_while_idle_is_not_noticed(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f->client, 1, 10), KGR_OK);
    fake_agent_stop(&f->agent);
    fake_agent_start(&f->agent);
    assert_int_equal(ask(f->client, 2, 10), KGR_OK);
    assert_int_equal(fake_agent_num_requests(&f->agent), 2);
}

static void exchange_malformed_reply_is_corrupt_and_mends(void **state)
{
    struct fixture *f = *state;
    unsigned int conns = 1;

    for (int kind = MALFORMED_SHORT; kind < MALFORMED_END; kind++) {
        if (kind == MALFORMED_LAST)
            continue;
        f->malformed = kind;
        assert_int_equal(ask(f->client, 1, 10), KGR_ERR_CORRUPT);
        f->malformed = 0;
        conns += kind < MALFORMED_LAST ? 1 : 0;
        assert_int_equal(ask(f->client, 2, 10), KGR_OK);
        assert_int_equal(fake_agent_num_conns(&f->agent), conns);
    }
}

/* The child's whole life: uses what it inherited. */
static void be_the_child(struct fixture *f, uint32_t mac_id)
{
    uint8_t byte = 0;

    if (kgr_mac_update(f->client, mac_id, &byte, 1) != KGR_ERR_STATE)
        _exit(2);
    if (ask(f->client, 3, 10) != KGR_OK)
        _exit(3);
    if (ask(f->client, 4, 1000) != KGR_OK)
        _exit(4);
    kgr_client_free(f->client);
    _exit(0);
}

/* A thread of the parent is under way when it forks; both go on, each on its own connection. */
static void exchange_fork_in_mid_use_gives_the_child_its_own(void **state)
{
    struct fixture *f = *state;
    struct worker other;
    uint32_t mac_id = 0;
    int status = -1;
    pid_t pid;

    assert_int_equal(kgr_mac_start(f->client, &key, &mac_id), KGR_OK);
    f->hold = 2;
    start_worker(&other, f->client, 1, 1, 10);
    fake_agent_await(&f->agent, 2);
    pid = fork();
    if (pid == 0)
        be_the_child(f, mac_id);
    /* The child's first request is the second that is held, and frees both. */
    assert_int_equal(join_worker(&other), KGR_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(fake_agent_num_conns(&f->agent), 2);
    assert_int_equal(kgr_mac_update(f->client, mac_id, (const uint8_t *)"x", 1), KGR_OK);
    assert_int_equal(ask(f->client, 5, 10), KGR_OK);
    assert_int_equal(fake_agent_num_conns(&f->agent), 2);
}

/* The child's whole life: many threads notice the fork at the same time. */
static void be_a_threaded_child(struct fixture *f)
{
    struct worker workers[8];
    int failed = 0;

    for (uint32_t i = 0; i < 8; i++) {
        workers[i] = (struct worker){.client = f->client, .tag = i, .num = 50, .max_len = 100};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            _exit(2);
    }
    for (size_t i = 0; i < 8; i++)
        failed |= join_worker(&workers[i]) != KGR_OK;
    kgr_client_free(f->client);
    _exit(failed);
}

static void exchange_threads_of_a_child_share_one_connection(void **state)
{
    struct fixture *f = *state;
    int status = -1;
    pid_t pid;

#ifdef __SANITIZE_THREAD__
    skip(); /* its runtime cannot start threads in a child */
#endif
    assert_int_equal(ask(f->client, 1, 10), KGR_OK);
    pid = fork();
    if (pid == 0)
        be_a_threaded_child(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(fake_agent_num_conns(&f->agent), 2);
}

/* The descriptor of the client's end: the one whose other end has the agent's name. */
static int find_socket(const struct fixture *f)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = -1;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        struct sockaddr_un peer = {0};
        socklen_t len = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            strcmp(peer.sun_path, f->agent.path) == 0)
            found = fd;
    }
    (void)closedir(dir);
    return found;
}

/* A daemon that closes all it does not know, and opens a file that gets the number. */
static void exchange_descriptor_taken_away_connects_again(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;
    int file;
    int fd;

    assert_int_equal(ask(f->client, 1, 10), KGR_OK);
    fd = find_socket(f);
    assert_true(fd >= 0);
    (void)snprintf(path, sizeof(path), "%s/file", f->agent.dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(dup2(file, fd), fd);
    assert_int_equal(ask(f->client, 2, 10), KGR_OK);
    assert_int_equal(fake_agent_num_conns(&f->agent), 2);
    assert_int_equal(fstat(fd, &st), 0); /* still open */
    assert_int_equal(st.st_size, 0);     /* and nothing was written to it */
    (void)close(fd);
    (void)close(file);
    (void)unlink(path);
}

int main(void)
{
#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CHANNEL_TEST(exchange_eight_threads_each_gets_its_replies),
        CHANNEL_TEST(exchange_eight_threads_with_large_requests_succeeds),
        CHANNEL_TEST(exchange_replies_out_of_order_reach_their_owners),
        CHANNEL_TEST(exchange_more_threads_than_the_limit_wait_their_turn),
        CHANNEL_TEST(exchange_without_answer_times_out_and_names_the_socket),
        CHANNEL_TEST(exchange_late_reply_is_not_the_next_ones),
        CHANNEL_TEST(exchange_agent_that_never_answers_gets_a_new_connection),
        CHANNEL_TEST(exchange_agent_dies_while_asked_fails_once),
        CHANNEL_TEST(exchange_agent_dies_under_many_fails_those_only),
        CHANNEL_TEST(exchange_agent_restarted_while_idle_is_not_noticed),
        CHANNEL_TEST(exchange_malformed_reply_is_corrupt_and_mends),
        CHANNEL_TEST(exchange_fork_in_mid_use_gives_the_child_its_own),
        CHANNEL_TEST(exchange_threads_of_a_child_share_one_connection),
        CHANNEL_TEST(exchange_descriptor_taken_away_connects_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
