/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/order.h"

#include "tests/unit/codec.h"

/* Envelopes with their signature, lists of one kind of entry with their head: as they travel. */
static enum kgr_error order_encode(struct kgr_wr *wr, const struct kgr_order *m)
{
    enum kgr_error err = kgr_order_encode(wr, m);

    return err != KGR_OK ? err : kgr_signature_append(wr, m->signature);
}

static enum kgr_error result_encode(struct kgr_wr *wr, const struct kgr_result *m)
{
    enum kgr_error err = kgr_result_encode(wr, m);

    return err != KGR_OK ? err : kgr_signature_append(wr, m->signature);
}

static enum kgr_error allow_encode(struct kgr_wr *wr, const struct kgr_order_pair *m)
{
    return kgr_order_pair_encode(wr, m, true);
}

static enum kgr_error allow_decode(struct kgr_order_pair *out, struct kgr_slice body)
{
    return kgr_order_pair_decode(out, body, true);
}

static enum kgr_error deny_encode(struct kgr_wr *wr, const struct kgr_order_pair *m)
{
    return kgr_order_pair_encode(wr, m, false);
}

static enum kgr_error deny_decode(struct kgr_order_pair *out, struct kgr_slice body)
{
    return kgr_order_pair_decode(out, body, false);
}

static enum kgr_error offset_encode(struct kgr_wr *wr, const uint16_t *offset)
{
    return kgr_order_offset_encode(wr, *offset);
}

static enum kgr_error node_encode(struct kgr_wr *wr, const struct kgr_node_entry *m)
{
    kgr_node_entry_write(wr, m);
    return kgr_wire_write_result(wr);
}

static enum kgr_error node_decode(struct kgr_node_entry *out, struct kgr_slice body)
{
    struct kgr_node_entry m;
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_node_entry_read(&rd, &m);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    *out = m;
    return KGR_OK;
}

static enum kgr_error pair_encode(struct kgr_wr *wr, const struct kgr_pair_entry *m)
{
    const struct kgr_list_head head = {9, 1};

    kgr_list_head_write(wr, &head);
    kgr_pair_entry_write(wr, m);
    return kgr_wire_write_result(wr);
}

static enum kgr_error pair_decode(struct kgr_pair_entry *out, struct kgr_slice body)
{
    struct kgr_list_head head;
    struct kgr_pair_entry m;
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_list_head_read(&rd, &head);
    kgr_pair_entry_read(&rd, &m);
    if (!kgr_rd_done(&rd) || head.total != 9 || head.num != 1)
        return KGR_ERR_CORRUPT;
    *out = m;
    return KGR_OK;
}

CODEC_CHECK(check_order, struct kgr_order, order_encode, kgr_order_decode)
CODEC_CHECK(check_result, struct kgr_result, result_encode, kgr_result_decode)
CODEC_CHECK_LARGE(check_node_add, struct kgr_order_node_add, kgr_order_node_add_encode,
                  kgr_order_node_add_decode)
CODEC_CHECK(check_allow, struct kgr_order_pair, allow_encode, allow_decode)
CODEC_CHECK(check_deny, struct kgr_order_pair, deny_encode, deny_decode)
CODEC_CHECK(check_rekey, struct kgr_order_rekey, kgr_order_rekey_encode, kgr_order_rekey_decode)
CODEC_CHECK(check_offset, uint16_t, offset_encode, kgr_order_offset_decode)
CODEC_CHECK(check_nid, struct kgr_nid, kgr_wire_nid_encode, kgr_wire_nid_decode)
CODEC_CHECK(check_node, struct kgr_node_entry, node_encode, node_decode)
CODEC_CHECK(check_pair, struct kgr_pair_entry, pair_encode, pair_decode)
CODEC_CHECK(check_sealed, struct kgr_sealed_credential, kgr_sealed_credential_encode,
            kgr_sealed_credential_decode)

static struct kgr_order order(size_t body_len)
{
    struct kgr_order m = {
        .kind = KGR_ORDER_NODE_ADD,
        .number = 0x0000000200000005ULL,
        .expires = 1800000000,
        .body = codec_bytes(1, body_len),
        .signature = codec_bytes(2, KGR_SIGNATURE_LEN).p,
    };

    memset(m.ks, 0x81, sizeof(m.ks));
    return m;
}

static struct kgr_result result(size_t body_len)
{
    struct kgr_result m = {
        .kind = KGR_ORDER_NODE_LIST,
        .number = 0x0000000200000005ULL,
        .status = KGR_ERR_EXISTS,
        .body = codec_bytes(3, body_len),
        .signature = codec_bytes(4, KGR_SIGNATURE_LEN).p,
    };

    memset(m.ks, 0x81, sizeof(m.ks));
    return m;
}

static void envelopes_round_trip(void **state)
{
    static const size_t lens[] = {0, 50, KGR_ORDER_BODY_MAX};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        struct kgr_order o = order(lens[i]);
        struct kgr_result r = result(lens[i]);

        check_order(&o);
        check_result(&r);
    }
}

static void envelopes_of_the_longest_bodies_fit_their_limits(void **state)
{
    static uint8_t buf[KGR_RESULT_MAX];
    struct kgr_order o = order(KGR_ORDER_BODY_MAX);
    struct kgr_result r = result(KGR_RESULT_BODY_MAX);
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, KGR_ORDER_MAX);
    assert_int_equal(order_encode(&wr, &o), KGR_OK);
    kgr_wr_init(&wr, buf, KGR_RESULT_MAX);
    assert_int_equal(result_encode(&wr, &r), KGR_OK);
    o.body.len++;
    kgr_wr_init(&wr, buf, KGR_RESULT_MAX);
    assert_int_equal(order_encode(&wr, &o), KGR_ERR_TOO_LARGE);
    r.body.len++;
    kgr_wr_init(&wr, buf, KGR_RESULT_MAX);
    assert_int_equal(result_encode(&wr, &r), KGR_ERR_TOO_LARGE);
}

static void order_has_the_documented_layout(void **state)
{
    struct kgr_order m = order(3);
    struct kgr_order out;
    uint8_t buf[256];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(order_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, 4 + 1 + 1 + 32 + 8 + 8 + 2 + 3 + 1 + 64);
    assert_memory_equal(buf, "KGRO\1\1\x81", 7);
    assert_int_equal(kgr_order_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_ptr_equal(out.covered.p, buf);
    assert_int_equal(out.covered.len, wr.len - 65);
    assert_ptr_equal(out.signature, buf + wr.len - 64);
}

static void result_is_no_order(void **state)
{
    struct kgr_result m = result(3);
    struct kgr_result out_result;
    struct kgr_order out_order;
    uint8_t buf[256];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(result_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_result_decode(&out_result, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(out_result.covered.len, wr.len - 65);
    assert_int_equal(kgr_order_decode(&out_order, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void node_add_round_trips(void **state)
{
    static struct kgr_order_node_add m;

    (void)state;
    memset(&m, 0, sizeof(m));
    m.node = codec_nid("gateway-00001");
    m.validity_s = 3600;
    check_node_add(&m);
    m.ek_hash = codec_bytes(1, 32);
    m.host = kgr_slice("::1", 3);
    m.port = 8883;
    m.num_peers = 2;
    m.peers[0] = codec_nid("gateway-00002");
    m.peers[1] = codec_nid("gateway-00003");
    check_node_add(&m);
}

static void node_add_takes_a_whole_hash_or_none(void **state)
{
    static struct kgr_order_node_add m;
    static struct kgr_order_node_add out;
    uint8_t buf[256];

    (void)state;
    for (size_t len = 0; len <= 32; len++) {
        struct kgr_wr wr;

        m.node = codec_nid("n");
        m.ek_hash = codec_bytes(1, len);
        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_order_node_add_encode(&wr, &m), KGR_OK);
        assert_int_equal(kgr_order_node_add_decode(&out, kgr_wr_slice(&wr)),
                         len == 0 || len == 32 ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

static void node_add_with_the_most_peers_fits_an_order(void **state)
{
    static struct kgr_order_node_add m;
    static struct kgr_order_node_add out;
    static uint8_t buf[KGR_ORDER_BODY_MAX];
    struct kgr_wr wr;

    (void)state;
    m.node = codec_nid("n");
    m.num_peers = KGR_ORDER_PEERS_MAX;
    for (size_t i = 0; i < KGR_ORDER_PEERS_MAX; i++)
        memset(m.peers[i].s, 'a', KGR_NID_MAX);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_order_node_add_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_order_node_add_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    m.num_peers++;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_order_node_add_encode(&wr, &m), KGR_ERR_TOO_LARGE);
}

static void small_bodies_round_trip(void **state)
{
    struct kgr_order_pair pair = {
        .nids = {codec_nid("a"), codec_nid("b")},
        .min_suite = 2,
        .min_custody = 2,
    };
    struct kgr_nid nid = codec_nid("gateway-00009");
    uint16_t offset = 0xfedc;
    struct kgr_order_rekey rekey = {codec_nid("gateway-00001"), true};

    (void)state;
    check_allow(&pair);
    check_deny(&pair);
    check_offset(&offset);
    check_rekey(&rekey);
    check_nid(&nid);
}

static void pair_refuses_one_node_twice_and_unknown_minimums(void **state)
{
    static const struct kgr_order_pair bad[] = {
        {{{"a"}, {"a"}}, 0, 0},
        {{{"a"}, {"b"}}, 3, 0},
        {{{"a"}, {"b"}}, 0, 3},
    };
    uint8_t buf[64];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        struct kgr_order_pair out;
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(allow_encode(&wr, &bad[i]), KGR_OK);
        assert_int_equal(allow_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

static void entries_round_trip(void **state)
{
    struct kgr_node_entry node = {
        .node = codec_nid("gateway-00001"),
        .state = KGR_NODE_REGISTERED,
        .flags = KGR_NODE_EK_GIVEN | KGR_NODE_EK_PROVEN,
        .ek_name = codec_bytes(1, 34),
        .added = 1700000000,
        .heard = 1700000001,
        .suites = 1,
        .custodies = 5,
    };
    struct kgr_pair_entry pair = {
        .nids = {codec_nid("a"), codec_nid("b")},
        .min_suite = 1,
        .min_custody = 1,
        .status = 2,
        .generation = 3,
    };

    (void)state;
    check_node(&node);
    check_pair(&pair);
    node.ek_name = kgr_slice(NULL, 0);
    node.state = KGR_NODE_ISSUED;
    check_node(&node);
}

static void entries_of_the_longest_fields_fit_their_limits(void **state)
{
    struct kgr_node_entry node = {.state = 1, .ek_name = codec_bytes(1, KGR_NAME_MAX)};
    struct kgr_pair_entry pair = {.status = 1};
    uint8_t buf[KGR_NODE_ENTRY_MAX + KGR_PAIR_ENTRY_MAX];
    struct kgr_wr wr;

    (void)state;
    memset(node.node.s, 'a', KGR_NID_MAX);
    memset(pair.nids[0].s, 'a', KGR_NID_MAX);
    memset(pair.nids[1].s, 'b', KGR_NID_MAX);
    kgr_wr_init(&wr, buf, KGR_NODE_ENTRY_MAX);
    kgr_node_entry_write(&wr, &node);
    assert_true(kgr_wr_ok(&wr));
    kgr_wr_init(&wr, buf, KGR_PAIR_ENTRY_MAX);
    kgr_pair_entry_write(&wr, &pair);
    assert_true(kgr_wr_ok(&wr));
}

static void sealed_credential_round_trips(void **state)
{
    struct kgr_sealed_credential m = {
        .credential = codec_bytes(1, 52),
        .secret = codec_bytes(2, 256),
        .body = codec_bytes(3, 320),
    };

    (void)state;
    memset(m.iv, 0x91, sizeof(m.iv));
    memset(m.tag, 0x92, sizeof(m.tag));
    check_sealed(&m);
}

static void sealed_credential_is_whole_blocks(void **state)
{
    static const size_t lens[] = {0, 15, 17, 31};
    uint8_t buf[512];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        struct kgr_sealed_credential m = {.body = codec_bytes(3, lens[i])};
        struct kgr_sealed_credential out;
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_sealed_credential_encode(&wr, &m), KGR_OK);
        assert_int_equal(kgr_sealed_credential_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_round_trip),
        cmocka_unit_test(envelopes_of_the_longest_bodies_fit_their_limits),
        cmocka_unit_test(order_has_the_documented_layout),
        cmocka_unit_test(result_is_no_order),
        cmocka_unit_test(node_add_round_trips),
        cmocka_unit_test(node_add_takes_a_whole_hash_or_none),
        cmocka_unit_test(node_add_with_the_most_peers_fits_an_order),
        cmocka_unit_test(small_bodies_round_trip),
        cmocka_unit_test(pair_refuses_one_node_twice_and_unknown_minimums),
        cmocka_unit_test(entries_round_trip),
        cmocka_unit_test(entries_of_the_longest_fields_fit_their_limits),
        cmocka_unit_test(sealed_credential_round_trips),
        cmocka_unit_test(sealed_credential_is_whole_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
