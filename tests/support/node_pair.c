/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/node_pair.h"

#include "agent/node/mirror/mirror.h"
#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/node/commands.h"
#include "agent/node/protocol/enrol.h"
#include "agent/node/service/service.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
#include "agent/tpm/wrap.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 5000

struct node_end ends[2];
bool node_pair_sealed;
static char folder[64];

const char *node_pair_peer(const struct node_end *end)
{
    return end == &ends[0] ? ends[1].nid.s : ends[0].nid.s;
}

/* Making the two states */

static void write_identity(struct node_end *end)
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

static void import(struct node_end *end, struct kgr_tpm_blob *out,
                   const struct kgr_tpm_newborn *born, size_t target, enum kgr_tpm_kind kind,
                   const struct kgr_tpm_auth *auth)
{
    struct kgr_tpm_import in = {
        .parent = end->node.anchor.storage,
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .form = KGR_TPM_BORN,
        .pub = &born->pub,
        .duplicate = &born->duplicates[target],
        .auth = auth,
    };

    assert_int_equal(kgr_tpm_import(end->node.tpm, out, &in, NULL), KGR_OK);
}

static void import_sealed(struct node_end *end, struct kgr_tpm_blob *out, enum kgr_tpm_kind kind,
                          const struct kgr_tpm_auth *auth)
{
    size_t len = kind == KGR_TPM_ENC ? 16 : 32;
    uint8_t *bytes = kgr_secret_alloc(KGR_TPM_HASH_LEN + len);
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    struct kgr_tpm_wrap wrap = {
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .form = KGR_TPM_DATA,
        .secret = kgr_slice(bytes + KGR_TPM_HASH_LEN, len),
        .seed = bytes,
        .target = &end->node.anchor.storage_public,
    };
    struct kgr_tpm_import in = {
        .parent = end->node.anchor.storage,
        .suite = KGR_SUITE_AES128_SHA256,
        .kind = kind,
        .form = KGR_TPM_DATA,
        .pub = &pub,
        .duplicate = &duplicate,
        .auth = auth,
    };

    assert_non_null(bytes);
    memset(bytes, kind == KGR_TPM_ENC ? NODE_PAIR_ENC_BYTE : NODE_PAIR_MAC_BYTE,
           KGR_TPM_HASH_LEN + len);
    assert_int_equal(kgr_tpm_wrap(&pub, &duplicate, &wrap), KGR_OK);
    assert_int_equal(kgr_tpm_import(end->node.tpm, out, &in, NULL), KGR_OK);
    kgr_secret_free(bytes);
}

static void write_pair(struct node_end *end, const struct kgr_tpm_newborn *enc,
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
        .lifetime_s = NODE_PAIR_LIFETIME_S,
        .suite = KGR_SUITE_AES128_SHA256,
        .custody = node_pair_sealed ? 3 : 1,
    };
    memset(row->offer.topic_own, target == 0 ? 3 : 4, KGR_TOPIC_LEN);
    memset(row->offer.topic_peer, target == 0 ? 4 : 3, KGR_TOPIC_LEN);
    assert_int_equal(kgr_pair_auths(&end->node.anchor, &row->peer, 1, &auth_enc, &auth_mac),
                     KGR_OK);
    if (node_pair_sealed) {
        import_sealed(end, &row->blobs.enc, KGR_TPM_ENC, auth_enc);
        import_sealed(end, &row->blobs.mac, KGR_TPM_MAC, auth_mac);
    } else {
        import(end, &row->blobs.enc, enc, target, KGR_TPM_ENC, auth_enc);
        import(end, &row->blobs.mac, mac, target, KGR_TPM_MAC, auth_mac);
    }
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

void node_pair_open(struct node_end *end)
{
    struct kgr_diag diag = {{0}};

    if (kgr_node_open(&end->node, &end->settings, false, &diag) != KGR_OK)
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
        struct node_end *end = &ends[i];

        swtpm_start(&end->swtpm);
        (void)snprintf(end->state, sizeof(end->state), "%s/%zu", folder, i);
        (void)snprintf(end->socket, sizeof(end->socket), "%s/%zu.sock", folder, i);
        assert_int_equal(mkdir(end->state, 0700), 0);
        assert_int_equal(kgr_nid_set(&end->nid, i == 0 ? "node-a" : "node-b", 6), KGR_OK);
        end->settings = (struct kgr_settings){
            .state = end->state,
            .socket = end->socket,
            .tpm = {.tcti = end->swtpm.tcti},
            .renew_at = 75,
            .overlap_s = 3600,
            .budget = UINT64_C(1) << 32,
            .request_timeout_s = 30,
            .mac_streams = 3,
            .waits = 5, /* of which one user has four */
            .inbox_messages = 8,
            .inbox_bytes = 1 << 20,
            .inbox_total = 2 << 20,
            .events = 8,
            .subscribers = 2,
        };
        assert_int_equal(kgr_cmd_init(&end->settings, NULL), KGR_OK);
        node_pair_open(end);
        write_identity(end);
        birth.targets[i] = &end->node.anchor.storage_public;
    }
    birth.parent = ends[0].node.anchor.storage;
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
    struct node_end *end = arg;

    assert_int_equal(kgr_node_run(&end->node, NULL), KGR_OK);
    kgr_node_close(&end->node);
    return NULL;
}

static void start_end(struct node_end *end, bool lease)
{
    struct kgr_client_options options = {.socket = end->socket, .timeout_ms = TIMEOUT_MS};
    struct kgr_diag diag = {{0}};
    struct kgr_node *node = &end->node;
    uint64_t now = kgr_clock_boot_ms();
    enum kgr_error err;

    node_pair_open(end);
    err = kgr_node_load_identity(node, &diag);
    if (err == KGR_OK)
        err = kgr_pairs_init(&node->pairs, &node->self);
    if (err == KGR_OK)
        err = kgr_pairs_load(&node->pairs, node->db, &node->anchor, now, &diag);
    if (err == KGR_OK)
        err = kgr_node_connect(node, &diag);
    if (err == KGR_OK)
        err = kgr_mirrors_new(&node->mirrors, node, &diag);
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

void node_pair_start(bool lease)
{
    start_end(&ends[0], lease);
    start_end(&ends[1], lease);
}

/* A clean stop of both, as a service manager does it. */
void node_pair_stop(void)
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

int node_pair_group_setup(void **state)
{
    (void)state;
    if (kgr_arena_init(4096 * 1024) != KGR_OK)
        return -1;
    kgr_log_set_level(KGR_LOG_ERROR);
    (void)snprintf(folder, sizeof(folder), "/tmp/kgr-service.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    make_states();
    return 0;
}

int node_pair_group_teardown(void **state)
{
    char command[128];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        swtpm_stop(&ends[i].swtpm);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    kgr_arena_deinit();
    return system(command);
}

int node_pair_setup(void **state)
{
    (void)state;
    node_pair_start(true);
    return 0;
}

int node_pair_teardown(void **state)
{
    (void)state;
    node_pair_stop();
    return 0;
}

struct kgr_key node_pair_key(const struct node_end *end, uint64_t generation)
{
    struct kgr_key key = {.generation = generation};

    (void)snprintf(key.peer, sizeof(key.peer), "%s", node_pair_peer(end));
    return key;
}
