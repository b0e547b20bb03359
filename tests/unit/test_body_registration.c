/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_registration.h"

#include "tests/unit/codec.h"

CODEC_CHECK(check_reg_req, struct kgr_reg_req, kgr_reg_req_encode, kgr_reg_req_decode)
CODEC_CHECK(check_reg_chal, struct kgr_reg_chal, kgr_reg_chal_encode, kgr_reg_chal_decode)
CODEC_CHECK(check_reg_proof, struct kgr_reg_proof, kgr_reg_proof_encode, kgr_reg_proof_decode)

static struct kgr_reg_req reg_req(void)
{
    struct kgr_reg_req m = {
        .node = codec_nid("gateway-00001"),
        .suites = 3,
        .custodies = 5,
        .ek = codec_bytes(1, 314),
        .ek_cert = codec_bytes(2, 40),
        .storage = codec_bytes(3, 88),
    };

    memset(m.topic2, 0x22, sizeof(m.topic2));
    memset(m.nonce_n, 0x23, sizeof(m.nonce_n));
    return m;
}

static struct kgr_reg_chal reg_chal(void)
{
    struct kgr_reg_chal m = {
        .node = codec_nid("gateway-00001"),
        .suite = 1,
        .custody = KGR_WIRE_SEALED,
        .credential = codec_bytes(4, 52),
        .secret = codec_bytes(5, 256),
        .nksk = {codec_bytes(6, 40), codec_bytes(7, 90), codec_bytes(8, 68)},
        .nksksign = {codec_bytes(9, 41), codec_bytes(10, 91), codec_bytes(11, 69)},
    };

    memset(m.nonce_n, 0x23, sizeof(m.nonce_n));
    memset(m.nonce_ks, 0x24, sizeof(m.nonce_ks));
    memset(m.topic1, 0x25, sizeof(m.topic1));
    memset(m.key_id, 0x26, sizeof(m.key_id));
    memset(m.signature, 0x27, sizeof(m.signature));
    return m;
}

static void reg_req_round_trips(void **state)
{
    struct kgr_reg_req m = reg_req();

    (void)state;
    check_reg_req(&m);
    m.ek_cert = kgr_slice(NULL, 0);
    m.custodies = 0;
    check_reg_req(&m);
    m.ek = codec_bytes(1, KGR_WIRE_EK_MAX);
    m.ek_cert = codec_bytes(1, KGR_WIRE_EK_CERT_MAX);
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX);
    check_reg_req(&m);
}

static void reg_req_has_the_documented_layout(void **state)
{
    struct kgr_reg_req m = reg_req();
    uint8_t buf[1024];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_req_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, 1 + 13 + 2 + 32 + 32 + 2 + 314 + 2 + 40 + 2 + 88);
    assert_memory_equal(buf, "\15gateway-00001\3\5\x22", 17);
    assert_memory_equal(buf + 80, "\x01\x3a", 2);
}

static void reg_req_refuses_unknown_suites_and_custodies(void **state)
{
    struct kgr_reg_req m = reg_req();
    struct kgr_reg_req out;
    uint8_t buf[1024];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_req_encode(&wr, &m), KGR_OK);
    for (unsigned int v = 0; v < 256; v++) {
        buf[14] = (uint8_t)v;
        assert_int_equal(kgr_reg_req_decode(&out, kgr_wr_slice(&wr)),
                         v < 4 ? KGR_OK : KGR_ERR_CORRUPT);
    }
    buf[14] = 1;
    for (unsigned int v = 0; v < 256; v++) {
        buf[15] = (uint8_t)v;
        assert_int_equal(kgr_reg_req_decode(&out, kgr_wr_slice(&wr)),
                         (v & ~5u) == 0 ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

static void reg_req_above_its_limits_is_not_written(void **state)
{
    struct kgr_reg_req m = reg_req();
    static uint8_t buf[8192];
    struct kgr_wr wr;

    (void)state;
    m.ek = codec_bytes(1, KGR_WIRE_EK_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_req_encode(&wr, &m), KGR_ERR_TOO_LARGE);
    m = reg_req();
    m.ek_cert = codec_bytes(1, KGR_WIRE_EK_CERT_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_req_encode(&wr, &m), KGR_ERR_TOO_LARGE);
    m = reg_req();
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_req_encode(&wr, &m), KGR_ERR_TOO_LARGE);
}

static void reg_chal_round_trips(void **state)
{
    struct kgr_reg_chal m = reg_chal();

    (void)state;
    check_reg_chal(&m);
    m.suite = 2;
    m.custody = KGR_WIRE_RESIDENT;
    check_reg_chal(&m);
}

static void reg_chal_has_a_custody(void **state)
{
    struct kgr_reg_chal m = reg_chal();
    struct kgr_reg_chal out;
    uint8_t buf[1024];
    struct kgr_wr wr;

    (void)state;
    m.custody = KGR_WIRE_SEALED + 1;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_chal_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_reg_chal_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void reg_chal_is_signed_up_to_its_signature(void **state)
{
    struct kgr_reg_chal m = reg_chal();
    uint8_t buf[1024];
    struct kgr_wr wr;
    size_t len;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_reg_chal_encode(&wr, &m), KGR_OK);
    len = kgr_reg_chal_signed_len(wr.len);
    assert_int_equal(len, wr.len - 66);
    assert_memory_equal(buf + len, "\0\x40", 2);
    assert_memory_equal(buf + len + 2, m.signature, sizeof(m.signature));
    assert_int_equal(kgr_reg_chal_signed_len(65), 0);
}

static void reg_proof_round_trips(void **state)
{
    struct kgr_reg_proof m = {.node = codec_nid("n")};

    (void)state;
    memset(m.nonce, 1, sizeof(m.nonce));
    memset(m.transcript, 2, sizeof(m.transcript));
    check_reg_proof(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_req_round_trips),
        cmocka_unit_test(reg_req_has_the_documented_layout),
        cmocka_unit_test(reg_req_refuses_unknown_suites_and_custodies),
        cmocka_unit_test(reg_req_above_its_limits_is_not_written),
        cmocka_unit_test(reg_chal_round_trips),
        cmocka_unit_test(reg_chal_has_a_custody),
        cmocka_unit_test(reg_chal_is_signed_up_to_its_signature),
        cmocka_unit_test(reg_proof_round_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
