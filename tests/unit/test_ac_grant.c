/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ac_grant.h"

#include "tests/unit/codec.h"

CODEC_CHECK(check_grant, struct kgr_ac_grant, kgr_ac_grant_encode, kgr_ac_grant_decode)

static struct kgr_wire_object object(uint8_t seed, size_t pub, size_t duplicate, size_t secret)
{
    return (struct kgr_wire_object){codec_bytes(seed, pub), codec_bytes(seed, duplicate),
                                    codec_bytes(seed, secret)};
}

static void grant_round_trips(void **state)
{
    struct kgr_ac_grant m = {.key_id = {1},
                             .topic1 = {2},
                             .topic2 = {3},
                             .credential = codec_bytes(4, 68),
                             .secret = codec_bytes(5, 70),
                             .nksk = object(6, 80, 130, 70),
                             .nksksign = object(7, 84, 140, 70)};

    (void)state;
    check_grant(&m);
}

static void grant_of_the_longest_fields_fits_its_limit(void **state)
{
    struct kgr_ac_grant m = {
        .credential = codec_bytes(4, KGR_WIRE_CREDENTIAL_MAX),
        .secret = codec_bytes(5, KGR_WIRE_SECRET_MAX),
        .nksk = object(6, KGR_WIRE_PUBLIC_MAX, KGR_WIRE_PRIVATE_MAX, KGR_WIRE_SECRET_MAX),
        .nksksign = object(7, KGR_WIRE_PUBLIC_MAX, KGR_WIRE_PRIVATE_MAX, KGR_WIRE_SECRET_MAX),
    };
    uint8_t bytes[KGR_AC_GRANT_MAX];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    assert_int_equal(kgr_ac_grant_encode(&wr, &m), KGR_OK);
    m.secret = codec_bytes(5, KGR_WIRE_SECRET_MAX + 1);
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    assert_int_equal(kgr_ac_grant_encode(&wr, &m), KGR_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grant_round_trips),
        cmocka_unit_test(grant_of_the_longest_fields_fits_its_limit),
    };

    return cmocka_run_group_tests_name("ac_grant", tests, NULL, NULL);
}
