/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_agent.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Failures here are of the test's own making: they end it. */
static void must(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

void fake_agent_send_raw(const struct fake_request *request, const void *packet, size_t len)
{
    int fd = request->agent->conns[request->conn];

    /* A client that timed out may have gone. */
    (void)send(fd, packet, len, MSG_NOSIGNAL);
}

void fake_agent_reply(const struct fake_request *request, enum kgr_error status, const void *body,
                      size_t len)
{
    struct kgr_ipc_header header = {request->op, true, request->id, (uint32_t)status};
    uint8_t packet[KGR_IPC_PACKET_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    kgr_wr_bytes(&wr, body, len);
    must(kgr_wr_ok(&wr), "reply");
    fake_agent_send_raw(request, packet, wr.len);
}

void fake_agent_refuse(const struct fake_request *request, enum kgr_error status, const char *text)
{
    uint8_t body[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_wr_vec8(&wr, kgr_slice(text, strlen(text)));
    must(kgr_wr_ok(&wr), "refusal");
    fake_agent_reply(request, status, body, wr.len);
}

void fake_agent_hang_up(const struct fake_request *request)
{
    int *fd = &request->agent->conns[request->conn];

    (void)close(*fd);
    *fd = -1;
}

static void answer_hello(const struct fake_request *request)
{
    static const uint8_t garbage[700];
    struct kgr_ipc_hello_reply reply = {
        .version = request->agent->hello == FAKE_HELLO_VERSION ? 2 : 1,
        .program = kgr_slice("0.0-fake", 8),
        .node = kgr_slice("N1", 2),
    };
    uint8_t body[128];
    struct kgr_wr wr;

    switch (request->agent->hello) {
    case FAKE_HELLO_REFUSES:
        fake_agent_refuse(request, KGR_ERR_QUOTA, "too many friends");
        return;
    case FAKE_HELLO_UNKNOWN:
        fake_agent_refuse(request, (enum kgr_error)4711, "news from the future");
        return;
    case FAKE_HELLO_GARBAGE:
        fake_agent_send_raw(request, garbage, 20);
        return;
    case FAKE_HELLO_LONG:
        fake_agent_send_raw(request, garbage, sizeof(garbage));
        return;
    case FAKE_HELLO_SILENT:
        return;
    case FAKE_HELLO_CLOSES:
        fake_agent_hang_up(request);
        return;
    case FAKE_HELLO_GOOD:
    case FAKE_HELLO_VERSION:
    default:
        break;
    }
    kgr_wr_init(&wr, body, sizeof(body));
    must(kgr_ipc_hello_reply_encode(&wr, &reply) == KGR_OK, "hello");
    fake_agent_reply(request, KGR_OK, body, wr.len);
}

static void take_name(struct fake_agent *agent)
{
    struct kgr_ipc_hello hello;

    must(kgr_ipc_hello_decode(&hello, kgr_slice(agent->request->body, agent->request->len)) ==
             KGR_OK,
         "hello of the client");
    memset(agent->name, 0, sizeof(agent->name));
    memcpy(agent->name, hello.name.p, hello.name.len);
}

static void serve(struct fake_agent *agent, size_t conn)
{
    struct fake_request *request = agent->request;
    struct kgr_ipc_header header;
    struct kgr_slice body;
    uint8_t packet[KGR_IPC_PACKET_MAX];
    ssize_t n = recv(agent->conns[conn], packet, sizeof(packet), 0);

    if (n <= 0) {
        (void)close(agent->conns[conn]);
        agent->conns[conn] = -1;
        return;
    }
    must(kgr_ipc_header_decode(&header, &body, kgr_slice(packet, (size_t)n)) == KGR_OK &&
             !header.reply,
         "request");
    request->agent = agent;
    request->conn = conn;
    request->id = header.id;
    request->op = header.op;
    request->len = body.len;
    kgr_copy(request->body, body.p, body.len);
    if (header.op == KGR_IPC_HELLO) {
        take_name(agent);
        answer_hello(request);
        return;
    }
    if (header.op == KGR_IPC_RING) {
        /* As an agent of before there were rings. */
        fake_agent_refuse(request, KGR_ERR_UNSUPPORTED, "this agent knows no such operation");
        return;
    }
    (void)pthread_mutex_lock(&agent->lock);
    agent->num_requests++;
    (void)pthread_cond_broadcast(&agent->changed);
    (void)pthread_mutex_unlock(&agent->lock);
    agent->handler(agent->arg, request);
}

static void accept_one(struct fake_agent *agent)
{
    int fd = accept(agent->listener, NULL, NULL);
    size_t i = 0;

    must(fd >= 0, "accept");
    while (i < FAKE_CONNS_MAX && agent->conns[i] >= 0)
        i++;
    must(i < FAKE_CONNS_MAX, "connections");
    agent->conns[i] = fd;
    (void)pthread_mutex_lock(&agent->lock);
    agent->num_conns++;
    (void)pthread_mutex_unlock(&agent->lock);
}

static void *run(void *arg)
{
    struct fake_agent *agent = arg;
    struct pollfd fds[FAKE_CONNS_MAX + 2];

    for (;;) {
        fds[0] = (struct pollfd){.fd = agent->wake[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = agent->listener, .events = POLLIN};
        for (size_t i = 0; i < FAKE_CONNS_MAX; i++)
            fds[i + 2] = (struct pollfd){.fd = agent->conns[i], .events = POLLIN};
        must(poll(fds, FAKE_CONNS_MAX + 2, -1) > 0, "poll");
        if (fds[0].revents != 0)
            return NULL;
        if (fds[1].revents != 0)
            accept_one(agent);
        for (size_t i = 0; i < FAKE_CONNS_MAX; i++)
            if (fds[i + 2].revents != 0)
                serve(agent, i);
    }
}

void fake_agent_init(struct fake_agent *agent, fake_handler *handler, void *arg)
{
    memset(agent, 0, sizeof(*agent));
    agent->handler = handler;
    agent->arg = arg;
    (void)snprintf(agent->dir, sizeof(agent->dir), "/tmp/kgr-fake.XXXXXX");
    must(mkdtemp(agent->dir) != NULL, "mkdtemp");
    (void)snprintf(agent->path, sizeof(agent->path), "%s/sock", agent->dir);
    agent->request = malloc(sizeof(*agent->request));
    must(agent->request != NULL, "malloc");
    for (size_t i = 0; i < FAKE_CONNS_MAX; i++)
        agent->conns[i] = -1;
    (void)pthread_mutex_init(&agent->lock, NULL);
    (void)pthread_cond_init(&agent->changed, NULL);
}

void fake_agent_start(struct fake_agent *agent)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", agent->path);
    agent->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    must(agent->listener >= 0, "socket");
    must(bind(agent->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    must(listen(agent->listener, 128) == 0, "listen");
    must(pipe(agent->wake) == 0, "pipe");
    must(pthread_create(&agent->thread, NULL, run, agent) == 0, "pthread_create");
    agent->running = true;
}

void fake_agent_stop(struct fake_agent *agent)
{
    if (!agent->running)
        return;
    must(write(agent->wake[1], "", 1) == 1, "write");
    (void)pthread_join(agent->thread, NULL);
    agent->running = false;
    (void)close(agent->wake[0]);
    (void)close(agent->wake[1]);
    (void)close(agent->listener);
    for (size_t i = 0; i < FAKE_CONNS_MAX; i++) {
        if (agent->conns[i] >= 0)
            (void)close(agent->conns[i]);
        agent->conns[i] = -1;
    }
    (void)unlink(agent->path);
}

void fake_agent_deinit(struct fake_agent *agent)
{
    fake_agent_stop(agent);
    (void)rmdir(agent->dir);
    free(agent->request);
    (void)pthread_mutex_destroy(&agent->lock);
    (void)pthread_cond_destroy(&agent->changed);
}

void fake_agent_await(struct fake_agent *agent, unsigned int num_requests)
{
    (void)pthread_mutex_lock(&agent->lock);
    while (agent->num_requests < num_requests)
        (void)pthread_cond_wait(&agent->changed, &agent->lock);
    (void)pthread_mutex_unlock(&agent->lock);
}

unsigned int fake_agent_num_conns(struct fake_agent *agent)
{
    unsigned int num;

    (void)pthread_mutex_lock(&agent->lock);
    num = agent->num_conns;
    (void)pthread_mutex_unlock(&agent->lock);
    return num;
}

unsigned int fake_agent_num_requests(struct fake_agent *agent)
{
    unsigned int num;

    (void)pthread_mutex_lock(&agent->lock);
    num = agent->num_requests;
    (void)pthread_mutex_unlock(&agent->lock);
    return num;
}
