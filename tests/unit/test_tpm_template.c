/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/tpm/public.h"

typedef enum kgr_error check_fn(const struct kgr_tpm_public *pub);

static void make(struct kgr_tpm_public *out, void (*template)(TPM2B_PUBLIC *out))
{
    TPM2B_PUBLIC pub;

    template(&pub);
    memset(pub.publicArea.unique.ecc.x.buffer, 0x11, pub.publicArea.unique.ecc.x.size);
    memset(pub.publicArea.unique.ecc.y.buffer, 0x22, pub.publicArea.unique.ecc.y.size);
    memset(out, 0, sizeof(*out));
    assert_int_equal(kgr_tpm_public_marshal(out, &pub), KGR_OK);
}

/* Every bit outside of the point changes the verdict, every length but the own one too. */
static void only_the_point_is_free(void (*template)(TPM2B_PUBLIC *out), check_fn *check)
{
    struct kgr_tpm_public good;
    struct kgr_tpm_public bad;
    size_t len;
    size_t x;
    size_t y;

    make(&good, template);
    assert_int_equal(check(&good), KGR_OK);
    len = template == kgr_tpm_template_wide_storage ? 48 : 32;
    x = (size_t)good.len - 2 * len - 2;
    y = (size_t)good.len - len;
    for (size_t at = 0; at < good.len; at++) {
        bool in_point = (at >= x && at < x + len) || at >= y;

        for (unsigned int bit = 0; bit < 8; bit++) {
            bad = good;
            bad.bytes[at] ^= (uint8_t)(1u << bit);
            assert_int_equal(check(&bad), in_point ? KGR_OK : KGR_ERR_CORRUPT);
        }
    }
    for (uint16_t total = 0; total < good.len + 8; total++) {
        bad = good;
        bad.len = total;
        assert_int_equal(check(&bad), total == good.len ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

static void check_storage_takes_its_template_only(void **state)
{
    (void)state;
    only_the_point_is_free(kgr_tpm_template_storage, kgr_tpm_check_storage);
    only_the_point_is_free(kgr_tpm_template_wide_storage, kgr_tpm_check_storage);
}

static void check_ek_takes_its_template_only(void **state)
{
    (void)state;
    only_the_point_is_free(kgr_tpm_template_ek, kgr_tpm_check_ek);
}

static void check_signing_takes_its_template_only(void **state)
{
    (void)state;
    only_the_point_is_free(kgr_tpm_template_signing, kgr_tpm_check_signing);
}

/* A coordinate cut by its leading zero is another encoding of the same point: refused. */
static void check_refuses_a_short_coordinate(void **state)
{
    struct kgr_tpm_public pub;
    TPM2B_PUBLIC area;

    (void)state;
    kgr_tpm_template_storage(&area);
    area.publicArea.unique.ecc.x.size = 31;
    assert_int_equal(kgr_tpm_public_marshal(&pub, &area), KGR_OK);
    assert_int_equal(kgr_tpm_check_storage(&pub), KGR_ERR_CORRUPT);
}

static void check_resident_tells_suites_and_kinds_apart(void **state)
{
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    static const enum kgr_tpm_kind kinds[] = {KGR_TPM_ENC, KGR_TPM_MAC};
    static const uint8_t policy[32] = {5};

    (void)state;
    for (size_t made = 0; made < 4; made++) {
        struct kgr_tpm_public pub = {.len = 0};
        TPM2B_PUBLIC area;

        kgr_tpm_template_resident(&area, suites[made / 2], kinds[made % 2], policy);
        /* The digest of the secret stands in the same place of both kinds. */
        area.publicArea.unique.sym.size = 32;
        assert_int_equal(kgr_tpm_public_marshal(&pub, &area), KGR_OK);
        for (size_t asked = 0; asked < 4; asked++)
            assert_int_equal(kgr_tpm_check_resident(&pub, suites[asked / 2], kinds[asked % 2]),
                             made == asked ? KGR_OK : KGR_ERR_CORRUPT);
    }
}

static void check_resident_wants_a_policy(void **state)
{
    static const uint8_t policy[32] = {5};
    struct kgr_tpm_public pub = {.len = 0};
    TPM2B_PUBLIC area;

    (void)state;
    kgr_tpm_template_resident(&area, KGR_SUITE_AES128_SHA256, KGR_TPM_ENC, policy);
    area.publicArea.unique.sym.size = 32;
    area.publicArea.authPolicy.size = 0;
    assert_int_equal(kgr_tpm_public_marshal(&pub, &area), KGR_OK);
    assert_int_equal(kgr_tpm_check_resident(&pub, KGR_SUITE_AES128_SHA256, KGR_TPM_ENC),
                     KGR_ERR_CORRUPT);
}

static void name_is_algorithm_and_digest(void **state)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_name name;
    uint8_t hash[KGR_TPM_HASH_LEN];

    (void)state;
    make(&pub, kgr_tpm_template_storage);
    assert_int_equal(kgr_tpm_public_name(&name, &pub), KGR_OK);
    assert_int_equal(kgr_tpm_public_hash(hash, &pub), KGR_OK);
    assert_int_equal(name.len, 34);
    assert_int_equal(name.bytes[0], 0x00);
    assert_int_equal(name.bytes[1], 0x0b);
    assert_memory_equal(name.bytes + 2, hash, sizeof(hash));
    pub.bytes[3] = 0x0d; /* nameAlg SHA-512 */
    assert_int_equal(kgr_tpm_public_name(&name, &pub), KGR_ERR_CORRUPT);
    make(&pub, kgr_tpm_template_wide_storage);
    assert_int_equal(kgr_tpm_public_name(&name, &pub), KGR_OK);
    assert_int_equal(name.len, 50);
    assert_int_equal(name.bytes[1], 0x0c);
    pub.len = 3;
    assert_int_equal(kgr_tpm_public_name(&name, &pub), KGR_ERR_CORRUPT);
}

static void public_set_takes_what_fits(void **state)
{
    static const uint8_t bytes[KGR_TPM_PUBLIC_MAX + 1] = {1};
    struct kgr_tpm_public pub;

    (void)state;
    assert_int_equal(kgr_tpm_public_set(&pub, kgr_slice(bytes, KGR_TPM_PUBLIC_MAX)), KGR_OK);
    assert_int_equal(pub.len, KGR_TPM_PUBLIC_MAX);
    assert_int_equal(kgr_tpm_public_set(&pub, kgr_slice(bytes, sizeof(bytes))), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_public_set(&pub, kgr_slice(NULL, 0)), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_storage_takes_its_template_only),
        cmocka_unit_test(check_ek_takes_its_template_only),
        cmocka_unit_test(check_signing_takes_its_template_only),
        cmocka_unit_test(check_refuses_a_short_coordinate),
        cmocka_unit_test(check_resident_tells_suites_and_kinds_apart),
        cmocka_unit_test(check_resident_wants_a_policy),
        cmocka_unit_test(name_is_algorithm_and_digest),
        cmocka_unit_test(public_set_takes_what_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
