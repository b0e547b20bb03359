/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/service.h"

#include "agent/base/clock.h"
#include "agent/wire/ipc.h"
#include "tests/support/node_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* What is asked of keys and of the agent, and what nobody should ask. */

/* Names */

static void handles_name_peers(void **state)
{
    static const size_t lens[] = {16, 32, 38, 39, 64};
    uint8_t handle[64];
    uint8_t other[64];
    struct kgr_key key;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        assert_int_equal(kgr_make_handle(ends[0].client, node_pair_peer(&ends[0]), handle, lens[i]),
                         KGR_OK);
        assert_int_equal(kgr_resolve_handle(ends[0].client, handle, lens[i], &key), KGR_OK);
        assert_string_equal(key.peer, node_pair_peer(&ends[0]));
        assert_int_equal(kgr_make_handle(ends[1].client, node_pair_peer(&ends[1]), other, lens[i]),
                         KGR_OK);
        assert_memory_not_equal(handle, other, lens[i]);
        handle[lens[i] - 1] ^= 1;
        assert_int_equal(kgr_resolve_handle(ends[0].client, handle, lens[i], &key),
                         KGR_ERR_UNKNOWN_PEER);
    }
}

static void unknown_names_have_errors_of_their_own(void **state)
{
    struct kgr_key nobody = {.peer = "nobody"};
    struct kgr_key old = node_pair_key(&ends[0], 7);
    struct kgr_peer peer;
    uint8_t out[256];
    size_t len;

    (void)state;
    assert_int_equal(kgr_get_key(ends[0].client, &nobody, &peer), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_get_key(ends[0].client, &old, &peer), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_mac(ends[0].client, &old, out, 1, out, &len), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_make_handle(ends[0].client, "nobody", out, 16), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_wait(ends[0].client, "nobody", 0, 1000, &peer), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_request(ends[0].client, ends[0].nid.s), KGR_ERR_INVALID);
    assert_int_equal(
        kgr_seal(ends[0].client, "nobody", false, NULL, 0, out, 1, out, sizeof(out), &len),
        KGR_ERR_UNKNOWN_PEER);
}

/* Waiting and telling */

static void wait_ends_by_readiness_or_time(void **state)
{
    struct kgr_peer peer = {.error = KGR_ERR_FAILED};

    (void)state;
    assert_int_equal(kgr_wait(ends[0].client, node_pair_peer(&ends[0]), 1, 1000, &peer), KGR_OK);
    assert_int_equal(peer.state, KGR_STATE_READY);
    assert_int_equal(peer.generation, 1);
    memset(&peer, 0, sizeof(peer));
    assert_int_equal(kgr_wait(ends[0].client, node_pair_peer(&ends[0]), 2, 50, &peer),
                     KGR_ERR_TIMEOUT);
    assert_string_equal(peer.peer, node_pair_peer(&ends[0]));
    assert_int_equal(kgr_request(ends[0].client, node_pair_peer(&ends[0])),
                     KGR_OK); /* not needed */
}

static void request_of_an_unknown_peer_is_asked_for(void **state)
{
    struct kgr_peer peer;

    (void)state;
    /* Nobody answers here; that it is under way is what can be seen. */
    assert_int_equal(kgr_request(ends[0].client, "stranger"), KGR_OK);
    assert_int_equal(kgr_wait(ends[0].client, "stranger", 0, 50, &peer), KGR_ERR_TIMEOUT);
    assert_int_equal(peer.state, KGR_STATE_REQUESTING);
}

static struct kgr_generation_row *found_row;

static enum kgr_error find_row(void *arg, const struct kgr_generation_row *row,
                               struct kgr_diag *diag)
{
    (void)arg;
    (void)diag;
    *found_row = *row;
    return KGR_OK;
}

/* The current key, then the previous one; a candidate is none yet. */
static void check_listed(const struct node_end *end, const char *peer)
{
    struct kgr_peer *keys = NULL;
    size_t num = 0;

    assert_int_equal(kgr_list_keys(end->client, peer, &keys, &num), KGR_OK);
    assert_int_equal(num, 2);
    assert_true(keys[0].generation == 2 && keys[0].may_send && keys[0].may_receive);
    assert_true(keys[1].generation == 1 && !keys[1].may_send && keys[1].may_receive);
    assert_string_equal(keys[1].peer, node_pair_peer(end));
    free(keys);
    assert_int_equal(kgr_list_keys(end->client, "nobody", &keys, &num), KGR_OK);
    assert_int_equal(num, 0);
    free(keys);
}

static void keys_of_all_three_places_survive_a_restart(void **state)
{
    struct node_end *end = &ends[0];
    struct kgr_pair_row pair = {.status = KGR_PAIR_ALLOWED};

    (void)state;
    node_pair_stop();
    node_pair_open(end);
    found_row = calloc(1, sizeof(*found_row));
    assert_non_null(found_row);
    assert_int_equal(kgr_generation_each(end->node.db, find_row, NULL, NULL), KGR_OK);
    found_row->place = KGR_RING_CANDIDATE;
    pair.state.peer = found_row->peer;
    for (found_row->offer.generation = 2; found_row->offer.generation <= 3;
         found_row->offer.generation++) {
        assert_int_equal(kgr_generation_insert(end->node.db, found_row, NULL), KGR_OK);
        if (found_row->offer.generation == 2) {
            assert_int_equal(
                kgr_generation_promote(end->node.db, &found_row->peer, &found_row->offer, NULL),
                KGR_OK);
            pair.state.current = found_row->offer;
        } else {
            pair.state.candidate = found_row->offer;
        }
    }
    pair.state.phase = KGR_EXCHANGE_WAITING;
    pair.state.highest = 3;
    assert_int_equal(kgr_pair_save(end->node.db, &pair, NULL), KGR_OK);
    kgr_node_close(&end->node);

    node_pair_start(true);
    for (uint64_t generation = 1; generation <= 3; generation++) {
        struct kgr_key key = node_pair_key(end, generation);
        struct kgr_peer peer;

        assert_int_equal(kgr_get_key(end->client, &key, &peer), KGR_OK);
        assert_true(peer.generation == generation);
        assert_int_equal(peer.may_send, generation == 2);
        assert_true(peer.may_receive);
    }
    check_listed(end, NULL);
    check_listed(end, node_pair_peer(end));
    node_pair_stop();

    /* As it was, for the tests that follow. */
    node_pair_open(end);
    assert_int_equal(kgr_db_exec(end->node.db,
                                 "DELETE FROM generations WHERE generation > 1;"
                                 "UPDATE generations SET place = 1",
                                 NULL),
                     KGR_OK);
    found_row->offer.generation = 1;
    pair.state.current = found_row->offer;
    pair.state.phase = KGR_EXCHANGE_IDLE;
    assert_int_equal(kgr_pair_save(end->node.db, &pair, NULL), KGR_OK);
    kgr_node_close(&end->node);
    free(found_row);
    node_pair_start(true);
}

/* set_lifetime changes that of the one key of a stopped end. */
static void set_lifetime(struct node_end *end, uint32_t lifetime_s)
{
    node_pair_open(end);
    found_row = calloc(1, sizeof(*found_row));
    assert_non_null(found_row);
    assert_int_equal(kgr_generation_each(end->node.db, find_row, NULL, NULL), KGR_OK);
    found_row->offer.lifetime_s = lifetime_s;
    assert_int_equal(kgr_generation_erase(end->node.db, &found_row->peer, KGR_RING_CURRENT, NULL),
                     KGR_OK);
    assert_int_equal(kgr_generation_insert(end->node.db, found_row, NULL), KGR_OK);
    free(found_row);
    kgr_node_close(&end->node);
}

/* restart_expired gives the key of both ends no lifetime, and end an overlap. */
static void restart_expired(struct node_end *end, uint32_t overlap_s)
{
    node_pair_stop();
    set_lifetime(&ends[0], 0);
    set_lifetime(end, 0);
    end->settings.overlap_s = overlap_s;
    node_pair_start(true);
}

/* ask_about_key is what doors do first: op key, of the latest generation. */
static enum kgr_error ask_about_key(struct node_end *end, struct kgr_peer *out)
{
    struct kgr_key key = {.generation = 0};

    (void)snprintf(key.peer, sizeof(key.peer), "%s", node_pair_peer(end));
    return kgr_get_key(end->client, &key, out);
}

static void key_past_its_lifetime_is_none(void **state)
{
    struct node_end *end = &ends[1];
    uint32_t overlap_s = end->settings.overlap_s;
    struct kgr_peer *peers = NULL;
    struct kgr_peer peer;
    uint8_t record[256];
    uint8_t sent[2][256];
    uint8_t plain[256] = {0x78};
    size_t sent_len[2];
    size_t num = 0;
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(kgr_seal(ends[0].client, node_pair_peer(&ends[0]), false, NULL, 0, plain,
                                  1, sent[i], sizeof(sent[i]), &sent_len[i]),
                         KGR_OK);
    /* What was under way when the key expired still opens; nothing is sent. */
    restart_expired(end, 3600);
    assert_int_equal(kgr_list_peers(end->client, &peers, &num), KGR_OK);
    assert_int_equal(peers[0].error, KGR_ERR_EXPIRED);
    assert_true(peers[0].may_receive && !peers[0].may_send);
    free(peers);
    assert_int_equal(kgr_open(end->client, node_pair_peer(end), false, NULL, 0, sent[0],
                              sent_len[0], plain, sizeof(plain), &len),
                     KGR_OK);
    /* That ends with the overlap. */
    restart_expired(end, 0);
    assert_int_equal(kgr_open(end->client, node_pair_peer(end), false, NULL, 0, sent[1],
                              sent_len[1], plain, sizeof(plain), &len),
                     KGR_ERR_EXPIRED);
    assert_int_equal(kgr_list_peers(end->client, &peers, &num), KGR_OK);
    assert_int_equal(peers[0].state, KGR_STATE_IDLE);
    assert_int_equal(peers[0].error, KGR_ERR_EXPIRED);
    assert_false(peers[0].may_send || peers[0].may_receive);
    free(peers);
    /* Using it asks for another; nobody answers here. */
    assert_int_equal(kgr_seal(end->client, node_pair_peer(end), false, NULL, 0, record, 1, record,
                              sizeof(record), &len),
                     KGR_ERR_EXPIRED);
    assert_int_equal(kgr_wait(end->client, node_pair_peer(end), 0, 50, &peer), KGR_ERR_TIMEOUT);
    assert_int_equal(peer.state, KGR_STATE_REQUESTING);
    assert_int_equal(kgr_request(end->client, node_pair_peer(end)), KGR_OK);
    assert_int_equal(ask_about_key(end, &peer), KGR_ERR_EXPIRED);
    /* So does asking about it, at the other end, where it still opens. */
    assert_int_equal(ask_about_key(&ends[0], &peer), KGR_OK);
    assert_true(peer.may_receive && !peer.may_send);
    assert_int_equal(kgr_wait(ends[0].client, node_pair_peer(&ends[0]), 0, 50, &peer),
                     KGR_ERR_TIMEOUT);
    assert_int_equal(peer.state, KGR_STATE_REQUESTING);
    assert_int_equal(kgr_request(ends[0].client, node_pair_peer(&ends[0])), KGR_OK);
    assert_int_equal(kgr_wait(ends[0].client, node_pair_peer(&ends[0]), 0, 50, &peer),
                     KGR_ERR_TIMEOUT);
    assert_int_equal(peer.state, KGR_STATE_REQUESTING);
    node_pair_stop();
    set_lifetime(&ends[0], NODE_PAIR_LIFETIME_S);
    set_lifetime(end, NODE_PAIR_LIFETIME_S);
    end->settings.overlap_s = overlap_s;
    node_pair_start(true);
    assert_int_equal(kgr_seal(end->client, node_pair_peer(end), false, NULL, 0, record, 1, record,
                              sizeof(record), &len),
                     KGR_OK);
}

static enum kgr_error seal_some(const struct node_end *end, size_t len)
{
    static uint8_t plain[4096];
    static uint8_t record[8192];
    size_t record_len = 0;

    return kgr_seal(end->client, node_pair_peer(end), false, NULL, 0, plain, len, record,
                    sizeof(record), &record_len);
}

/* What was spent stays spent over a restart, and stops every way to send; receiving goes on. */
static void spent_budget_stops_sending_only(void **state)
{
    struct node_end *end = &ends[0];
    struct kgr_key key = node_pair_key(end, 0);
    uint64_t budget = end->settings.budget;
    uint8_t plain[256] = {0};
    uint8_t record[256];
    uint8_t iv[KGR_IV_LEN] = {0};
    uint32_t id = 0;
    size_t len = 0;
    size_t plain_len = 0;

    (void)state;
    assert_int_equal(kgr_seal(ends[1].client, node_pair_peer(&ends[1]), false, NULL, 0, plain, 16,
                              record, sizeof(record), &len),
                     KGR_OK);
    node_pair_stop();
    node_pair_open(end);
    assert_int_equal(kgr_db_exec(end->node.db, "UPDATE generations SET blocks = 0", NULL), KGR_OK);
    kgr_node_close(&end->node);
    end->settings.budget = 100;
    node_pair_start(true);
    assert_int_equal(seal_some(end, 60 * 16), KGR_OK); /* 61 blocks */
    assert_int_equal(seal_some(end, 39 * 16), KGR_ERR_BUDGET);
    assert_int_equal(seal_some(end, 28 * 16), KGR_OK); /* 90 */
    node_pair_stop();
    node_pair_start(true);
    assert_int_equal(seal_some(end, 10 * 16), KGR_ERR_BUDGET);
    assert_int_equal(kgr_encrypt(end->client, &key, KGR_MODE_ECB, iv, plain, 48, plain), KGR_OK);
    assert_int_equal(kgr_mac(end->client, &key, plain, 64, record + 128, &plain_len), KGR_OK);
    assert_int_equal(kgr_mac_start(end->client, &key, &id), KGR_OK);
    assert_int_equal(kgr_mac_update(end->client, id, plain, 33), KGR_ERR_BUDGET);
    assert_int_equal(kgr_encrypt(end->client, &key, KGR_MODE_ECB, iv, plain, 48, plain),
                     KGR_ERR_BUDGET);
    assert_int_equal(kgr_open(end->client, node_pair_peer(end), false, NULL, 0, record, len, plain,
                              sizeof(plain), &plain_len),
                     KGR_OK);
    node_pair_stop();
    end->settings.budget = budget;
    node_pair_start(true);
    assert_int_equal(seal_some(end, 4096), KGR_OK);
}

static void strangers_asked_for_in_vain_make_room(void **state)
{
    char name[32];

    (void)state;
    /* Asked for, and nobody answers: they are under way, and so many may be. */
    for (int i = 0; i < KGR_PAIRS_UNNAMED_MAX; i++) {
        (void)snprintf(name, sizeof(name), "stranger-%d", i);
        assert_int_equal(kgr_request(ends[1].client, name), KGR_OK);
    }
    assert_int_equal(kgr_request(ends[1].client, "one-too-many"), KGR_ERR_QUOTA);
    node_pair_stop();
    /* As if the KS had refused them all. */
    node_pair_open(&ends[1]);
    for (int i = 0; i < KGR_PAIRS_UNNAMED_MAX; i++) {
        struct kgr_pair_row row = {.state = {.phase = KGR_EXCHANGE_FAILED}};

        (void)snprintf(name, sizeof(name), "stranger-%d", i);
        assert_int_equal(kgr_nid_set(&row.state.peer, name, strlen(name)), KGR_OK);
        row.state.error = KGR_ERR_NOT_AUTHORIZED;
        assert_int_equal(kgr_pair_save(ends[1].node.db, &row, NULL), KGR_OK);
    }
    kgr_node_close(&ends[1].node);
    node_pair_start(true);
    assert_int_equal(kgr_request(ends[1].client, "one-too-many"), KGR_OK);
    assert_int_equal(kgr_wait(ends[1].client, "stranger-1", 0, 100, NULL), KGR_ERR_UNKNOWN_PEER);
}

static void status_tells_of_the_node(void **state)
{
    struct kgr_status status;
    struct kgr_peer *peers = NULL;
    size_t num = 0;

    (void)state;
    assert_int_equal(kgr_get_status(ends[1].client, &status), KGR_OK);
    assert_string_equal(status.node, "node-b");
    assert_true(status.registered);
    assert_false(status.broker_connected);
    assert_true(status.tpm_resident);
    assert_int_equal(status.num_peers, 1);
    assert_int_equal(status.modes, 0x3e);
    assert_non_null(strstr(status.alarms, "broker"));
    assert_true(status.lease_s > 0);
    assert_int_equal(kgr_list_peers(ends[1].client, &peers, &num), KGR_OK);
    assert_int_equal(num, 1);
    assert_string_equal(peers[0].peer, "node-a");
    assert_true(peers[0].may_send && peers[0].may_receive);
    assert_int_equal(strlen(peers[0].receive_topic), KGR_TOPIC_TEXT_LEN);
    assert_in_range(peers[0].expires_s, NODE_PAIR_LIFETIME_S - 60, NODE_PAIR_LIFETIME_S);
    free(peers);
}

static void random_is_random(void **state)
{
    static uint8_t a[70000];
    static uint8_t b[70000];

    (void)state;
    assert_int_equal(kgr_get_random(ends[0].client, a, sizeof(a)), KGR_OK);
    assert_int_equal(kgr_get_random(ends[0].client, b, sizeof(b)), KGR_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + sizeof(a) - 16, b + sizeof(b) - 16, 16);
    assert_int_equal(kgr_add_random(ends[0].client, a, 4096), KGR_OK);
}

/* Bodies that libkgr would never send */

static int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", ends[0].socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static uint32_t raw_ask(int fd, uint16_t op, struct kgr_slice body)
{
    static uint8_t packet[KGR_IPC_PACKET_MAX];
    struct kgr_ipc_header header = {.op = op, .id = 1};
    struct kgr_slice reply;
    struct kgr_wr wr;
    ssize_t n;

    kgr_wr_init(&wr, packet, sizeof(packet));
    kgr_ipc_header_encode(&wr, &header);
    kgr_wr_bytes(&wr, body.p, body.len);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(send(fd, packet, wr.len, 0), wr.len);
    n = recv(fd, packet, sizeof(packet), 0);
    assert_true(n >= KGR_IPC_HEADER_LEN);
    assert_int_equal(kgr_ipc_header_decode(&header, &reply, kgr_slice(packet, (size_t)n)), KGR_OK);
    return header.status;
}

static void malformed_bodies_are_corrupt_and_the_connection_lives(void **state)
{
    static uint8_t junk[5000];
    uint8_t hello[64];
    struct kgr_ipc_hello m = {.lowest = 1, .highest = 1};
    struct kgr_wr wr;
    int fd = raw_connect();

    (void)state;
    memset(junk, 0xff, sizeof(junk));
    kgr_wr_init(&wr, hello, sizeof(hello));
    assert_int_equal(kgr_ipc_hello_encode(&wr, &m), KGR_OK);
    assert_int_equal(raw_ask(fd, KGR_IPC_HELLO, kgr_wr_slice(&wr)), KGR_OK);
    for (uint16_t op = KGR_IPC_STATUS; op < KGR_IPC_RANDOM; op++) {
        if (op != KGR_IPC_MAC_UPDATE) /* an id and any data */
            assert_int_equal(raw_ask(fd, op, kgr_slice(junk, 100)), KGR_ERR_CORRUPT);
        assert_int_equal(raw_ask(fd, op, kgr_slice(junk, 1)), KGR_ERR_CORRUPT);
    }
    assert_int_equal(raw_ask(fd, KGR_IPC_RANDOM, kgr_slice(junk, 3)), KGR_ERR_CORRUPT);
    assert_int_equal(raw_ask(fd, KGR_IPC_RANDOM, kgr_slice(junk, 4)), KGR_ERR_TOO_LARGE);
    assert_int_equal(raw_ask(fd, KGR_IPC_STIR, kgr_slice(junk, 4097)), KGR_ERR_TOO_LARGE);
    assert_int_equal(raw_ask(fd, 99, kgr_slice(NULL, 0)), KGR_ERR_UNSUPPORTED);
    assert_int_equal(raw_ask(fd, KGR_IPC_ORDER, kgr_slice(NULL, 0)), KGR_ERR_UNSUPPORTED);
    assert_int_equal(raw_ask(fd, KGR_IPC_STATUS, kgr_slice(NULL, 0)), KGR_OK);
    assert_int_equal(close(fd), 0);
}

static void streams_of_another_connection_cannot_be_named(void **state)
{
    struct kgr_ipc_hello m = {.lowest = 1, .highest = 1};
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint8_t body[64];
    struct kgr_wr wr;
    uint32_t id = 0;
    int fd = raw_connect();

    (void)state;
    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_hello_encode(&wr, &m), KGR_OK);
    assert_int_equal(raw_ask(fd, KGR_IPC_HELLO, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_OK);
    for (uint32_t guess = 0; guess < 20; guess++) {
        kgr_wr_init(&wr, body, sizeof(body));
        assert_int_equal(kgr_ipc_u32_encode(&wr, guess), KGR_OK);
        assert_int_equal(raw_ask(fd, KGR_IPC_MAC_FINAL, kgr_wr_slice(&wr)), KGR_ERR_STATE);
    }
    kgr_mac_abort(ends[0].client, id);
    assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_pair_setup, node_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(handles_name_peers),
        TEST(unknown_names_have_errors_of_their_own),
        TEST(wait_ends_by_readiness_or_time),
        TEST(random_is_random),
        TEST(malformed_bodies_are_corrupt_and_the_connection_lives),
        TEST(streams_of_another_connection_cannot_be_named),
        TEST(status_tells_of_the_node),
        TEST(request_of_an_unknown_peer_is_asked_for),
        TEST(keys_of_all_three_places_survive_a_restart),
        TEST(key_past_its_lifetime_is_none),
        TEST(spent_budget_stops_sending_only),
        TEST(strangers_asked_for_in_vain_make_room),
    };

    return cmocka_run_group_tests(tests, node_pair_group_setup, node_pair_group_teardown);
}
