/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wire/ipc_data.h"
#include "tests/unit/scripted_agent.h"

/* The functions of libkgr for messages and events. */

static uint8_t out[KGR_MESSAGE_MAX];

static void will_reply_message(struct fixture *f, const char *data)
{
    static uint8_t body[KGR_MESSAGE_MAX + 200];
    struct kgr_ipc_message message = {.peer = {"N2"},
                                      .generation = 3,
                                      .sequence = 4,
                                      .waiting = 5,
                                      .data = kgr_slice(data, strlen(data))};
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_message_encode(&wr, &message), KGR_OK);
    will_reply(f, KGR_OK, body, wr.len);
}

static void will_reply_event(struct fixture *f, uint8_t type, const char *peer, uint64_t count)
{
    uint8_t body[512];
    struct kgr_ipc_event event = {.type = type,
                                  .peer = kgr_slice(peer, strlen(peer)),
                                  .generation = 9,
                                  .count = count,
                                  .error = KGR_ERR_EXPIRED,
                                  .unix_s = 1800000000,
                                  .text = kgr_slice("why", 3)};
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_event_encode(&wr, &event), KGR_OK);
    will_reply(f, KGR_OK, body, wr.len);
}

static void send_carries_its_arguments(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_send request;

    will_reply(f, KGR_OK, NULL, 0);
    assert_int_equal(kgr_send(f->client, "N2", (const uint8_t *)"hello", 5), KGR_OK);
    assert_int_equal(kgr_ipc_send_decode(&request, asked(f, 0, KGR_IPC_SEND)), KGR_OK);
    assert_string_equal(request.peer.s, "N2");
    assert_int_equal(request.data.len, 5);
    assert_memory_equal(request.data.p, "hello", 5);
    assert_int_equal(kgr_send(f->client, "N2", NULL, 0), KGR_OK);
    assert_int_equal(kgr_send(f->client, "N2", out, KGR_MESSAGE_MAX), KGR_OK);
    assert_int_equal(kgr_ipc_send_decode(&request, asked(f, 2, KGR_IPC_SEND)), KGR_OK);
    assert_int_equal(request.data.len, KGR_MESSAGE_MAX);
}

static void send_wrong_arguments_ask_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_send(f->client, "N 2", out, 1), KGR_ERR_INVALID);
    assert_int_equal(kgr_send(f->client, "N2", NULL, 1), KGR_ERR_INVALID);
    assert_int_equal(kgr_send(f->client, "N2", out, KGR_MESSAGE_MAX + 1), KGR_ERR_TOO_LARGE);
    assert_int_equal(kgr_send(NULL, "N2", out, 1), KGR_ERR_INVALID);
    assert_int_equal(f->num_asked, 0);
}

static void refusals_come_with_their_words(void **state)
{
    struct fixture *f = *state;
    size_t len = 7;

    will_refuse(f, KGR_ERR_BROKER, "no connection to the broker");
    assert_int_equal(kgr_send(f->client, "N2", out, 1), KGR_ERR_BROKER);
    assert_reason("no connection to the broker");
    forget(f);
    /* An agent of before there were messages. */
    will_refuse(f, KGR_ERR_UNSUPPORTED, "this agent knows no such operation");
    assert_int_equal(kgr_send(f->client, "N2", out, 1), KGR_ERR_UNSUPPORTED);
    assert_int_equal(kgr_recv(f->client, "N2", 0, NULL, out, sizeof(out), &len),
                     KGR_ERR_UNSUPPORTED);
    assert_int_equal(len, 7);
    forget(f);
    will_reply(f, KGR_OK, "x", 1);
    assert_int_equal(kgr_send(f->client, "N2", out, 1), KGR_ERR_CORRUPT);
}

static void recv_gives_the_message_and_what_came_with_it(void **state)
{
    struct fixture *f = *state;
    struct kgr_message info;
    struct kgr_ipc_recv request;
    size_t len = 0;

    will_reply_message(f, "hello");
    assert_int_equal(kgr_recv(f->client, "N2", 1234, &info, out, sizeof(out), &len), KGR_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(out, "hello", 5);
    assert_string_equal(info.peer, "N2");
    assert_int_equal(info.generation, 3);
    assert_int_equal(info.sequence, 4);
    assert_int_equal(info.waiting, 5);
    assert_int_equal(kgr_ipc_recv_decode(&request, asked(f, 0, KGR_IPC_RECV)), KGR_OK);
    assert_int_equal(request.peer.len, 2);
    assert_int_equal(request.timeout_ms, 1234);
    assert_int_equal(kgr_recv(f->client, NULL, 0, NULL, out, sizeof(out), &len), KGR_OK);
    assert_int_equal(kgr_ipc_recv_decode(&request, asked(f, 1, KGR_IPC_RECV)), KGR_OK);
    assert_int_equal(request.peer.len, 0);
    assert_int_equal(request.timeout_ms, 0);
}

static void recv_wants_room_before_it_takes_anything(void **state)
{
    struct fixture *f = *state;
    size_t len = 0;

    assert_int_equal(kgr_recv(f->client, "N2", 0, NULL, out, sizeof(out) - 1, &len),
                     KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_recv(f->client, "N2", 0, NULL, NULL, sizeof(out), &len),
                     KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_recv(f->client, "", 0, NULL, out, sizeof(out), &len), KGR_ERR_INVALID);
    assert_int_equal(f->num_asked, 0);
}

/* The agent's turns are shorter than "for ever": the client asks again. */
static void recv_for_ever_asks_again(void **state)
{
    struct fixture *f = *state;
    size_t len = 0;

    will_refuse(f, KGR_ERR_TIMEOUT, "no message in time");
    will_refuse(f, KGR_ERR_TIMEOUT, "no message in time");
    will_reply_message(f, "late");
    assert_int_equal(kgr_recv(f->client, "N2", -1, NULL, out, sizeof(out), &len), KGR_OK);
    assert_int_equal(f->num_asked, 3);
    forget(f);
    will_refuse(f, KGR_ERR_TIMEOUT, "no message in time");
    assert_int_equal(kgr_recv(f->client, "N2", 0, NULL, out, sizeof(out), &len), KGR_ERR_TIMEOUT);
    assert_int_equal(f->num_asked, 1);
}

/* Whether the descriptor becomes readable within ms. */
static bool readable(const struct kgr_events *events, int ms)
{
    struct pollfd p = {.fd = kgr_events_fd(events), .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

static void events_come_one_by_one_and_can_be_polled_for(void **state)
{
    struct fixture *f = *state;
    struct kgr_events *events = NULL;
    struct kgr_event event;
    struct kgr_slice peer;

    will_reply(f, KGR_OK, NULL, 0);
    will_reply_event(f, KGR_EVENT_KEY_READY, "N2", 0);
    will_reply_event(f, KGR_EVENT_LOST, "", 77);
    will_refuse(f, KGR_ERR_FAILED, "that was all");
    assert_int_equal(kgr_events_open(f->client, &events, "N2"), KGR_OK);
    assert_int_equal(kgr_ipc_subscribe_decode(&peer, asked(f, 0, KGR_IPC_SUBSCRIBE)), KGR_OK);
    assert_int_equal(peer.len, 2);
    assert_true(readable(events, 5000));
    assert_int_equal(kgr_events_next(events, &event, 0), KGR_OK);
    assert_int_equal(event.type, KGR_EVENT_KEY_READY);
    assert_string_equal(event.peer, "N2");
    assert_int_equal(event.generation, 9);
    assert_int_equal(event.error, KGR_ERR_EXPIRED);
    assert_true(event.unix_s == 1800000000);
    assert_string_equal(event.text, "why");
    assert_true(readable(events, 5000));
    assert_int_equal(kgr_events_next(events, &event, -1), KGR_OK);
    assert_int_equal(event.type, KGR_EVENT_LOST);
    assert_string_equal(event.peer, "");
    assert_int_equal(event.count, 77);
    assert_int_equal(kgr_events_next(events, &event, 5000), KGR_ERR_FAILED);
    assert_reason("that was all");
    kgr_events_close(events);
    kgr_events_close(NULL);
}

static void silent_after_subscribe(void *arg, const struct fake_request *request)
{
    (void)arg;
    if (request->op == KGR_IPC_SUBSCRIBE)
        fake_agent_reply(request, KGR_OK, NULL, 0);
}

static void nothing_happens_is_a_time_out(void **state)
{
    struct fixture *f = *state;
    struct kgr_events *events = NULL;
    struct kgr_event event;

    fake_agent_stop(&f->agent);
    f->agent.handler = silent_after_subscribe;
    fake_agent_start(&f->agent);
    assert_int_equal(kgr_events_open(f->client, &events, NULL), KGR_OK);
    assert_false(readable(events, 0));
    assert_int_equal(kgr_events_next(events, &event, 0), KGR_ERR_TIMEOUT);
    assert_int_equal(kgr_events_next(events, &event, 20), KGR_ERR_TIMEOUT);
    /* The agent ends: that can be polled for too, and is said. */
    fake_agent_stop(&f->agent);
    assert_true(readable(events, 5000));
    assert_int_equal(kgr_events_next(events, &event, -1), KGR_ERR_NO_AGENT);
    kgr_events_close(events);
    assert_int_equal(kgr_events_open(f->client, &events, NULL), KGR_ERR_NO_AGENT);
    fake_agent_start(&f->agent);
}

static void subscription_that_is_refused_or_malformed_is_none(void **state)
{
    struct fixture *f = *state;
    struct kgr_events *events = NULL;
    struct kgr_event event;

    will_refuse(f, KGR_ERR_QUOTA, "too many subscribe to events");
    assert_int_equal(kgr_events_open(f->client, &events, NULL), KGR_ERR_QUOTA);
    assert_reason("too many subscribe to events");
    assert_null(events);
    assert_int_equal(kgr_events_open(f->client, &events, "N 2"), KGR_ERR_INVALID);
    assert_int_equal(kgr_events_open(NULL, &events, NULL), KGR_ERR_INVALID);
    forget(f);
    will_reply(f, KGR_OK, NULL, 0);
    will_reply(f, KGR_OK, "no event", 8);
    assert_int_equal(kgr_events_open(f->client, &events, NULL), KGR_OK);
    assert_int_equal(kgr_events_next(events, &event, 5000), KGR_ERR_CORRUPT);
    kgr_events_close(events);
}

static void names_are_those_of_the_docs(void **state)
{
    static const char *const events[] = {
        "unknown", "key-ready",   "key-renewed", "revoked", "failed",  "message", "overflow",
        "alarm",   "broker-lost", "broker-back", "ks-lost", "ks-back", "lost",    "unknown",
    };
    static const char *const refusals[] = {"retained", "size", "format", "key",    "state",
                                           "replay",   "full", "tag",    "unknown"};

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        assert_string_equal(kgr_event_name((enum kgr_event_type)i), events[i]);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_string_equal(kgr_refusal_name((enum kgr_refusal)i), refusals[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(send_carries_its_arguments),
        CLIENT_TEST(send_wrong_arguments_ask_nothing),
        CLIENT_TEST(refusals_come_with_their_words),
        CLIENT_TEST(recv_gives_the_message_and_what_came_with_it),
        CLIENT_TEST(recv_wants_room_before_it_takes_anything),
        CLIENT_TEST(recv_for_ever_asks_again),
        CLIENT_TEST(events_come_one_by_one_and_can_be_polled_for),
        CLIENT_TEST(nothing_happens_is_a_time_out),
        CLIENT_TEST(subscription_that_is_refused_or_malformed_is_none),
        cmocka_unit_test(names_are_those_of_the_docs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
