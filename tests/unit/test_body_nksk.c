/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_nksk.h"

#include "tests/unit/codec.h"

CODEC_CHECK(check_req, struct kgr_nksk_req, kgr_nksk_req_encode, kgr_nksk_req_decode)

static struct kgr_nksk_req req(void)
{
    struct kgr_nksk_req m = {
        .node = codec_nid("gateway-00001"),
        .suites = 3,
        .custodies = 5,
        .storage = codec_bytes(3, 88),
    };

    memset(m.topic2, 0x22, sizeof(m.topic2));
    memset(m.nonce_n, 0x23, sizeof(m.nonce_n));
    return m;
}

static void req_round_trips(void **state)
{
    struct kgr_nksk_req m = req();

    (void)state;
    check_req(&m);
    m.storage = kgr_slice(NULL, 0);
    check_req(&m);
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX);
    check_req(&m);
}

static void req_has_the_documented_layout(void **state)
{
    struct kgr_nksk_req m = req();
    uint8_t buf[KGR_NKSK_REQ_MAX];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_nksk_req_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, 1 + 13 + 2 + 32 + 32 + 2 + 88);
    assert_memory_equal(buf, "\15gateway-00001\3\5\x22", 17);
    assert_int_equal(buf[48], 0x23);
    assert_memory_equal(buf + 80, "\x00\x58", 2);
}

static void longest_req_fits_its_limit_and_a_longer_one_is_not_written(void **state)
{
    struct kgr_nksk_req m = req();
    uint8_t buf[KGR_NKSK_REQ_MAX + 2];
    struct kgr_wr wr;

    (void)state;
    memset(m.node.s, 'n', KGR_NID_MAX);
    m.node.s[KGR_NID_MAX] = '\0';
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_nksk_req_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, KGR_NKSK_REQ_MAX);
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_nksk_req_encode(&wr, &m), KGR_ERR_TOO_LARGE);
}

/* What was signed for a registration must never pass for a renewal. */
static void labels_differ(void **state)
{
    const struct kgr_challenge_labels *r = &kgr_labels_registration;
    const struct kgr_challenge_labels *n = &kgr_labels_nksk;

    (void)state;
    assert_string_equal(r->chal, "KGR reg_chal 1");
    assert_string_equal(n->chal, "KGR nksk_chal 1");
    assert_string_equal(n->proof, "KGR nksk_proof 1");
    assert_string_equal(n->done, "KGR nksk_done 1");
    assert_string_not_equal(r->proof, n->proof);
    assert_string_not_equal(r->done, n->done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(req_round_trips),
        cmocka_unit_test(req_has_the_documented_layout),
        cmocka_unit_test(longest_req_fits_its_limit_and_a_longer_one_is_not_written),
        cmocka_unit_test(labels_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
