/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/credential.h"

#include "tests/unit/codec.h"

/* The encoders leave the hash to the caller; here any 32 bytes will do. */
static enum kgr_error credential_encode(struct kgr_wr *wr, const struct kgr_credential_file *m)
{
    enum kgr_error err = kgr_credential_encode(wr, m);

    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(wr, m->hash, KGR_DIGEST_LEN);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_error identity_encode(struct kgr_wr *wr, const struct kgr_identity *m)
{
    enum kgr_error err = kgr_identity_encode(wr, m);

    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(wr, m->hash, KGR_DIGEST_LEN);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

CODEC_CHECK(check_credential, struct kgr_credential_file, credential_encode, kgr_credential_decode)
CODEC_CHECK(check_identity, struct kgr_identity, identity_encode, kgr_identity_decode)

static struct kgr_credential_file credential(void)
{
    struct kgr_credential_file m = {
        .node = codec_nid("gateway-00001"),
        .ntag = codec_bytes(1, KGR_NTAG_LEN).p,
        .ks_signing = codec_bytes(2, 90),
        .expires = 1800000000,
        .host = kgr_slice("broker.example", 14),
        .port = 1883,
        .hash = codec_bytes(3, KGR_DIGEST_LEN).p,
    };

    memset(m.key_id, 0x71, sizeof(m.key_id));
    memset(m.topic0, 0x72, sizeof(m.topic0));
    return m;
}

static struct kgr_identity identity(enum kgr_identity_kind kind)
{
    struct kgr_identity m = {
        .kind = kind,
        .signing = codec_bytes(4, 88),
        .storage = codec_bytes(5, 90),
        .ek = codec_bytes(6, 314),
        .hash = codec_bytes(7, KGR_DIGEST_LEN).p,
    };

    if (kind == KGR_IDENTITY_KS) {
        m.grant.credential = codec_bytes(8, 68);
        m.grant.secret = codec_bytes(9, 70);
        m.host = kgr_slice("broker.example", 14);
        m.port = 1883;
    }
    return m;
}

static void credential_round_trips(void **state)
{
    struct kgr_credential_file m = credential();

    (void)state;
    check_credential(&m);
}

static void credential_tells_what_its_hash_covers(void **state)
{
    struct kgr_credential_file m = credential();
    struct kgr_credential_file out;
    uint8_t buf[KGR_CREDENTIAL_MAX];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(credential_encode(&wr, &m), KGR_OK);
    assert_memory_equal(buf, "KGRCRED1\15gateway-00001", 22);
    assert_int_equal(kgr_credential_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_ptr_equal(out.covered.p, buf);
    assert_int_equal(out.covered.len, wr.len - KGR_DIGEST_LEN);
    assert_ptr_equal(out.hash, buf + wr.len - KGR_DIGEST_LEN);
    /* Borrowed, so that the secret stands in no second place. */
    assert_ptr_equal(out.ntag, buf + 22);
}

static void credential_of_the_longest_fields_fits_its_limit(void **state)
{
    struct kgr_credential_file m = credential();
    uint8_t buf[KGR_CREDENTIAL_MAX];
    char host[KGR_HOST_MAX + 1];
    struct kgr_wr wr;

    (void)state;
    memset(host, 'h', sizeof(host));
    memset(m.node.s, 'a', KGR_NID_MAX);
    m.ks_signing = codec_bytes(2, KGR_WIRE_PUBLIC_MAX);
    m.host = kgr_slice(host, KGR_HOST_MAX);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(credential_encode(&wr, &m), KGR_OK);
    m.host = kgr_slice(host, KGR_HOST_MAX + 1);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(credential_encode(&wr, &m), KGR_ERR_TOO_LARGE);
}

static void identities_round_trip(void **state)
{
    struct kgr_identity ac = identity(KGR_IDENTITY_AC);
    struct kgr_identity ks = identity(KGR_IDENTITY_KS);

    (void)state;
    check_identity(&ac);
    check_identity(&ks);
}

static void identity_tells_its_kind_and_what_its_hash_covers(void **state)
{
    struct kgr_identity m = identity(KGR_IDENTITY_KS);
    struct kgr_identity out;
    static uint8_t buf[KGR_KS_PUB_MAX];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(identity_encode(&wr, &m), KGR_OK);
    assert_memory_equal(buf, "KGRPUBKS", 8);
    assert_int_equal(kgr_identity_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(out.kind, KGR_IDENTITY_KS);
    assert_int_equal(out.covered.len, wr.len - KGR_DIGEST_LEN);
    assert_int_equal(out.port, 1883);
    memcpy(buf, "KGRPUBAC", 8);
    assert_int_equal(kgr_identity_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    m.kind = KGR_IDENTITY_AC;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(identity_encode(&wr, &m), KGR_OK);
    assert_int_equal(kgr_identity_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(out.kind, KGR_IDENTITY_AC);
    memcpy(buf, "KGRCRED1", 8);
    assert_int_equal(kgr_identity_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void identity_of_the_longest_fields_fits_its_limit(void **state)
{
    struct kgr_identity m = identity(KGR_IDENTITY_AC);
    uint8_t buf[KGR_IDENTITY_MAX];
    struct kgr_wr wr;

    (void)state;
    m.signing = codec_bytes(1, KGR_WIRE_PUBLIC_MAX);
    m.storage = codec_bytes(1, KGR_WIRE_PUBLIC_MAX);
    m.ek = codec_bytes(1, KGR_WIRE_EK_MAX);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(identity_encode(&wr, &m), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credential_round_trips),
        cmocka_unit_test(credential_tells_what_its_hash_covers),
        cmocka_unit_test(credential_of_the_longest_fields_fits_its_limit),
        cmocka_unit_test(identities_round_trip),
        cmocka_unit_test(identity_tells_its_kind_and_what_its_hash_covers),
        cmocka_unit_test(identity_of_the_longest_fields_fits_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
