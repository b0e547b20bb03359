/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kgr/client.h>

#include "tests/unit/fake_agent.h"

/* What the tests of libkgr's functions share: a client and an agent that answers as it was told. */
#define REPLIES_MAX 8

/* The fake agent keeps what it is asked and answers what it was told, the last answer again and again. */
struct fixture {
    struct fake_agent agent;
    struct kgr_client *client;
    struct {
        enum kgr_error status;
        size_t len;
        uint8_t body[KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN];
    } replies[REPLIES_MAX];
    size_t num_replies;
    size_t next_reply;
    struct fake_request asked[REPLIES_MAX];
    size_t num_asked;
};

static inline void handle(void *arg, const struct fake_request *request)
{
    struct fixture *f = arg;
    size_t i = f->next_reply;

    if (f->num_asked < REPLIES_MAX)
        f->asked[f->num_asked++] = *request;
    if (f->num_replies == 0)
        abort();
    if (i + 1 < f->num_replies)
        f->next_reply++;
    fake_agent_reply(request, f->replies[i].status, f->replies[i].body, f->replies[i].len);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct kgr_client_options options = {.name = "test"};

    if (f == NULL)
        return -1;
    fake_agent_init(&f->agent, handle, f);
    fake_agent_start(&f->agent);
    options.socket = f->agent.path;
    if (kgr_client_new(&f->client, &options) != KGR_OK)
        return -1;
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    kgr_client_free(f->client);
    fake_agent_deinit(&f->agent);
    free(f);
    return 0;
}

static inline void will_reply(struct fixture *f, enum kgr_error status, const void *body,
                              size_t len)
{
    assert_true(f->num_replies < REPLIES_MAX);
    f->replies[f->num_replies].status = status;
    f->replies[f->num_replies].len = len;
    kgr_copy(f->replies[f->num_replies].body, body, len);
    f->num_replies++;
}

static inline void forget(struct fixture *f)
{
    f->num_replies = 0;
    f->next_reply = 0;
    f->num_asked = 0;
}

static inline void will_refuse(struct fixture *f, enum kgr_error status, const char *text)
{
    uint8_t body[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_wr_vec8(&wr, kgr_slice(text, strlen(text)));
    will_reply(f, status, body, wr.len);
}

/* The body of the i-th request, which must be of that op. */
static inline struct kgr_slice asked(const struct fixture *f, size_t i, uint16_t op)
{
    assert_true(i < f->num_asked);
    assert_int_equal(f->asked[i].op, op);
    return kgr_slice(f->asked[i].body, f->asked[i].len);
}

static inline void assert_reason(const char *wanted)
{
    char reason[KGR_DIAG_MAX];

    assert_string_equal(kgr_client_reason(reason, sizeof(reason)), wanted);
}

static const struct kgr_key key = {.peer = "N2", .generation = 9};

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
