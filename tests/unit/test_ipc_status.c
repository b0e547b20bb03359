/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_status.h"

#include <kgr/client.h>

#include "tests/unit/codec.h"

static enum kgr_error peer_encode(struct kgr_wr *wr, const struct kgr_ipc_peer *m)
{
    kgr_ipc_peer_write(wr, m);
    return kgr_wire_write_result(wr);
}

static enum kgr_error head_encode(struct kgr_wr *wr, const struct kgr_ipc_peers_head *m)
{
    kgr_ipc_peers_head_write(wr, m);
    return kgr_wire_write_result(wr);
}

static enum kgr_error head_decode(struct kgr_ipc_peers_head *out, struct kgr_slice body)
{
    struct kgr_ipc_peers_head m;
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_ipc_peers_head_read(&rd, &m);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    out->total = m.total;
    out->num = m.num;
    return KGR_OK;
}

CODEC_CHECK(check_peer, struct kgr_ipc_peer, peer_encode, kgr_ipc_peer_decode)
CODEC_CHECK(check_keys, struct kgr_ipc_keys, kgr_ipc_keys_encode, kgr_ipc_keys_decode)
CODEC_CHECK(check_head, struct kgr_ipc_peers_head, head_encode, head_decode)
CODEC_CHECK(check_status, struct kgr_ipc_status, kgr_ipc_status_encode, kgr_ipc_status_decode)
CODEC_CHECK(check_ks_status, struct kgr_ipc_ks_status, kgr_ipc_ks_status_encode,
            kgr_ipc_ks_status_decode)

static const char topic_text[] = "kgr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static struct kgr_slice text(const char *s)
{
    return kgr_slice(s, strlen(s));
}

static struct kgr_ipc_peer peer(void)
{
    struct kgr_ipc_peer m = {
        .peer = codec_nid("gateway-00002"),
        .generation = 4,
        .state = KGR_STATE_READY,
        .custody = KGR_CUSTODY_RESIDENT,
        .suite = KGR_SUITE_AES_128_CBC_HMAC_SHA256,
        .may_send = true,
        .may_receive = true,
        .age_s = 60,
        .expires_s = KGR_IPC_NONE_S,
        .receive_topic = text(topic_text),
        .send_topic = text(topic_text),
        .error = KGR_ERR_NOT_AUTHORIZED,
        .reason = text("the AC says no"),
    };

    memset(m.iv, 0x77, sizeof(m.iv));
    return m;
}

static void peers_round_trip(void **state)
{
    struct kgr_ipc_peer full = peer();
    struct kgr_ipc_peer empty = {
        .peer = codec_nid("n"), .age_s = KGR_IPC_NONE_S, .expires_s = KGR_IPC_NONE_S};
    struct kgr_ipc_peers_head head = {70000, 100};
    struct kgr_ipc_keys keys = {text("N2"), 0x01020304};

    (void)state;
    check_peer(&full);
    check_peer(&empty);
    check_head(&head);
    check_keys(&keys);
    keys.peer.len = 0;
    check_keys(&keys);
}

static void peer_refuses_values_that_are_none(void **state)
{
    struct kgr_ipc_peer bad[6];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++)
        bad[i] = peer();
    bad[0].state = KGR_STATE_FAILED + 1;
    bad[1].custody = KGR_CUSTODY_SEALED + 1;
    bad[2].suite = KGR_SUITE_AES_256_CBC_HMAC_SHA384 + 1;
    bad[3].error = KGR_ERR_COUNT;
    bad[4].receive_topic = text("kgr/short");
    bad[5].send_topic.len--;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        struct kgr_ipc_peer out;
        uint8_t buf[KGR_IPC_PEER_MAX];
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(peer_encode(&wr, &bad[i]), KGR_OK);
        assert_int_equal(kgr_ipc_peer_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

static void peer_of_the_longest_fields_fits_its_limit(void **state)
{
    struct kgr_ipc_peer m = peer();
    uint8_t buf[KGR_IPC_PEER_MAX];
    char reason[KGR_IPC_TEXT_MAX];
    struct kgr_wr wr;

    (void)state;
    memset(m.peer.s, 'a', KGR_NID_MAX);
    memset(reason, 'r', sizeof(reason));
    m.reason = kgr_slice(reason, sizeof(reason));
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(peer_encode(&wr, &m), KGR_OK);
}

static struct kgr_ipc_status status(void)
{
    struct kgr_ipc_status m = {
        .registered = true,
        .resident = true,
        .sealed = true,
        .pin = true,
        .node = text("gateway-00001"),
        .version = text("0.1.0"),
        .broker = text("broker.example:1883"),
        .ks_answer_age_s = 5,
        .lease_s = KGR_IPC_NONE_S,
        .epoch = 2,
        .num_peers = 3,
        .tpm = text("SW TPM 1.2"),
        .modes = 0x3e,
        .frames_refused = 4,
        .alarms = text("first\nsecond"),
    };

    return m;
}

static void status_round_trips(void **state)
{
    struct kgr_ipc_status m = status();
    struct kgr_ipc_status empty = {.epoch = 0};

    (void)state;
    check_status(&m);
    check_status(&empty);
}

static void status_of_a_node_that_is_none_is_refused(void **state)
{
    struct kgr_ipc_status m = status();
    struct kgr_ipc_status out;
    uint8_t buf[512];
    struct kgr_wr wr;

    (void)state;
    m.node = text("not a node");
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_status_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_ipc_status_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void ks_status_round_trips(void **state)
{
    struct kgr_ipc_ks_status m = {
        .version = text("0.1.0"),
        .epoch = 7,
        .broker_connected = true,
        .broker = text("[::1]:1883"),
        .nodes = 3,
        .registered = 2,
        .open_exchanges = 1,
        .holding_duplicates = 1,
        .frames_refused = 9,
        .tpm = text("SW TPM"),
        .alarms = text("one"),
        .entropy = text("/dev/hwrng: good"),
    };

    (void)state;
    memset(m.topic0, 0x78, sizeof(m.topic0));
    check_ks_status(&m);
}

CODEC_CHECK(check_audit, struct kgr_ipc_audit, kgr_ipc_audit_encode, kgr_ipc_audit_decode)

static void audit_keeps_its_bytes(void **state)
{
    const struct kgr_ipc_audit all = {.from = 1}, next = {.from = UINT64_MAX, .sign = true};

    (void)state;
    check_audit(&all);
    check_audit(&next);
}

CODEC_CHECK(check_reload, struct kgr_ipc_reload, kgr_ipc_reload_encode, kgr_ipc_reload_decode)

static void reload_keeps_its_lines(void **state)
{
    const struct kgr_ipc_reload done = {.text = text("")};
    const struct kgr_ipc_reload refused = {.refused = true, .text = text("a:1: x\nb:2: y")};

    (void)state;
    check_reload(&done);
    check_reload(&refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audit_keeps_its_bytes),
        cmocka_unit_test(reload_keeps_its_lines),
        cmocka_unit_test(peers_round_trip),
        cmocka_unit_test(peer_refuses_values_that_are_none),
        cmocka_unit_test(peer_of_the_longest_fields_fits_its_limit),
        cmocka_unit_test(status_round_trips),
        cmocka_unit_test(status_of_a_node_that_is_none_is_refused),
        cmocka_unit_test(ks_status_round_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
