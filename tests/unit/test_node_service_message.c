/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/service.h"

#include "agent/base/clock.h"
#include "agent/client/connection.h"
#include "agent/wire/ipc_data.h"
#include "tests/support/broker.h"
#include "tests/support/node_pair.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Messages and events between two nodes over a real broker, as applications see them. node_pair allows 8 messages. */
#define GIVE_UP_MS 60000

static struct broker broker;
static uint8_t out[KGR_MESSAGE_MAX];

static int group_setup(void **state)
{
    int rc = node_pair_group_setup(state);

    broker_start(&broker, NULL);
    for (size_t i = 0; i < 2; i++)
        ends[i].settings.brokers =
            (struct kgr_brokers){.list = {{.host = "127.0.0.1", .port = broker.port}}, .num = 1};
    return rc;
}

static int group_teardown(void **state)
{
    broker_stop(&broker);
    return node_pair_group_teardown(state);
}

static void get_status(const struct node_end *end, struct kgr_status *status)
{
    assert_int_equal(kgr_get_status(end->client, status), KGR_OK);
}

static bool is_connected(const struct kgr_status *status, uint32_t unused)
{
    (void)unused;
    return status->broker_connected;
}

static bool is_disconnected(const struct kgr_status *status, uint32_t unused)
{
    (void)unused;
    return !status->broker_connected;
}

static bool has_waiting(const struct kgr_status *status, uint32_t wanted)
{
    return status->messages_waiting == wanted;
}

static bool has_full(const struct kgr_status *status, uint32_t wanted)
{
    return status->messages_refused[KGR_REFUSAL_FULL] == wanted;
}

static bool has_tag(const struct kgr_status *status, uint32_t wanted)
{
    return status->messages_refused[KGR_REFUSAL_TAG] == wanted;
}

/* Waits until the status of end is as the test wants it. */
static void await_status(const struct node_end *end,
                         bool (*test)(const struct kgr_status *status, uint32_t wanted),
                         uint32_t wanted)
{
    const struct timespec pause = {0, 5000000};
    uint64_t give_up = kgr_clock_boot_ms() + GIVE_UP_MS;
    struct kgr_status status;

    for (;;) {
        get_status(end, &status);
        if (test(&status, wanted))
            return;
        assert_true(kgr_clock_boot_ms() < give_up);
        (void)nanosleep(&pause, NULL);
    }
}

static int setup(void **state)
{
    (void)node_pair_setup(state);
    await_status(&ends[0], is_connected, 0);
    await_status(&ends[1], is_connected, 0);
    return 0;
}

static enum kgr_error send_text(const struct node_end *end, const char *text)
{
    return kgr_send(end->client, node_pair_peer(end), (const uint8_t *)text, strlen(text));
}

static void send_number(const struct node_end *end, int number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", number);
    assert_int_equal(send_text(end, text), KGR_OK);
}

static void recv_number(const struct node_end *end, int number)
{
    char text[16];
    size_t len = 0;

    (void)snprintf(text, sizeof(text), "%d", number);
    assert_int_equal(
        kgr_recv(end->client, node_pair_peer(end), GIVE_UP_MS, NULL, out, sizeof(out), &len),
        KGR_OK);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(out, text, len);
}

static enum kgr_error recv_none(const struct node_end *end, const char *peer)
{
    size_t len = 0;

    return kgr_recv(end->client, peer, 0, NULL, out, sizeof(out), &len);
}

static void messages_arrive_once_and_in_order(void **state)
{
    struct kgr_message first;
    struct kgr_message second;
    struct kgr_status status;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        send_number(&ends[0], i);
    await_status(&ends[1], has_waiting, 3);
    assert_int_equal(kgr_recv(ends[1].client, NULL, 0, &first, out, sizeof(out), &len), KGR_OK);
    assert_int_equal(kgr_recv(ends[1].client, "node-a", 0, &second, out, sizeof(out), &len),
                     KGR_OK);
    assert_string_equal(first.peer, "node-a");
    assert_int_equal(first.generation, 1);
    assert_int_equal(first.waiting, 2);
    assert_int_equal(second.waiting, 1);
    assert_true(second.sequence == first.sequence + 1);
    recv_number(&ends[1], 2);
    assert_int_equal(recv_none(&ends[1], "node-a"), KGR_ERR_TIMEOUT);
    assert_int_equal(recv_none(&ends[1], NULL), KGR_ERR_TIMEOUT);
    get_status(&ends[0], &status);
    assert_int_equal(status.messages_sent, 3);
    get_status(&ends[1], &status);
    assert_int_equal(status.messages_accepted, 3);
    assert_int_equal(status.messages_waiting, 0);
}

static void largest_and_empty_messages_arrive(void **state)
{
    static uint8_t large[KGR_MESSAGE_MAX];
    size_t len = 1;

    (void)state;
    kgr_random(large, sizeof(large));
    assert_int_equal(kgr_send(ends[1].client, "node-b", large, 1), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_send(ends[1].client, "node-a", large, sizeof(large)), KGR_OK);
    assert_int_equal(kgr_send(ends[1].client, "node-a", NULL, 0), KGR_OK);
    assert_int_equal(kgr_recv(ends[0].client, "node-b", GIVE_UP_MS, NULL, out, sizeof(out), &len),
                     KGR_OK);
    assert_int_equal(len, sizeof(large));
    assert_memory_equal(out, large, len);
    assert_int_equal(kgr_recv(ends[0].client, "node-b", GIVE_UP_MS, NULL, out, sizeof(out), &len),
                     KGR_OK);
    assert_int_equal(len, 0);
}

static void full_inbox_keeps_what_came_first(void **state)
{
    (void)state;
    for (int i = 0; i < 11; i++)
        send_number(&ends[0], i);
    await_status(&ends[1], has_full, 3);
    for (int i = 0; i < 8; i++)
        recv_number(&ends[1], i);
    assert_int_equal(recv_none(&ends[1], NULL), KGR_ERR_TIMEOUT);
    /* What was dropped was not accepted: room is room again. */
    send_number(&ends[0], 11);
    recv_number(&ends[1], 11);
}

struct receiver {
    struct kgr_client *client;
    pthread_t thread;
    int num;
};

static void *receive_one(void *arg)
{
    struct receiver *r = arg;
    size_t len = 0;
    uint8_t *buf = malloc(KGR_MESSAGE_MAX);

    if (kgr_recv(r->client, "node-a", GIVE_UP_MS, NULL, buf, KGR_MESSAGE_MAX, &len) == KGR_OK &&
        len == 1)
        r->num = buf[0] - '0';
    free(buf);
    return NULL;
}

/* Four threads share a client and wait; each message goes to one of them. */
static void waiting_receivers_get_one_each(void **state)
{
    struct receiver receivers[4];
    int seen = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        receivers[i] = (struct receiver){.client = ends[1].client, .num = -1};
        assert_int_equal(pthread_create(&receivers[i].thread, NULL, receive_one, &receivers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        send_number(&ends[0], i);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(receivers[i].thread, NULL), 0);
        assert_in_range(receivers[i].num, 0, 3);
        seen |= 1 << receivers[i].num;
    }
    assert_int_equal(seen, 15);
    assert_int_equal(recv_none(&ends[1], NULL), KGR_ERR_TIMEOUT);
}

static void nobody_waits_for_what_cannot_come(void **state)
{
    (void)state;
    assert_int_equal(recv_none(&ends[1], "stranger"), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_send(ends[1].client, "stranger", out, 1), KGR_ERR_UNKNOWN_PEER);
}

static void next_event(struct kgr_events *events, enum kgr_event_type type, const char *peer,
                       uint64_t count)
{
    struct kgr_event event;

    assert_int_equal(kgr_events_next(events, &event, GIVE_UP_MS), KGR_OK);
    assert_string_equal(kgr_event_name(event.type), kgr_event_name(type));
    assert_string_equal(event.peer, peer);
    assert_true(event.count == count);
    assert_true(event.unix_s > 0);
}

static void events_tell_of_messages_and_of_what_was_before(void **state)
{
    struct kgr_events *events = NULL;
    struct kgr_events *other = NULL;
    struct kgr_event event;

    (void)state;
    assert_int_equal(kgr_events_open(ends[1].client, &events, "node-a"), KGR_OK);
    assert_int_equal(kgr_events_next(events, &event, 0), KGR_ERR_TIMEOUT);
    send_number(&ends[0], 0);
    next_event(events, KGR_EVENT_MESSAGE, "node-a", 1);
    for (int i = 1; i < 9; i++)
        send_number(&ends[0], i);
    next_event(events, KGR_EVENT_OVERFLOW, "node-a", 1);
    await_status(&ends[1], has_waiting, 8);
    /* Who comes later is told too; who asks for another peer is not. */
    assert_int_equal(kgr_events_open(ends[1].client, &other, NULL), KGR_OK);
    next_event(other, KGR_EVENT_MESSAGE, "node-a", 8);
    kgr_events_close(other);
    other = NULL;
    do
        if (other != NULL)
            kgr_events_close(other);
    while (kgr_events_open(ends[1].client, &other, "stranger") == KGR_ERR_QUOTA);
    assert_int_equal(kgr_events_next(other, &event, 0), KGR_ERR_TIMEOUT);
    kgr_events_close(other);
    kgr_events_close(events);
    for (int i = 0; i < 8; i++)
        recv_number(&ends[1], i);
}

static void slow_subscriber_learns_what_he_missed(void **state)
{
    struct kgr_events *events = NULL;
    struct kgr_event event;
    uint64_t num = 0;

    (void)state;
    assert_int_equal(kgr_events_open(ends[1].client, &events, NULL), KGR_OK);
    for (int i = 0; i < 20; i++) {
        send_number(&ends[0], i);
        await_status(&ends[1], has_waiting, 1); /* nobody waits: each is an event */
        recv_number(&ends[1], i);
    }
    do {
        assert_int_equal(kgr_events_next(events, &event, GIVE_UP_MS), KGR_OK);
        num += event.type == KGR_EVENT_LOST ? event.count : 1;
        assert_true(num <= 20);
    } while (event.type != KGR_EVENT_LOST);
    assert_true(event.count >= 20 - 8);
    assert_int_equal(num, 20);
    kgr_events_close(events);
}

/* The status of the reply to a request with that body. */
static uint32_t ask(const struct kgr_connection *connection, uint16_t op, struct kgr_slice body)
{
    static uint8_t packet[KGR_IPC_PACKET_MAX];
    struct kgr_ipc_header header = {.op = op, .id = op};
    size_t len = 0;
    struct kgr_wr wr;

    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    kgr_wr_bytes(&wr, body.p, body.len);
    assert_int_equal(kgr_connection_send(connection, packet, wr.len), KGR_OK);
    assert_true(kgr_connection_poll(connection, POLLIN, kgr_clock_boot_ms() + GIVE_UP_MS));
    assert_int_equal(kgr_connection_receive(connection, packet, sizeof(packet), &len, NULL),
                     KGR_OK);
    assert_int_equal(kgr_ipc_header_decode(&header, &body, kgr_slice(packet, len)), KGR_OK);
    assert_int_equal(header.id, op);
    return header.status;
}

static void event_requests_out_of_turn_are_refused(void **state)
{
    struct kgr_endpoint endpoint = {.name = "test"};
    struct kgr_connection c;
    struct kgr_slice all = kgr_slice("", 1); /* an N_ID of no characters */

    (void)state;
    (void)snprintf(endpoint.path, sizeof(endpoint.path), "%s", ends[0].socket);
    assert_int_equal(kgr_connection_open(&c, &endpoint, kgr_clock_boot_ms() + GIVE_UP_MS), KGR_OK);
    assert_int_equal(ask(&c, KGR_IPC_EVENT, kgr_slice(NULL, 0)), KGR_ERR_STATE);
    assert_int_equal(ask(&c, KGR_IPC_SUBSCRIBE, all), KGR_OK);
    assert_int_equal(ask(&c, KGR_IPC_SUBSCRIBE, all), KGR_ERR_STATE);
    for (uint16_t op = KGR_IPC_SEND; op <= KGR_IPC_EVENT; op++)
        assert_int_equal(ask(&c, op, kgr_slice("\377garbage", 8)), KGR_ERR_CORRUPT);
    kgr_connection_close(&c);
}

/* What begins like a message under the right key, with a tag of nothing. */
static void publish_forgery(uint64_t sequence)
{
    struct kgr_key key = node_pair_key(&ends[1], 1);
    struct kgr_record_header header = {
        .suite = 1, .role = 1, .message = true, .generation = 1, .sequence = sequence};
    uint8_t record[44 + 16 + 16] = {0};
    char command[512];
    struct kgr_peer peer;
    struct kgr_wr wr;
    FILE *file;

    kgr_wr_init(&wr, record, sizeof(record));
    assert_int_equal(kgr_record_header_encode(&wr, &header), KGR_OK);
    assert_int_equal(kgr_get_key(ends[1].client, &key, &peer), KGR_OK);
    (void)snprintf(command, sizeof(command), "%s/forgery", broker.dir);
    file = fopen(command, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(record, 1, sizeof(record), file), sizeof(record));
    assert_int_equal(fclose(file), 0);
    (void)snprintf(command, sizeof(command),
                   "mosquitto_pub -V 5 -q 1 -h 127.0.0.1 -p %u -t '%s' -f %s/forgery", broker.port,
                   peer.receive_topic, broker.dir);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof(command), "%s/forgery", broker.dir);
    assert_int_equal(remove(command), 0);
}

/* More than their budget, more than find room: the honest one that comes when they are done is not their heir. */
static void forgeries_are_counted_and_stop_nobody(void **state)
{
    struct kgr_status status;
    uint32_t full;

    (void)state;
    for (uint64_t i = 0; i < 48; i++)
        publish_forgery(1000 + i % 2);
    get_status(&ends[1], &status);
    full = status.messages_refused[KGR_REFUSAL_FULL];
    assert_true(full <= 8);
    await_status(&ends[1], has_tag, 48 - full);
    send_number(&ends[0], 1);
    recv_number(&ends[1], 1);
}

static void without_a_broker_send_fails_and_nothing_is_kept(void **state)
{
    struct kgr_events *events = NULL;

    (void)state;
    assert_int_equal(kgr_events_open(ends[0].client, &events, NULL), KGR_OK);
    broker_kill(&broker);
    await_status(&ends[0], is_disconnected, 0);
    assert_int_equal(send_text(&ends[0], "lost"), KGR_ERR_BROKER);
    next_event(events, KGR_EVENT_BROKER_LOST, "", 0);
    broker_restart(&broker);
    await_status(&ends[0], is_connected, 0);
    await_status(&ends[1], is_connected, 0);
    next_event(events, KGR_EVENT_BROKER_BACK, "", 0);
    kgr_events_close(events);
    send_number(&ends[0], 5);
    recv_number(&ends[1], 5);
    assert_int_equal(recv_none(&ends[1], NULL), KGR_ERR_TIMEOUT);
}

static void restart_keeps_the_window_and_no_messages(void **state)
{
    (void)state;
    send_number(&ends[0], 1);
    await_status(&ends[1], has_waiting, 1);
    node_pair_stop();
    (void)setup(NULL);
    assert_int_equal(recv_none(&ends[1], NULL), KGR_ERR_TIMEOUT);
    send_number(&ends[0], 2);
    recv_number(&ends[1], 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, node_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_arrive_once_and_in_order),
        TEST(largest_and_empty_messages_arrive),
        TEST(full_inbox_keeps_what_came_first),
        TEST(waiting_receivers_get_one_each),
        TEST(nobody_waits_for_what_cannot_come),
        TEST(events_tell_of_messages_and_of_what_was_before),
        TEST(slow_subscriber_learns_what_he_missed),
        TEST(event_requests_out_of_turn_are_refused),
        TEST(forgeries_are_counted_and_stop_nobody),
        TEST(without_a_broker_send_fails_and_nothing_is_kept),
        TEST(restart_keeps_the_window_and_no_messages),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
