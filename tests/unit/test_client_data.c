/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wire/ipc.h"
#include "tests/unit/scripted_agent.h"

/* The functions of libkgr that carry data: ciphers, MACs, records, random bytes. */

static void encrypt_in_place_continues_the_iv(void **state)
{
    struct fixture *f = *state;
    struct kgr_ipc_cipher request;
    uint8_t iv[KGR_BLOCK_LEN] = {1};
    uint8_t data[32] = {2};
    uint8_t reply[48];

    memset(reply, 0xaa, 16);
    memset(reply + 16, 0xbb, 32);
    will_reply(f, KGR_OK, reply, sizeof(reply));
    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CBC, iv, data, 32, data), KGR_OK);
    assert_memory_equal(iv, reply, 16);
    assert_memory_equal(data, reply + 16, 32);
    assert_int_equal(kgr_ipc_cipher_decode(&request, asked(f, 0, KGR_IPC_CIPHER)), KGR_OK);
    assert_int_equal(request.direction, 1);
    assert_int_equal(request.mode, KGR_MODE_CBC);
    assert_int_equal(request.iv[0], 1);
    assert_int_equal(request.data.p[0], 2);
    assert_int_equal(kgr_decrypt(f->client, &key, KGR_MODE_ECB, NULL, data, 32, data), KGR_OK);
    assert_int_equal(kgr_ipc_cipher_decode(&request, asked(f, 1, KGR_IPC_CIPHER)), KGR_OK);
    assert_int_equal(request.direction, 2);
}

static void encrypt_wrong_arguments_leave_outputs_alone(void **state)
{
    struct fixture *f = *state;
    static uint8_t in[KGR_DATA_MAX + 16];
    uint8_t iv[KGR_BLOCK_LEN] = {1};
    uint8_t out[32] = {7};
    static const uint8_t reply[40];

    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CBC, NULL, in, 16, out),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CBC, iv, in, 17, out), KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CBC, iv, NULL, 16, out),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(f->client, &key, (enum kgr_mode)6, iv, in, 16, out),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(f->client, &key, (enum kgr_mode)0, iv, in, 16, out),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CTR, iv, in, sizeof(in), out),
                     KGR_ERR_TOO_LARGE);
    assert_int_equal(f->num_asked, 0);
    /* A reply that is shorter than what was asked. */
    will_reply(f, KGR_OK, reply, sizeof(reply));
    assert_int_equal(kgr_encrypt(f->client, &key, KGR_MODE_CTR, iv, in, 31, out), KGR_ERR_CORRUPT);
    assert_int_equal(iv[0], 1);
    assert_int_equal(out[0], 7);
}

static void mac_wrong_length_is_corrupt(void **state)
{
    struct fixture *f = *state;
    static const uint8_t mac[48] = {5};
    uint8_t out[KGR_MAC_MAX];
    size_t len = 0;

    will_reply(f, KGR_OK, mac, 48);
    assert_int_equal(kgr_mac(f->client, &key, NULL, 0, out, &len), KGR_OK);
    assert_int_equal(len, 48);
    forget(f);
    will_reply(f, KGR_OK, mac, 47);
    assert_int_equal(kgr_mac(f->client, &key, NULL, 0, out, &len), KGR_ERR_CORRUPT);
}

static void mac_stream_travels_under_the_agents_number(void **state)
{
    struct fixture *f = *state;
    static const uint8_t remote[4] = {0, 0, 0, 77};
    static const uint8_t mac[32] = {5};
    struct kgr_ipc_mac_update update;
    uint8_t out[KGR_MAC_MAX];
    uint32_t number = 0;
    uint32_t id = 0;
    size_t len = 0;

    will_reply(f, KGR_OK, remote, 4);
    will_reply(f, KGR_OK, NULL, 0);
    will_reply(f, KGR_OK, mac, 32);
    assert_int_equal(kgr_mac_start(f->client, &key, &id), KGR_OK);
    assert_int_equal(kgr_mac_update(f->client, id, mac, 3), KGR_OK);
    assert_int_equal(kgr_ipc_mac_update_decode(&update, asked(f, 1, KGR_IPC_MAC_UPDATE)), KGR_OK);
    assert_int_equal(update.id, 77);
    assert_int_equal(update.data.len, 3);
    assert_int_equal(kgr_mac_final(f->client, id, out, &len), KGR_OK);
    assert_int_equal(kgr_ipc_u32_decode(&number, asked(f, 2, KGR_IPC_MAC_FINAL)), KGR_OK);
    assert_int_equal(number, 77);
    assert_memory_equal(out, mac, 32);
    assert_int_equal(kgr_mac_update(f->client, id, mac, 3), KGR_ERR_STATE);
    assert_int_equal(kgr_mac_final(f->client, id, out, &len), KGR_ERR_STATE);
    kgr_mac_abort(f->client, id);
    assert_int_equal(f->num_asked, 3);
}

/* The next agent uses the same number for another's MAC: it must not be taken for ours. */
static void mac_stream_does_not_survive_its_connection(void **state)
{
    struct fixture *f = *state;
    static const uint8_t remote[4] = {0, 0, 0, 1};
    uint32_t old_id = 0;
    uint32_t new_id = 0;

    will_reply(f, KGR_OK, remote, 4);
    assert_int_equal(kgr_mac_start(f->client, &key, &old_id), KGR_OK);
    fake_agent_stop(&f->agent);
    fake_agent_start(&f->agent);
    assert_int_equal(kgr_mac_start(f->client, &key, &new_id), KGR_OK);
    assert_int_not_equal(old_id, new_id);
    assert_int_equal(f->num_asked, 2);
    assert_int_equal(kgr_mac_update(f->client, old_id, remote, 1), KGR_ERR_STATE);
    assert_int_equal(f->num_asked, 2);
    forget(f);
    will_reply(f, KGR_OK, NULL, 0);
    assert_int_equal(kgr_mac_update(f->client, new_id, remote, 1), KGR_OK);
    kgr_mac_abort(f->client, new_id);
    assert_int_equal(asked(f, 1, KGR_IPC_MAC_ABORT).len, 4);
}

static void seal_and_open_carry_their_arguments(void **state)
{
    struct fixture *f = *state;
    static const uint8_t record[100] = {9};
    static const uint8_t aad[] = "aad";
    struct kgr_ipc_seal request;
    uint8_t out[200];
    size_t len = 0;

    will_reply(f, KGR_OK, record, 100);
    assert_int_equal(kgr_seal(f->client, "N2", true, aad, 3, (const uint8_t *)"hello", 5, out,
                              5 + KGR_RECORD_OVERHEAD, &len),
                     KGR_OK);
    assert_int_equal(len, 100);
    assert_memory_equal(out, record, 100);
    assert_int_equal(kgr_ipc_seal_decode(&request, asked(f, 0, KGR_IPC_SEAL)), KGR_OK);
    assert_true(request.stored);
    assert_int_equal(request.aad.len, 3);
    assert_memory_equal(request.data.p, "hello", 5);
    forget(f);
    will_reply(f, KGR_OK, "hello", 5);
    assert_int_equal(kgr_open(f->client, "N2", false, NULL, 0, record, 100, out, sizeof(out), &len),
                     KGR_OK);
    assert_int_equal(len, 5);
    assert_int_equal(kgr_ipc_seal_decode(&request, asked(f, 0, KGR_IPC_OPEN)), KGR_OK);
    assert_false(request.stored);
    assert_int_equal(request.data.len, 100);
}

static void seal_and_open_limits_are_found_before_the_agent(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[KGR_DATA_MAX + KGR_RECORD_OVERHEAD + 1];
    uint8_t out[200];
    size_t len = 0;

    assert_int_equal(
        kgr_seal(f->client, "N2", false, NULL, 0, large, 5, out, 4 + KGR_RECORD_OVERHEAD, &len),
        KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_open(f->client, "N2", false, NULL, 0, large, 100, out, 99, &len),
                     KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_seal(f->client, "N2", false, NULL, 0, large, KGR_DATA_MAX + 1, large,
                              sizeof(large), &len),
                     KGR_ERR_TOO_LARGE);
    assert_int_equal(
        kgr_open(f->client, "N2", false, NULL, 0, large, sizeof(large), large, sizeof(large), &len),
        KGR_ERR_TOO_LARGE);
    assert_int_equal(
        kgr_seal(f->client, "N2", false, large, KGR_AAD_MAX + 1, large, 5, out, sizeof(out), &len),
        KGR_ERR_TOO_LARGE);
    assert_int_equal(f->num_asked, 0);
    /* More than fits: no honest agent answers so. */
    will_reply(f, KGR_OK, large, 101);
    assert_int_equal(kgr_open(f->client, "N2", false, NULL, 0, large, 100, out, 100, &len),
                     KGR_ERR_CORRUPT);
    assert_int_equal(len, 0);
}

static void seal_largest_fits_a_packet(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[KGR_DATA_MAX + KGR_RECORD_OVERHEAD];
    static uint8_t aad[KGR_AAD_MAX];
    char peer[KGR_PEER_MAX + 1];
    size_t len = 0;

    memset(peer, 'p', KGR_PEER_MAX);
    peer[KGR_PEER_MAX] = '\0';
    will_reply(f, KGR_OK, large, sizeof(large));
    assert_int_equal(kgr_seal(f->client, peer, false, aad, sizeof(aad), large, KGR_DATA_MAX, large,
                              sizeof(large), &len),
                     KGR_OK);
    assert_int_equal(len, sizeof(large));
    assert_int_equal(kgr_open(f->client, peer, false, aad, sizeof(aad), large, sizeof(large), large,
                              sizeof(large), &len),
                     KGR_OK);
}

static void get_random_loops_over_chunks(void **state)
{
    struct fixture *f = *state;
    static uint8_t chunk[2048];
    static uint8_t out[2 * sizeof(chunk) + 100];

    memset(chunk, 0x11, sizeof(chunk));
    will_reply(f, KGR_OK, chunk, sizeof(chunk));
    will_reply(f, KGR_OK, chunk, sizeof(chunk));
    will_reply(f, KGR_OK, chunk, 100);
    assert_int_equal(kgr_get_random(f->client, out, sizeof(out)), KGR_OK);
    assert_int_equal(f->num_asked, 3);
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0x11);
    /* Fewer bytes than asked for are no random bytes. */
    assert_int_equal(kgr_get_random(f->client, out, 101), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_get_random(f->client, NULL, 0), KGR_OK);
}

static void add_random_loops_over_chunks(void **state)
{
    struct fixture *f = *state;
    static uint8_t seed[KGR_IPC_STIR_MAX + 1];

    will_reply(f, KGR_OK, NULL, 0);
    assert_int_equal(kgr_add_random(f->client, seed, sizeof(seed)), KGR_OK);
    assert_int_equal(asked(f, 0, KGR_IPC_STIR).len, KGR_IPC_STIR_MAX);
    assert_int_equal(asked(f, 1, KGR_IPC_STIR).len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(encrypt_in_place_continues_the_iv),
        CLIENT_TEST(encrypt_wrong_arguments_leave_outputs_alone),
        CLIENT_TEST(mac_wrong_length_is_corrupt),
        CLIENT_TEST(mac_stream_travels_under_the_agents_number),
        CLIENT_TEST(mac_stream_does_not_survive_its_connection),
        CLIENT_TEST(seal_and_open_carry_their_arguments),
        CLIENT_TEST(seal_and_open_limits_are_found_before_the_agent),
        CLIENT_TEST(seal_largest_fits_a_packet),
        CLIENT_TEST(get_random_loops_over_chunks),
        CLIENT_TEST(add_random_loops_over_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
