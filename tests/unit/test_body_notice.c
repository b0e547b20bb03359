/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_notice.h"

#include "tests/unit/codec.h"

CODEC_CHECK(check_notice, struct kgr_notice, kgr_notice_encode, kgr_notice_decode)

static void notices_round_trip(void **state)
{
    static const uint8_t kinds[] = {KGR_NOTICE_ALLOWED, KGR_NOTICE_REVOKED, KGR_NOTICE_DENIED};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(kinds); i++) {
        struct kgr_notice m = {.word = UINT64_C(0x0102030405060708), .kind = kinds[i]};

        m.peer = codec_nid("gateway-00002");
        check_notice(&m);
    }
    check_notice(&(struct kgr_notice){.word = 1, .kind = KGR_NOTICE_NODE_REVOKED});
}

static void layout_is_the_documented_one(void **state)
{
    static const uint8_t wanted[] = {0, 0, 0, 1, 0, 0, 0, 2, 2,   0,
                                     0, 0, 0, 0, 0, 0, 9, 2, 'N', '2'};
    struct kgr_notice m = {.word = UINT64_C(0x100000002), .kind = KGR_NOTICE_REVOKED, .floor = 9};
    uint8_t buf[KGR_NOTICE_MAX];
    struct kgr_wr wr;

    (void)state;
    m.peer = codec_nid("N2");
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_notice_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, sizeof(wanted));
    assert_memory_equal(buf, wanted, sizeof(wanted));
}

static void peer_belongs_to_the_kind(void **state)
{
    uint8_t bytes[8 + 1 + 8 + 2] = {[7] = 1, [8] = KGR_NOTICE_REVOKED, [17] = 1, [18] = 'N'};
    struct kgr_notice out;

    (void)state;
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, sizeof(bytes))), KGR_OK);
    bytes[8] = KGR_NOTICE_NODE_REVOKED; /* with a name */
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, sizeof(bytes))), KGR_ERR_CORRUPT);
    bytes[8] = KGR_NOTICE_NODE_REVOKED + 1;
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, sizeof(bytes))), KGR_ERR_CORRUPT);
    bytes[8] = KGR_NOTICE_REVOKED; /* without one */
    bytes[17] = 0;
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, 18)), KGR_ERR_CORRUPT);
    bytes[8] = KGR_NOTICE_NODE_REVOKED;
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, 18)), KGR_OK);
    bytes[16] = 1; /* with a floor */
    assert_int_equal(kgr_notice_decode(&out, kgr_slice(bytes, 18)), KGR_ERR_CORRUPT);
}

static void ack_is_a_word(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    uint64_t word = 0;

    (void)state;
    assert_int_equal(kgr_notice_ack_decode(&word, kgr_slice(bytes, 8)), KGR_OK);
    assert_true(word == UINT64_C(0x0102030405060708));
    assert_int_equal(kgr_notice_ack_decode(&word, kgr_slice(bytes, 7)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_notice_ack_decode(&word, kgr_slice(bytes, 9)), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_round_trip),
        cmocka_unit_test(layout_is_the_documented_one),
        cmocka_unit_test(peer_belongs_to_the_kind),
        cmocka_unit_test(ack_is_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
