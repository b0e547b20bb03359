/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wire/ipc_status.h"
#include "tests/unit/scripted_agent.h"

static struct kgr_ipc_peer peer_entry(const char *name, enum kgr_pair_state state)
{
    static const char topic[] = "kgr/0123456789012345678901234567890123456789012";
    struct kgr_ipc_peer peer = {
        .generation = 5,
        .state = (uint8_t)state,
        .custody = KGR_CUSTODY_RESIDENT,
        .suite = KGR_SUITE_AES_256_CBC_HMAC_SHA384,
        .may_send = true,
        .age_s = 10,
        .expires_s = KGR_IPC_NONE_S,
        .iv = {1, 2, 3},
        .receive_topic = kgr_slice(topic, KGR_TOPIC_TEXT_LEN),
        .reason = kgr_slice("why\033", 4),
    };

    assert_int_equal(kgr_nid_set(&peer.peer, name, strlen(name)), KGR_OK);
    return peer;
}

static void will_reply_peer(struct fixture *f, enum kgr_error status,
                            const struct kgr_ipc_peer *peer)
{
    uint8_t body[KGR_IPC_PEER_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_ipc_peer_write(&wr, peer);
    assert_true(kgr_wr_ok(&wr));
    will_reply(f, status, body, wr.len);
}

static void new_bad_options_are_invalid(void **state)
{
    struct kgr_client *client = NULL;
    struct kgr_client_options options = {.timeout_ms = -1};
    char path[200];

    (void)state;
    assert_int_equal(kgr_client_new(&client, &options), KGR_ERR_INVALID);
    options.timeout_ms = 0;
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    options.socket = path;
    assert_int_equal(kgr_client_new(&client, &options), KGR_ERR_INVALID);
    options.socket = "/run/x";
    options.name = path;
    assert_int_equal(kgr_client_new(&client, &options), KGR_ERR_INVALID);
    assert_null(client);
    kgr_client_free(NULL);
}

static void new_takes_the_socket_of_the_environment(void **state)
{
    struct fixture *f = *state;
    struct kgr_client *client = NULL;

    assert_int_equal(setenv("KGR_AGENT", f->agent.path, 1), 0);
    assert_int_equal(kgr_client_new(&client, NULL), KGR_OK);
    assert_int_equal(unsetenv("KGR_AGENT"), 0);
    will_reply(f, KGR_OK, NULL, 0);
    assert_int_equal(kgr_request(client, "N2"), KGR_OK);
    assert_string_equal(f->agent.name, "libkgr");
    kgr_client_free(client);
}

static void call_refused_gives_status_and_reason(void **state)
{
    struct fixture *f = *state;

    will_refuse(f, KGR_ERR_NOT_AUTHORIZED, "not authorised by the AC");
    assert_int_equal(kgr_request(f->client, "N2"), KGR_ERR_NOT_AUTHORIZED);
    assert_reason("not authorised by the AC");
    forget(f);
    will_refuse(f, (enum kgr_error)999, "a later idea");
    assert_int_equal(kgr_request(f->client, "N2"), KGR_ERR_FAILED);
    assert_reason("a later idea");
    assert_string_equal(f->agent.name, "test");
}

static void call_wrong_names_do_not_reach_the_agent(void **state)
{
    static const char *const names[] = {"", "a b", "a/b", "\xc3\xa4"};
    struct fixture *f = *state;
    struct kgr_key unterminated;
    struct kgr_peer peer;
    char longer[KGR_PEER_MAX + 2];

    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    memset(&unterminated, 'a', sizeof(unterminated));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(kgr_request(f->client, names[i]), KGR_ERR_INVALID);
    assert_int_equal(kgr_request(f->client, longer), KGR_ERR_INVALID);
    assert_int_equal(kgr_request(f->client, NULL), KGR_ERR_INVALID);
    assert_int_equal(kgr_request(NULL, "N2"), KGR_ERR_INVALID);
    assert_int_equal(kgr_get_key(f->client, &unterminated, &peer), KGR_ERR_INVALID);
    assert_int_equal(kgr_get_key(f->client, NULL, &peer), KGR_ERR_INVALID);
    assert_int_equal(fake_agent_num_conns(&f->agent), 0);
}

static void uri_round_trip_and_limits(void **state)
{
    struct kgr_key read = {.generation = 1};
    char uri[112];

    (void)state;
    assert_int_equal(kgr_key_to_uri(uri, sizeof(uri), &key), KGR_OK);
    assert_string_equal(uri, "kgr:peer=N2;generation=9");
    assert_int_equal(kgr_key_from_uri(&read, uri), KGR_OK);
    assert_string_equal(read.peer, "N2");
    assert_int_equal(read.generation, 9);
    assert_int_equal(kgr_key_to_uri(uri, strlen(uri), &key), KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_key_to_uri(uri, strlen(uri) + 1, &key), KGR_OK);
    assert_int_equal(kgr_key_from_uri(&read, "kgr:N2"), KGR_ERR_INVALID);
    assert_int_equal(kgr_key_from_uri(&read, NULL), KGR_ERR_INVALID);
    assert_int_equal(read.generation, 9);
}

static void get_status_copies_every_field(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_status in = {
        .registered = true,
        .resident = true,
        .node = kgr_slice("N1", 2),
        .version = kgr_slice("1.2.3", 5),
        .broker = kgr_slice("host:1883", 9),
        .ks_answer_age_s = 4,
        .lease_s = KGR_IPC_NONE_S,
        .epoch = 6,
        .num_peers = 7,
        .tpm = kgr_slice("IBM SW", 6),
        .modes = 1u << KGR_MODE_CBC,
        .frames_refused = 8,
        .alarms = kgr_slice("one\ntwo\a", 8),
    };
    struct kgr_status out;
    uint8_t body[256];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    assert_int_equal(kgr_ipc_status_encode(&wr, &in), KGR_OK);
    will_reply(f, KGR_OK, body, wr.len);
    assert_int_equal(kgr_get_status(f->client, &out), KGR_OK);
    assert_int_equal(asked(f, 0, KGR_IPC_STATUS).len, 0);
    assert_true(out.registered);
    assert_false(out.broker_connected);
    assert_true(out.tpm_resident);
    assert_string_equal(out.node, "N1");
    assert_string_equal(out.version, "1.2.3");
    assert_string_equal(out.broker, "host:1883");
    assert_int_equal(out.ks_answer_age_s, 4);
    assert_int_equal(out.lease_s, -1);
    assert_int_equal(out.epoch, 6);
    assert_int_equal(out.num_peers, 7);
    assert_string_equal(out.tpm, "IBM SW");
    assert_int_equal(out.modes, 1u << KGR_MODE_CBC);
    assert_int_equal(out.frames_refused, 8);
    assert_string_equal(out.alarms, "one\ntwo?");
}

static void will_reply_page(struct fixture *f, uint32_t total, const char *const *names, size_t num)
{
    static uint8_t body[4096];
    struct kgr_ipc_peers_head head = {.total = total, .num = (uint16_t)num};
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_ipc_peers_head_write(&wr, &head);
    for (size_t i = 0; i < num; i++) {
        struct kgr_ipc_peer entry = peer_entry(names[i], KGR_STATE_READY);

        kgr_ipc_peer_write(&wr, &entry);
    }
    assert_true(kgr_wr_ok(&wr));
    will_reply(f, KGR_OK, body, wr.len);
}

static void list_peers_reads_page_after_page(void **state)
{
    static const char *const names[] = {"N2", "N3", "N4"};
    struct fixture *f = *state;
    struct kgr_peer *peers = NULL;
    uint32_t offset = 0;
    size_t num = 0;

    will_reply_page(f, 3, names, 2);
    will_reply_page(f, 3, names + 2, 1);
    assert_int_equal(kgr_list_peers(f->client, &peers, &num), KGR_OK);
    assert_int_equal(num, 3);
    for (size_t i = 0; i < num; i++)
        assert_string_equal(peers[i].peer, names[i]);
    assert_int_equal(f->num_asked, 2);
    assert_int_equal(kgr_ipc_u32_decode(&offset, asked(f, 1, KGR_IPC_PEERS)), KGR_OK);
    assert_int_equal(offset, 2);
    free(peers);
}

static void list_peers_none_or_fewer_than_said_ends(void **state)
{
    static const char *const names[] = {"N2"};
    struct fixture *f = *state;
    struct kgr_peer *peers = NULL;
    size_t num = 99;

    will_reply_page(f, 0, NULL, 0);
    assert_int_equal(kgr_list_peers(f->client, &peers, &num), KGR_OK);
    assert_int_equal(num, 0);
    free(peers);
    forget(f);
    will_reply_page(f, 5, names, 1);
    will_reply_page(f, 5, NULL, 0);
    assert_int_equal(kgr_list_peers(f->client, &peers, &num), KGR_OK);
    assert_int_equal(num, 1);
    free(peers);
}

static void list_peers_endless_or_truncated_is_corrupt(void **state)
{
    static const uint8_t truncated[] = {0, 0, 0, 1, 0, 1, 2, 'N'};
    static const char *const names[] = {"N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9"};
    struct fixture *f = *state;
    struct kgr_peer *peers = NULL;
    size_t num = 7;

    will_reply(f, KGR_OK, truncated, sizeof(truncated));
    assert_int_equal(kgr_list_peers(f->client, &peers, &num), KGR_ERR_CORRUPT);
    forget(f);
    /* The same page over and over, and always more to come. */
    will_reply_page(f, UINT32_MAX, names, 8);
    assert_int_equal(kgr_list_peers(f->client, &peers, &num), KGR_ERR_CORRUPT);
    assert_null(peers);
    assert_int_equal(num, 7);
}

static void list_keys_names_the_peer_and_reads_on(void **state)
{
    static const char *const names[] = {"N2", "N2", "N2"};
    struct fixture *f = *state;
    struct kgr_peer *keys = NULL;
    struct kgr_ipc_keys request;
    size_t num = 0;

    will_reply_page(f, 3, names, 2);
    will_reply_page(f, 3, names, 1);
    assert_int_equal(kgr_list_keys(f->client, "N2", &keys, &num), KGR_OK);
    assert_int_equal(num, 3);
    assert_int_equal(kgr_ipc_keys_decode(&request, asked(f, 1, KGR_IPC_KEYS)), KGR_OK);
    assert_int_equal(request.offset, 2);
    assert_int_equal(request.peer.len, 2);
    free(keys);
    forget(f);
    will_reply_page(f, 0, NULL, 0);
    assert_int_equal(kgr_list_keys(f->client, NULL, &keys, &num), KGR_OK);
    assert_int_equal(num, 0);
    assert_int_equal(kgr_ipc_keys_decode(&request, asked(f, 0, KGR_IPC_KEYS)), KGR_OK);
    assert_int_equal(request.peer.len, 0);
    free(keys);
    assert_int_equal(kgr_list_keys(f->client, "no name", &keys, &num), KGR_ERR_INVALID);
}

static void get_key_copies_every_field(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_peer entry = peer_entry("N2", KGR_STATE_RENEWING);
    struct kgr_ipc_key request;
    struct kgr_peer out;

    entry.error = KGR_ERR_BROKER;
    will_reply_peer(f, KGR_OK, &entry);
    assert_int_equal(kgr_get_key(f->client, &key, &out), KGR_OK);
    assert_int_equal(kgr_ipc_key_decode(&request, asked(f, 0, KGR_IPC_KEY)), KGR_OK);
    assert_string_equal(request.peer.s, "N2");
    assert_int_equal(request.generation, 9);
    assert_string_equal(out.peer, "N2");
    assert_int_equal(out.generation, 5);
    assert_int_equal(out.state, KGR_STATE_RENEWING);
    assert_int_equal(out.custody, KGR_CUSTODY_RESIDENT);
    assert_int_equal(out.suite, KGR_SUITE_AES_256_CBC_HMAC_SHA384);
    assert_true(out.may_send);
    assert_false(out.may_receive);
    assert_int_equal(out.age_s, 10);
    assert_int_equal(out.expires_s, -1);
    assert_int_equal(out.iv[2], 3);
    assert_int_equal(strlen(out.receive_topic), KGR_TOPIC_MAX);
    assert_string_equal(out.send_topic, "");
    assert_int_equal(out.error, KGR_ERR_BROKER);
    assert_string_equal(out.reason, "why?");
}

static void handle_wrong_lengths_are_refused(void **state)
{
    static const uint8_t handle_bytes[32] = {0x4b, 0x47};
    struct fixture *f = *state;
    struct kgr_ipc_handle request;
    uint8_t out[64];

    assert_int_equal(kgr_make_handle(f->client, "N2", out, 15), KGR_ERR_INVALID);
    assert_int_equal(kgr_make_handle(f->client, "N2", out, 65), KGR_ERR_INVALID);
    will_reply(f, KGR_OK, handle_bytes, 32);
    assert_int_equal(kgr_make_handle(f->client, "N2", out, 32), KGR_OK);
    assert_memory_equal(out, handle_bytes, 32);
    assert_int_equal(kgr_ipc_handle_decode(&request, asked(f, 0, KGR_IPC_HANDLE)), KGR_OK);
    assert_int_equal(request.key_len, 32);
    assert_int_equal(kgr_make_handle(f->client, "N2", out, 16), KGR_ERR_CORRUPT);
}

static void resolve_handle_gives_the_peer(void **state)
{
    static const uint8_t nid[] = {2, 'N', '2'};
    struct kgr_key out = {.generation = 3};
    struct fixture *f = *state;
    uint8_t bytes[65] = {7};
    struct kgr_slice sent;

    assert_int_equal(kgr_resolve_handle(f->client, bytes, 15, &out), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_resolve_handle(f->client, bytes, 65, &out), KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(f->num_asked, 0);
    will_reply(f, KGR_OK, nid, sizeof(nid));
    assert_int_equal(kgr_resolve_handle(f->client, bytes, 16, &out), KGR_OK);
    assert_string_equal(out.peer, "N2");
    assert_int_equal(out.generation, 0);
    assert_int_equal(kgr_ipc_resolve_decode(&sent, asked(f, 0, KGR_IPC_RESOLVE)), KGR_OK);
    assert_int_equal(sent.len, 16);
}

static void wait_outcomes_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_peer entry = peer_entry("N2", KGR_STATE_READY);
    struct kgr_ipc_wait request;
    struct kgr_peer out;

    will_reply_peer(f, KGR_OK, &entry);
    assert_int_equal(kgr_wait(f->client, "N2", 4, 2500, &out), KGR_OK);
    assert_int_equal(kgr_ipc_wait_decode(&request, asked(f, 0, KGR_IPC_WAIT)), KGR_OK);
    assert_int_equal(request.generation, 4);
    assert_int_equal(request.timeout_ms, 2500);
    assert_int_equal(kgr_wait(f->client, "N2", 4, 0, NULL), KGR_OK);
    assert_int_equal(kgr_wait(f->client, "N2", 4, -1, NULL), KGR_ERR_INVALID);

    forget(f);
    entry.state = KGR_STATE_WAITING;
    will_reply_peer(f, KGR_ERR_TIMEOUT, &entry);
    memset(&out, 0, sizeof(out));
    assert_int_equal(kgr_wait(f->client, "N2", 1, 0, &out), KGR_ERR_TIMEOUT);
    assert_int_equal(out.state, KGR_STATE_WAITING);
    assert_reason("the pair is still waiting");

    forget(f);
    entry.state = KGR_STATE_FAILED;
    entry.error = KGR_ERR_NOT_AUTHORIZED;
    will_reply_peer(f, KGR_OK, &entry);
    assert_int_equal(kgr_wait(f->client, "N2", 1, 0, &out), KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(out.state, KGR_STATE_FAILED);
    assert_reason("why?");

    forget(f);
    entry.state = KGR_STATE_REVOKED;
    entry.error = KGR_OK;
    will_reply_peer(f, KGR_OK, &entry);
    assert_int_equal(kgr_wait(f->client, "N2", 1, 0, &out), KGR_ERR_REVOKED);

    forget(f);
    will_refuse(f, KGR_ERR_UNKNOWN_PEER, "no peer N2");
    assert_int_equal(kgr_wait(f->client, "N2", 1, 0, &out), KGR_ERR_UNKNOWN_PEER);
    assert_reason("no peer N2");
}

static void rekey_asks_and_waits(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_rekey request;

    assert_int_equal(kgr_rekey(f->client, 2, 0), KGR_ERR_INVALID);
    assert_int_equal(kgr_rekey(f->client, 0, -1), KGR_ERR_INVALID);
    assert_int_equal(f->num_asked, 0);
    will_reply(f, KGR_OK, NULL, 0);
    assert_int_equal(kgr_rekey(f->client, KGR_REKEY_STORAGE_KEY, 2500), KGR_OK);
    assert_int_equal(kgr_ipc_rekey_decode(&request, asked(f, 0, KGR_IPC_REKEY)), KGR_OK);
    assert_true(request.storage);
    assert_int_equal(request.timeout_ms, 2500);
    forget(f);
    will_refuse(f, KGR_ERR_TIMEOUT, "not done yet");
    assert_int_equal(kgr_rekey(f->client, 0, 1), KGR_ERR_TIMEOUT);
    assert_reason("not done yet");
}

static void names_are_the_words_of_the_documents(void **state)
{
    (void)state;
    assert_string_equal(kgr_state_name(KGR_STATE_REQUESTING), "requesting");
    assert_string_equal(kgr_state_name((enum kgr_pair_state)99), "unknown");
    assert_string_equal(kgr_custody_name(KGR_CUSTODY_SEALED), "sealed");
    assert_string_equal(kgr_custody_name((enum kgr_custody)99), "unknown");
    assert_string_equal(kgr_suite_name(KGR_SUITE_AES_128_CBC_HMAC_SHA256),
                        "AES-128-CBC-HMAC-SHA256");
    assert_string_equal(kgr_suite_name((enum kgr_suite_id)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_bad_options_are_invalid),
        CLIENT_TEST(new_takes_the_socket_of_the_environment),
        CLIENT_TEST(call_refused_gives_status_and_reason),
        CLIENT_TEST(call_wrong_names_do_not_reach_the_agent),
        cmocka_unit_test(uri_round_trip_and_limits),
        CLIENT_TEST(get_status_copies_every_field),
        CLIENT_TEST(list_peers_reads_page_after_page),
        CLIENT_TEST(list_peers_none_or_fewer_than_said_ends),
        CLIENT_TEST(list_peers_endless_or_truncated_is_corrupt),
        CLIENT_TEST(list_keys_names_the_peer_and_reads_on),
        CLIENT_TEST(get_key_copies_every_field),
        CLIENT_TEST(handle_wrong_lengths_are_refused),
        CLIENT_TEST(resolve_handle_gives_the_peer),
        CLIENT_TEST(wait_outcomes_are_told_apart),
        CLIENT_TEST(rekey_asks_and_waits),
        cmocka_unit_test(names_are_the_words_of_the_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
