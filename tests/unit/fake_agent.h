/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wire/ipc.h"

/*
 * An agent of a thread, for the tests of libkgr: it answers hello, everything else goes to a handler.
 * It allocates nothing once it runs, so that a test can fork beside it: not every allocator that
 * tests run with survives that.
 */
#define FAKE_CONNS_MAX 96

struct fake_agent;

struct fake_request {
    struct fake_agent *agent;
    size_t conn; /* index of its connection */
    uint32_t id;
    uint16_t op;
    size_t len;
    uint8_t body[KGR_IPC_PACKET_MAX];
};

typedef void fake_handler(void *arg, const struct fake_request *request);

enum fake_hello {
    FAKE_HELLO_GOOD,
    FAKE_HELLO_VERSION, /* speaks version 2 only, and says so in its reply */
    FAKE_HELLO_REFUSES, /* an error reply: QUOTA, "too many friends" */
    FAKE_HELLO_UNKNOWN, /* an error that this version has no name for */
    FAKE_HELLO_GARBAGE, /* a packet that is no message */
    FAKE_HELLO_LONG,    /* a packet that is too long */
    FAKE_HELLO_SILENT,  /* no answer */
    FAKE_HELLO_CLOSES,  /* closes the connection */
};

struct fake_agent {
    char dir[64];
    char path[96];
    enum fake_hello hello; /* set while it is stopped */
    fake_handler *handler;
    void *arg;
    pthread_t thread;
    bool running;
    int listener;
    int wake[2];
    int conns[FAKE_CONNS_MAX];
    struct fake_request *request; /* owned; the one that is handled */
    pthread_mutex_t lock;         /* of the counters */
    pthread_cond_t changed;
    unsigned int num_conns;    /* accepted since the beginning */
    unsigned int num_requests; /* other than hello */
    char name[33];             /* of the last client */
};

/* fake_agent_init makes a folder; start listens in it and stop closes everything, any number of times. */
void fake_agent_init(struct fake_agent *agent, fake_handler *handler, void *arg);
void fake_agent_start(struct fake_agent *agent);
void fake_agent_stop(struct fake_agent *agent);
void fake_agent_deinit(struct fake_agent *agent);

/* For handlers, and for other threads as long as the agent is not stopped. */
void fake_agent_reply(const struct fake_request *request, enum kgr_error status, const void *body,
                      size_t len);
void fake_agent_refuse(const struct fake_request *request, enum kgr_error status, const char *text);
/* fake_agent_send_raw sends any packet on the connection of request. */
void fake_agent_send_raw(const struct fake_request *request, const void *packet, size_t len);
/* fake_agent_hang_up closes the connection of request; for handlers only. */
void fake_agent_hang_up(const struct fake_request *request);

/* fake_agent_await waits until so many requests have come. */
void fake_agent_await(struct fake_agent *agent, unsigned int num_requests);
unsigned int fake_agent_num_conns(struct fake_agent *agent);
unsigned int fake_agent_num_requests(struct fake_agent *agent);
