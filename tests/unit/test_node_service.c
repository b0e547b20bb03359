/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service.h"

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/daemon/loop.h"
#include "agent/node/commands.h"
#include "agent/node/enrol.h"
#include "agent/node/node.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/ipc.h"
#include "agent/wire/record.h"
#include "tests/support/swtpm.h"

#include <kgr/client.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * Two nodes with a TPM each and one generation of keys between them, born in the first TPM and duplicated as
 * the KS does it; no KS and no broker. Asked through libkgr, as applications do.
 */
#define LIFETIME_S 3600u
#define TIMEOUT_MS 5000

struct end {
    struct swtpm swtpm;
    char state[96];
    char socket[96];
    struct kgr_settings settings;
    struct kgr_node node;
    struct kgr_nid nid;
    pthread_t thread;
    bool running;
    struct kgr_client *client;
};

static char folder[64];
static struct end ends[2];

static const char *peer_of(const struct end *end)
{
    return end == &ends[0] ? ends[1].nid.s : ends[0].nid.s;
}

/* Making the two states */

static void write_identity(struct end *end)
{
    struct kgr_node *node = &end->node;
    struct kgr_registration_state registered = {.phase = KGR_REGISTRATION_REGISTERED};
    uint8_t topic[KGR_TOPIC_LEN];

    kgr_random(topic, sizeof(topic));
    assert_int_equal(
        kgr_meta_set(node->db, KGR_META_NODE, kgr_slice(end->nid.s, strlen(end->nid.s)), NULL),
        KGR_OK);
    assert_int_equal(kgr_meta_set(node->db, KGR_META_TOPIC2, kgr_slice(topic, sizeof(topic)), NULL),
                     KGR_OK);
    assert_int_equal(kgr_meta_set(node->db, KGR_META_KS_PUBLIC, kgr_slice("ks", 2), NULL), KGR_OK);
    assert_int_equal(kgr_meta_set(node->db, KGR_META_BROKER_HOST, kgr_slice("127.0.0.1", 9), NULL),
                     KGR_OK);
    assert_int_equal(kgr_meta_set_u64(node->db, KGR_META_BROKER_PORT, 1, NULL), KGR_OK);
    assert_int_equal(kgr_enrol_save_state(node, &registered, NULL), KGR_OK);
}

static void import(struct end *end, struct kgr_tpm_blob *out, const struct kgr_tpm_newborn *born,
                   size_t target, enum kgr_tpm_kind kind, const struct kgr_tpm_auth *auth)
{
    struct kgr_tpm_import in = {
        .parent = &end->node.anchor.storage,
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .pub = &born->pub,
        .duplicate = &born->duplicates[target],
        .auth = auth,
    };

    assert_int_equal(kgr_tpm_import(end->node.tpm, out, &in, NULL), KGR_OK);
}

static void write_pair(struct end *end, const struct kgr_tpm_newborn *enc,
                       const struct kgr_tpm_newborn *mac)
{
    size_t target = end == &ends[0] ? 0 : 1;
    struct kgr_generation_row *row = calloc(1, sizeof(*row));
    struct kgr_pair_row pair = {.status = KGR_PAIR_ALLOWED};
    struct kgr_tpm_auth *auth_enc;
    struct kgr_tpm_auth *auth_mac;

    assert_non_null(row);
    row->peer = target == 0 ? ends[1].nid : ends[0].nid;
    row->place = KGR_RING_CURRENT;
    row->offer = (struct kgr_exchange_offer){
        .generation = 1,
        .lifetime_s = LIFETIME_S,
        .suite = KGR_SUITE_AES128_SHA256,
        .custody = 1,
    };
    memset(row->offer.topic_own, target == 0 ? 3 : 4, KGR_TOPIC_LEN);
    memset(row->offer.topic_peer, target == 0 ? 4 : 3, KGR_TOPIC_LEN);
    assert_int_equal(kgr_pair_auths(&end->node.anchor, &row->peer, 1, &auth_enc, &auth_mac),
                     KGR_OK);
    import(end, &row->blobs.enc, enc, target, KGR_TPM_ENC, auth_enc);
    import(end, &row->blobs.mac, mac, target, KGR_TPM_MAC, auth_mac);
    pair.state.self = end->nid;
    pair.state.peer = row->peer;
    pair.state.current = row->offer;
    pair.state.highest = 1;
    assert_int_equal(kgr_pair_save(end->node.db, &pair, NULL), KGR_OK);
    assert_int_equal(kgr_generation_insert(end->node.db, row, NULL), KGR_OK);
    kgr_secret_free(auth_enc);
    kgr_secret_free(auth_mac);
    free(row);
}

static void open_node(struct end *end)
{
    struct kgr_diag diag = {{0}};

    if (kgr_node_open(&end->node, &end->settings, &diag) != KGR_OK)
        fail_msg("kgr_node_open: %s", diag.text);
}

static void make_states(void)
{
    struct kgr_tpm_newborn *enc = calloc(1, sizeof(*enc));
    struct kgr_tpm_newborn *mac = calloc(1, sizeof(*mac));
    struct kgr_tpm_birth birth = {.suite = KGR_SUITE_AES128_SHA256, .num_targets = 2};

    assert_non_null(enc);
    assert_non_null(mac);
    for (size_t i = 0; i < 2; i++) {
        struct end *end = &ends[i];

        swtpm_start(&end->swtpm);
        (void)snprintf(end->state, sizeof(end->state), "%s/%zu", folder, i);
        (void)snprintf(end->socket, sizeof(end->socket), "%s/%zu.sock", folder, i);
        assert_int_equal(mkdir(end->state, 0700), 0);
        assert_int_equal(kgr_nid_set(&end->nid, i == 0 ? "node-a" : "node-b", 6), KGR_OK);
        end->settings = (struct kgr_settings){
            .state = end->state,
            .socket = end->socket,
            .tcti = end->swtpm.tcti,
            .request_timeout_s = 30,
            .mac_streams = 3,
            .waits = 4,
        };
        assert_int_equal(kgr_cmd_init(&end->settings, NULL), KGR_OK);
        open_node(end);
        write_identity(end);
        birth.targets[i] = &end->node.anchor.storage_public;
    }
    birth.parent = &ends[0].node.anchor.storage;
    assert_int_equal(kgr_tpm_give_birth(ends[0].node.tpm, enc, mac, &birth, NULL), KGR_OK);
    for (size_t i = 0; i < 2; i++)
        write_pair(&ends[i], enc, mac);
    for (size_t i = 0; i < 2; i++)
        kgr_node_close(&ends[i].node);
    free(enc);
    free(mac);
}

/* Running them */

static void *serve(void *arg)
{
    struct end *end = arg;

    assert_int_equal(kgr_node_run(&end->node, NULL), KGR_OK);
    kgr_node_close(&end->node);
    return NULL;
}

static void start_end(struct end *end, bool lease)
{
    struct kgr_client_options options = {.socket = end->socket, .timeout_ms = TIMEOUT_MS};
    struct kgr_diag diag = {{0}};
    struct kgr_node *node = &end->node;
    uint64_t now = kgr_clock_boot_ms();
    enum kgr_error err;

    open_node(end);
    err = kgr_node_load_identity(node, &diag);
    if (err == KGR_OK)
        err = kgr_pairs_init(&node->pairs, &node->self);
    if (err == KGR_OK)
        err = kgr_pairs_load(&node->pairs, node->db, &node->anchor, now, &diag);
    if (err == KGR_OK)
        err = kgr_node_connect(node, &diag);
    if (err == KGR_OK)
        err = kgr_service_new(&node->service, node, &diag);
    if (err != KGR_OK)
        fail_msg("start: %s", kgr_diag_text(&diag, err));
    node->synced = lease;
    node->sync.lease_ms = lease ? now + 100000000 : 0;
    end->running = true;
    assert_int_equal(pthread_create(&end->thread, NULL, serve, end), 0);
    assert_int_equal(kgr_client_new(&end->client, &options), KGR_OK);
}

static void start_both(bool lease)
{
    start_end(&ends[0], lease);
    start_end(&ends[1], lease);
}

/* A clean stop of both, as a service manager does it. */
static void stop_both(void)
{
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    for (size_t i = 0; i < 2; i++) {
        if (!ends[i].running)
            continue;
        assert_int_equal(pthread_join(ends[i].thread, NULL), 0);
        kgr_client_free(ends[i].client);
        ends[i].running = false;
    }
}

static int group_setup(void **state)
{
    (void)state;
    if (kgr_arena_init(1024 * 1024) != KGR_OK)
        return -1;
    kgr_log_set_level(KGR_LOG_ERROR);
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-service.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    make_states();
    return 0;
}

static int group_teardown(void **state)
{
    char command[128];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        swtpm_stop(&ends[i].swtpm);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    kgr_arena_deinit();
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    start_both(true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop_both();
    return 0;
}

static struct kgr_key key_of(const struct end *end, uint64_t generation)
{
    struct kgr_key key = {.generation = generation};

    (void)snprintf(key.peer, sizeof(key.peer), "%s", peer_of(end));
    return key;
}

/* Records */

#define SEAL(end, stored, out, out_len)                                                            \
    kgr_seal((end)->client, peer_of(end), stored, (const uint8_t *)"aad", 3,                       \
             (const uint8_t *)"plaintext", 9, out, sizeof(out), &(out_len))
#define OPEN(end, stored, in, in_len, out, out_len)                                                \
    kgr_open((end)->client, peer_of(end), stored, (const uint8_t *)"aad", 3, in, in_len, out,      \
             sizeof(out), &(out_len))

static void record_opens_once(void **state)
{
    uint8_t record[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, record, record_len), KGR_OK);
    assert_int_equal(record_len, kgr_record_len(KGR_SUITE_AES128_SHA256, 9));
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_OK);
    assert_int_equal(len, 9);
    assert_memory_equal(plain, "plaintext", 9);
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[1], true, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_ERR_CORRUPT);
}

static void stored_record_opens_as_often_as_wanted(void **state)
{
    uint8_t record[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[1], true, record, record_len), KGR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(OPEN(&ends[0], true, record, record_len, plain, len), KGR_OK);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_OK);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[0], true, record, record_len, plain, len), KGR_OK);
}

static void spoiled_record_is_corrupt_and_spoils_nothing(void **state)
{
    uint8_t record[256];
    uint8_t spoiled[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, record, record_len), KGR_OK);
    for (size_t i = 0; i < record_len; i++) {
        enum kgr_error err;

        memcpy(spoiled, record, record_len);
        spoiled[i] ^= 1;
        err = OPEN(&ends[1], false, spoiled, record_len, plain, len);
        /* Another generation is one that is not there (0 is none); a lower sequence was seen. */
        if (i >= 12 && i < 19)
            assert_int_equal(err, KGR_ERR_NO_KEY);
        else if (err != KGR_ERR_CORRUPT)
            assert_true(i >= 20 && i < 28 && err == KGR_ERR_REPLAY);
    }
    for (size_t i = 0; i < record_len; i++)
        assert_int_equal(OPEN(&ends[1], false, record, i, plain, len), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_open(ends[1].client, peer_of(&ends[1]), false, NULL, 0, record, record_len,
                              plain, sizeof(plain), &len),
                     KGR_ERR_CORRUPT);
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_OK);
}

static void restart_keeps_what_was_used_and_seen(void **state)
{
    uint8_t first[256];
    uint8_t second[256];
    uint8_t plain[256];
    size_t first_len = 0;
    size_t second_len = 0;
    size_t len = 0;
    struct kgr_record before;
    struct kgr_record after;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, first, first_len), KGR_OK);
    assert_int_equal(OPEN(&ends[1], false, first, first_len, plain, len), KGR_OK);
    stop_both();
    start_both(true);
    assert_int_equal(OPEN(&ends[1], false, first, first_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(SEAL(&ends[0], false, second, second_len), KGR_OK);
    assert_int_equal(OPEN(&ends[1], false, second, second_len, plain, len), KGR_OK);
    assert_int_equal(kgr_record_decode(&before, kgr_slice(first, first_len)), KGR_OK);
    assert_int_equal(kgr_record_decode(&after, kgr_slice(second, second_len)), KGR_OK);
    assert_true(after.header.sequence == before.header.sequence + 1);
}

static void without_lease_keys_are_kept_and_not_used(void **state)
{
    struct kgr_key key = key_of(&ends[0], 0);
    struct kgr_peer peer;
    uint8_t record[256];
    uint8_t iv[16] = {0};
    uint8_t mac[KGR_MAC_MAX];
    size_t len = 0;

    (void)state;
    stop_both();
    start_both(false);
    assert_int_equal(SEAL(&ends[0], false, record, len), KGR_ERR_LEASE);
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CBC, iv, record, 16, record),
                     KGR_ERR_LEASE);
    assert_int_equal(kgr_mac(ends[0].client, &key, record, 1, mac, &len), KGR_ERR_LEASE);
    assert_int_equal(kgr_get_key(ends[0].client, &key, &peer), KGR_OK);
    assert_false(peer.may_send);
    assert_false(peer.may_receive);
    assert_int_equal(peer.generation, 1);
}

/* The raw doors */

static void cipher_modes_agree_at_both_ends(void **state)
{
    static const enum kgr_mode modes[] = {KGR_MODE_ECB, KGR_MODE_CBC, KGR_MODE_CTR, KGR_MODE_CFB,
                                          KGR_MODE_OFB};
    struct kgr_key a = key_of(&ends[0], 0);
    struct kgr_key b = key_of(&ends[1], 1);
    static uint8_t plain[20000];
    static uint8_t whole[20000];
    static uint8_t parts[20000];
    static uint8_t back[20000];

    (void)state;
    kgr_random(plain, sizeof(plain));
    for (size_t i = 0; i < KGR_ARRAY_LEN(modes); i++) {
        uint8_t iv1[16] = {9};
        uint8_t iv2[16] = {9};
        uint8_t iv3[16] = {9};

        assert_int_equal(
            kgr_encrypt(ends[0].client, &a, modes[i], iv1, plain, sizeof(plain), whole), KGR_OK);
        assert_memory_not_equal(plain, whole, sizeof(plain));
        assert_int_equal(kgr_encrypt(ends[0].client, &a, modes[i], iv2, plain, 4096, parts),
                         KGR_OK);
        assert_int_equal(kgr_encrypt(ends[0].client, &a, modes[i], iv2, plain + 4096,
                                     sizeof(plain) - 4096, parts + 4096),
                         KGR_OK);
        assert_memory_equal(whole, parts, sizeof(whole));
        assert_int_equal(kgr_decrypt(ends[1].client, &b, modes[i], iv3, whole, sizeof(whole), back),
                         KGR_OK);
        assert_memory_equal(plain, back, sizeof(plain));
    }
}

static void cipher_of_half_a_block_is_invalid(void **state)
{
    struct kgr_key key = key_of(&ends[0], 0);
    uint8_t iv[16] = {0};
    uint8_t data[16] = {0};

    (void)state;
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CBC, iv, data, 15, data),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CTR, iv, data, 15, data), KGR_OK);
}

static void mac_in_parts_is_the_mac_of_the_whole(void **state)
{
    struct kgr_key a = key_of(&ends[0], 0);
    struct kgr_key b = key_of(&ends[1], 0);
    static uint8_t data[30000];
    uint8_t whole[KGR_MAC_MAX];
    uint8_t parts[KGR_MAC_MAX];
    size_t len = 0;
    uint32_t id = 0;

    (void)state;
    kgr_random(data, sizeof(data));
    assert_int_equal(kgr_mac(ends[0].client, &a, data, sizeof(data), whole, &len), KGR_OK);
    assert_int_equal(len, 32);
    assert_int_equal(kgr_mac_start(ends[1].client, &b, &id), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data, 1), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data + 1, 9999), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data + 10000, 20000), KGR_OK);
    assert_int_equal(kgr_mac_final(ends[1].client, id, parts, &len), KGR_OK);
    assert_memory_equal(whole, parts, 32);
    assert_int_equal(kgr_mac_final(ends[1].client, id, parts, &len), KGR_ERR_STATE);
}

static void mac_of_what_looks_like_a_record_is_refused(void **state)
{
    const uint8_t *magics[] = {kgr_record_magic, kgr_kc_magic};
    struct kgr_key key = key_of(&ends[0], 0);
    uint8_t data[32] = {0};
    uint8_t mac[KGR_MAC_MAX];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint32_t id = 0;

        memcpy(data, magics[i], 8);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, sizeof(data), mac, &len),
                         KGR_ERR_INVALID);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, 8, mac, &len), KGR_ERR_INVALID);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, 7, mac, &len), KGR_OK);
        assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_OK);
        for (size_t j = 0; j < 7; j++)
            assert_int_equal(kgr_mac_update(ends[0].client, id, data + j, 1), KGR_OK);
        assert_int_equal(kgr_mac_update(ends[0].client, id, data + 7, 1), KGR_ERR_INVALID);
        assert_int_equal(kgr_mac_final(ends[0].client, id, mac, &len), KGR_ERR_STATE);
    }
}

static void mac_streams_are_bounded(void **state)
{
    struct kgr_key key = key_of(&ends[0], 0);
    uint32_t ids[4];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[i]), KGR_OK);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[3]), KGR_ERR_QUOTA);
    kgr_mac_abort(ends[0].client, ids[1]);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[3]), KGR_OK);
}

/* Names */

static void handles_name_peers(void **state)
{
    static const size_t lens[] = {16, 32, 38, 39, 64};
    uint8_t handle[64];
    uint8_t other[64];
    struct kgr_key key;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        assert_int_equal(kgr_make_handle(ends[0].client, peer_of(&ends[0]), handle, lens[i]),
                         KGR_OK);
        assert_int_equal(kgr_resolve_handle(ends[0].client, handle, lens[i], &key), KGR_OK);
        assert_string_equal(key.peer, peer_of(&ends[0]));
        assert_int_equal(kgr_make_handle(ends[1].client, peer_of(&ends[1]), other, lens[i]),
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
    struct kgr_key old = key_of(&ends[0], 7);
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
    assert_int_equal(kgr_wait(ends[0].client, peer_of(&ends[0]), 1, 1000, &peer), KGR_OK);
    assert_int_equal(peer.state, KGR_STATE_READY);
    assert_int_equal(peer.generation, 1);
    memset(&peer, 0, sizeof(peer));
    assert_int_equal(kgr_wait(ends[0].client, peer_of(&ends[0]), 2, 50, &peer), KGR_ERR_TIMEOUT);
    assert_string_equal(peer.peer, peer_of(&ends[0]));
    assert_int_equal(kgr_request(ends[0].client, peer_of(&ends[0])), KGR_OK); /* not needed */
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
    assert_in_range(peers[0].expires_s, LIFETIME_S - 60, LIFETIME_S);
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
    struct kgr_key key = key_of(&ends[0], 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(record_opens_once),
        TEST(stored_record_opens_as_often_as_wanted),
        TEST(spoiled_record_is_corrupt_and_spoils_nothing),
        TEST(restart_keeps_what_was_used_and_seen),
        TEST(without_lease_keys_are_kept_and_not_used),
        TEST(cipher_modes_agree_at_both_ends),
        TEST(cipher_of_half_a_block_is_invalid),
        TEST(mac_in_parts_is_the_mac_of_the_whole),
        TEST(mac_of_what_looks_like_a_record_is_refused),
        TEST(mac_streams_are_bounded),
        TEST(handles_name_peers),
        TEST(unknown_names_have_errors_of_their_own),
        TEST(wait_ends_by_readiness_or_time),
        TEST(random_is_random),
        TEST(malformed_bodies_are_corrupt_and_the_connection_lives),
        TEST(streams_of_another_connection_cannot_be_named),
        TEST(status_tells_of_the_node),
        TEST(request_of_an_unknown_peer_is_asked_for),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
