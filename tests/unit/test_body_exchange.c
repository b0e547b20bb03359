/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_exchange.h"

#include "agent/wire/record.h"

#include "tests/unit/codec.h"

CODEC_CHECK(check_key_req, struct kgr_key_req, kgr_key_req_encode, kgr_key_req_decode)
CODEC_CHECK(check_key_ans, struct kgr_key_ans, kgr_key_ans_encode, kgr_key_ans_decode)
CODEC_CHECK(check_adv_req, struct kgr_adv_req, kgr_adv_req_encode, kgr_adv_req_decode)
CODEC_CHECK(check_adv_ans, struct kgr_adv_ans, kgr_adv_ans_encode, kgr_adv_ans_decode)
CODEC_CHECK(check_conf_ans, struct kgr_conf_ans, kgr_conf_ans_encode, kgr_conf_ans_decode)
CODEC_CHECK(check_nack, struct kgr_nack, kgr_nack_encode, kgr_nack_decode)

static struct kgr_key_req key_req(void)
{
    struct kgr_key_req m = {
        .nid1 = codec_nid("gateway-00001"),
        .nid2 = codec_nid("gateway-00002"),
        .highest = 7,
        .cause = KGR_CAUSE_DEMAND,
    };

    memset(m.topic3, 0x31, sizeof(m.topic3));
    return m;
}

static struct kgr_exchange_head head(void)
{
    struct kgr_exchange_head m = {
        .nid1 = codec_nid("b"),
        .nid2 = codec_nid("a"),
        .generation = 0x0102030405060708ULL,
    };

    memset(m.pxid, 0x32, sizeof(m.pxid));
    return m;
}

static struct kgr_key_ans key_ans(void)
{
    struct kgr_key_ans m = {
        .head = head(),
        .suite = 2,
        .custody = KGR_WIRE_MIXED,
        .lifetime_s = 86400,
        .nnsk = {codec_bytes(1, 40), codec_bytes(2, 90), codec_bytes(3, 68)},
        .nnsksign = {codec_bytes(4, KGR_WIRE_PUBLIC_MAX), codec_bytes(5, KGR_WIRE_PRIVATE_MAX),
                     codec_bytes(6, KGR_WIRE_SECRET_MAX)},
    };

    memset(m.iv, 0x33, sizeof(m.iv));
    return m;
}

static void key_req_round_trips(void **state)
{
    struct kgr_key_req m = key_req();

    (void)state;
    check_key_req(&m);
    m.highest = 0;
    m.cause = KGR_CAUSE_FIRST;
    check_key_req(&m);
}

static void key_req_refuses_other_causes(void **state)
{
    struct kgr_key_req m = key_req();
    struct kgr_key_req out;
    uint8_t buf[256];
    struct kgr_wr wr;

    (void)state;
    m.cause = 3;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_key_req_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_key_req_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void node_is_never_paired_with_itself(void **state)
{
    struct kgr_key_req req = key_req();
    struct kgr_conf_ans conf = {.head = head(), .kc = codec_bytes(1, 32)};
    struct kgr_key_req out_req;
    struct kgr_conf_ans out_conf;
    uint8_t buf[256];
    struct kgr_wr wr;

    (void)state;
    req.nid2 = req.nid1;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_key_req_encode(&wr, &req), KGR_OK);
    assert_int_equal(kgr_key_req_decode(&out_req, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    conf.head.nid2 = conf.head.nid1;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_conf_ans_encode(&wr, &conf), KGR_OK);
    assert_int_equal(kgr_conf_ans_decode(&out_conf, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void keys_round_trip(void **state)
{
    struct kgr_key_ans ans = key_ans();
    struct kgr_adv_req adv = {.key = key_ans()};

    (void)state;
    memset(adv.topic3, 0x34, sizeof(adv.topic3));
    check_key_ans(&ans);
    check_adv_req(&adv);
}

static void keys_refuse_generation_zero(void **state)
{
    struct kgr_key_ans m = key_ans();
    struct kgr_key_ans out;
    static uint8_t buf[4096];
    struct kgr_wr wr;

    (void)state;
    m.head.generation = 0;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_key_ans_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_key_ans_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void confirmations_round_trip(void **state)
{
    static const size_t lens[] = {32, 48};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        struct kgr_adv_ans adv = {.head = head(), .kc = codec_bytes(1, lens[i])};
        struct kgr_conf_ans conf = {.head = head(), .kc = codec_bytes(2, lens[i])};

        memset(adv.topic4, 0x35, sizeof(adv.topic4));
        check_adv_ans(&adv);
        check_conf_ans(&conf);
    }
}

static void confirmation_is_as_long_as_a_hash(void **state)
{
    (void)state;
    for (size_t len = 0; len <= KGR_HASH_MAX; len++) {
        struct kgr_conf_ans m = {.head = head(), .kc = codec_bytes(2, len)};
        struct kgr_conf_ans out;
        uint8_t buf[256];
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_conf_ans_encode(&wr, &m), KGR_OK);
        assert_int_equal(kgr_conf_ans_decode(&out, kgr_wr_slice(&wr)),
                         len == 32 || len == 48 ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

static void nack_round_trips_with_every_reason(void **state)
{
    (void)state;
    for (uint8_t reason = KGR_NACK_NOT_AUTHORIZED; reason <= KGR_NACK_ABORTED; reason++) {
        struct kgr_nack m = {
            .type = 7,
            .sequence = 0x0000000100000002ULL,
            .reason = reason,
            .retry_after_s = 30,
            .generation = 9,
        };

        check_nack(&m);
    }
}

static void nack_refuses_other_reasons(void **state)
{
    static const uint8_t reasons[] = {0, 11, 255};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(reasons); i++) {
        struct kgr_nack m = {.type = 7, .reason = reasons[i]};
        struct kgr_nack out;
        uint8_t buf[64];
        struct kgr_wr wr;

        kgr_wr_init(&wr, buf, sizeof(buf));
        assert_int_equal(kgr_nack_encode(&wr, &m), KGR_OK);
        assert_int_equal(kgr_nack_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    }
}

static void kc_input_has_the_documented_layout(void **state)
{
    struct kgr_kc m = {
        .role = 2,
        .generation = 5,
        .suite = 1,
        .nids = {codec_nid("a"), codec_nid("bc")},
        .name_enc = codec_bytes(1, 34),
        .name_mac = codec_bytes(2, 50),
    };
    uint8_t buf[KGR_KC_INPUT_MAX];
    struct kgr_wr wr;
    struct kgr_rd rd;

    (void)state;
    memset(m.pxid, 0x41, sizeof(m.pxid));
    memset(m.topics[0], 0x42, KGR_TOPIC_LEN);
    memset(m.topics[1], 0x43, KGR_TOPIC_LEN);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_kc_input(&wr, &m), KGR_OK);
    kgr_rd_init(&rd, buf, wr.len);
    assert_memory_equal(kgr_rd_ref(&rd, 8), "KGRkc\0\0\1", 8);
    assert_int_equal(kgr_rd_u8(&rd), 2);
    assert_memory_equal(kgr_rd_ref(&rd, 16), m.pxid, 16);
    assert_int_equal(kgr_rd_u64(&rd), 5);
    assert_int_equal(kgr_rd_u8(&rd), 1);
    assert_memory_equal(kgr_rd_ref(&rd, 5), "\1a\2bc", 5);
    assert_memory_equal(kgr_rd_ref(&rd, 32), m.topics[0], 32);
    assert_memory_equal(kgr_rd_ref(&rd, 32), m.topics[1], 32);
    assert_true(kgr_slice_equal(kgr_rd_vec16(&rd, 66), m.name_enc));
    assert_true(kgr_slice_equal(kgr_rd_vec16(&rd, 66), m.name_mac));
    assert_true(kgr_rd_done(&rd));
}

static void kc_input_of_the_longest_parts_fits(void **state)
{
    struct kgr_kc m = {.role = 1, .generation = 1, .suite = 2};
    uint8_t buf[KGR_KC_INPUT_MAX];
    struct kgr_wr wr;

    (void)state;
    memset(m.nids[0].s, 'a', KGR_NID_MAX);
    memset(m.nids[1].s, 'b', KGR_NID_MAX);
    m.name_enc = codec_bytes(1, 66);
    m.name_mac = codec_bytes(2, 66);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_kc_input(&wr, &m), KGR_OK);
}

static void kc_and_record_cannot_be_taken_for_each_other(void **state)
{
    (void)state;
    assert_memory_not_equal(kgr_kc_magic, kgr_record_magic, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_req_round_trips),
        cmocka_unit_test(key_req_refuses_other_causes),
        cmocka_unit_test(node_is_never_paired_with_itself),
        cmocka_unit_test(keys_round_trip),
        cmocka_unit_test(keys_refuse_generation_zero),
        cmocka_unit_test(confirmations_round_trip),
        cmocka_unit_test(confirmation_is_as_long_as_a_hash),
        cmocka_unit_test(nack_round_trips_with_every_reason),
        cmocka_unit_test(nack_refuses_other_reasons),
        cmocka_unit_test(kc_input_has_the_documented_layout),
        cmocka_unit_test(kc_input_of_the_longest_parts_fits),
        cmocka_unit_test(kc_and_record_cannot_be_taken_for_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
