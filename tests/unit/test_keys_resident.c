/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/keyset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
#include "agent/tpm/slots.h"
#include "tests/support/tpm_fixture.h"

/* A KS and two nodes that hold the same pair of keys, after the whole way there. */
static struct tpm_fixture ks;
static struct tpm_fixture nodes[2];
static struct kgr_key_blobs blobs[2];
static struct kgr_keyset *keys[2];
static struct kgr_diag diag;

static int import_pair(size_t i, const struct kgr_tpm_newborn *born)
{
    struct kgr_tpm_blob *out[] = {&blobs[i].enc, &blobs[i].mac};

    for (size_t k = 0; k < 2; k++) {
        struct kgr_tpm_import import = {
            .parent = &nodes[i].storage,
            .suite = KGR_SUITE_AES128_SHA256,
            .kind = k == 0 ? KGR_TPM_ENC : KGR_TPM_MAC,
            .form = KGR_TPM_BORN,
            .pub = &born[k].pub,
            .duplicate = &born[k].duplicates[i],
            .auth = nodes[i].auth,
        };

        if (kgr_tpm_import(nodes[i].tpm, out[k], &import, &diag) != KGR_OK)
            return -1;
    }
    return kgr_keyset_new(&keys[i], KGR_SUITE_AES128_SHA256, &nodes[i].storage, &blobs[i],
                          kgr_tpm_new_key_id(nodes[i].tpm), tpm_fixture_auth(0x5a),
                          kgr_tpm_new_key_id(nodes[i].tpm), tpm_fixture_auth(0x5a)) == KGR_OK
               ? 0
               : -1;
}

static int begin(void **state)
{
    static struct kgr_tpm_newborn born[2];
    struct kgr_tpm_birth birth = {.parent = &ks.storage,
                                  .suite = KGR_SUITE_AES128_SHA256,
                                  .num_targets = 2,
                                  .targets = {&nodes[0].storage_pub, &nodes[1].storage_pub}};

    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&ks);
    for (size_t i = 0; i < 2; i++)
        tpm_fixture_start(&nodes[i]);
    if (kgr_tpm_give_birth(ks.tpm, &born[0], &born[1], &birth, &diag) != KGR_OK)
        return -1;
    return import_pair(0, born) == 0 && import_pair(1, born) == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        kgr_keyset_free(keys[i]);
        tpm_fixture_stop(&nodes[i]);
    }
    tpm_fixture_stop(&ks);
    kgr_arena_deinit();
    return 0;
}

static struct kgr_keyset_use use_of(size_t i)
{
    struct kgr_keyset_use use = {.tpm = nodes[i].tpm, .key = keys[i], .diag = &diag};

    return use;
}

static void resident_sealed_by_one_opens_at_the_other(void **state)
{
    static const size_t lens[] = {0, 1, 15, 16, 944, 1024, 3000};
    struct kgr_keyset_use use[2] = {use_of(0), use_of(1)};
    struct kgr_seal_key a = kgr_keyset_use_seal(&use[0]);
    struct kgr_seal_key b = kgr_keyset_use_seal(&use[1]);
    uint8_t plain[3000];
    uint8_t sealed[3016];
    uint8_t opened[3016];
    uint8_t tag[16];
    uint8_t iv[KGR_IV_LEN] = {4};

    (void)state;
    memset(plain, 0x42, sizeof(plain));
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        struct kgr_slice aad = kgr_slice("header", 6);
        size_t len = kgr_suite_ciphertext_len(lens[i]);
        size_t out_len = 0;

        assert_int_equal(kgr_seal_encrypt(&a, sealed, tag, iv, aad, kgr_slice(plain, lens[i])),
                         KGR_OK);
        assert_int_equal(kgr_seal_decrypt(&b, opened, &out_len, iv, aad, kgr_slice(sealed, len),
                                          kgr_slice(tag, sizeof(tag))),
                         KGR_OK);
        assert_int_equal(out_len, lens[i]);
        assert_memory_equal(opened, plain, lens[i]);
        sealed[0] ^= 1;
        assert_int_equal(kgr_seal_decrypt(&b, opened, &out_len, iv, aad, kgr_slice(sealed, len),
                                          kgr_slice(tag, sizeof(tag))),
                         KGR_ERR_CORRUPT);
    }
}

static void resident_names_are_the_same_at_both(void **state)
{
    (void)state;
    assert_true(
        kgr_slice_equal(kgr_keyset_id(keys[0], KGR_TPM_ENC), kgr_keyset_id(keys[1], KGR_TPM_ENC)));
    assert_true(
        kgr_slice_equal(kgr_keyset_id(keys[0], KGR_TPM_MAC), kgr_keyset_id(keys[1], KGR_TPM_MAC)));
    assert_false(
        kgr_slice_equal(kgr_keyset_id(keys[0], KGR_TPM_ENC), kgr_keyset_id(keys[0], KGR_TPM_MAC)));
    assert_int_equal(kgr_keyset_suite(keys[0]), KGR_SUITE_AES128_SHA256);
}

static void resident_raw_doors_agree(void **state)
{
    struct kgr_keyset_use use[2] = {use_of(0), use_of(1)};
    struct kgr_keyset_stream *stream = NULL;
    const struct kgr_slice part = kgr_slice("some bytes", 10);
    uint8_t iv[2][KGR_IV_LEN] = {{9}, {9}};
    uint8_t data[100];
    uint8_t macs[2][32];

    (void)state;
    memset(data, 0x17, sizeof(data));
    assert_int_equal(
        kgr_keyset_cipher(&use[0], KGR_TPM_CTR, KGR_TPM_ENCRYPT, iv[0], data, sizeof(data), data),
        KGR_OK);
    assert_int_not_equal(data[99], 0x17);
    assert_int_equal(
        kgr_keyset_cipher(&use[1], KGR_TPM_CTR, KGR_TPM_DECRYPT, iv[1], data, sizeof(data), data),
        KGR_OK);
    assert_int_equal(data[99], 0x17);
    assert_int_equal(kgr_keyset_hmac(&use[0], &part, 1, macs[0]), KGR_OK);
    assert_int_equal(kgr_keyset_stream_start(&use[1], &stream), KGR_OK);
    assert_int_equal(kgr_keyset_stream_update(nodes[1].tpm, stream, part, &diag), KGR_OK);
    assert_int_equal(kgr_keyset_stream_final(nodes[1].tpm, stream, macs[1], 32, &diag), KGR_OK);
    kgr_keyset_stream_free(stream);
    assert_memory_equal(macs[0], macs[1], 32);
}

/* The input of a call in place is overwritten by the first attempt: the second must not see that. */
static void resident_in_place_survives_a_reset(void **state)
{
    struct kgr_keyset_use use = use_of(0);
    uint8_t iv[2][KGR_IV_LEN] = {{9}, {9}};
    uint8_t data[2048];
    uint8_t expected[2048];

    (void)state;
    memset(data, 0x33, sizeof(data));
    assert_int_equal(
        kgr_keyset_cipher(&use, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv[0], data, sizeof(data), expected),
        KGR_OK);
    swtpm_kill(&nodes[0].swtpm);
    swtpm_restart(&nodes[0].swtpm);
    assert_int_equal(
        kgr_keyset_cipher(&use, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv[1], data, sizeof(data), data),
        KGR_OK);
    assert_memory_equal(data, expected, sizeof(data));
    assert_memory_equal(iv[0], iv[1], KGR_IV_LEN);
}

static void resident_with_a_dead_tpm_is_not_corrupt(void **state)
{
    struct kgr_keyset_use use = use_of(0);
    struct kgr_seal_key key = kgr_keyset_use_seal(&use);
    uint8_t sealed[32] = {0};
    uint8_t opened[32];
    uint8_t tag[16] = {0};
    uint8_t iv[KGR_IV_LEN] = {0};
    size_t len = 0;

    (void)state;
    swtpm_kill(&nodes[0].swtpm);
    assert_int_equal(kgr_seal_decrypt(&key, opened, &len, iv, kgr_slice(NULL, 0),
                                      kgr_slice(sealed, sizeof(sealed)),
                                      kgr_slice(tag, sizeof(tag))),
                     KGR_ERR_TPM);
    swtpm_restart(&nodes[0].swtpm);
}

static void resident_unloads_from_the_slots(void **state)
{
    struct kgr_keyset_use use = use_of(1);
    const struct kgr_slice part = kgr_slice("x", 1);
    uint8_t mac[32];

    (void)state;
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
    assert_true(kgr_tpm_num_loaded(nodes[1].tpm) > 0);
    kgr_keyset_unload(keys[1], nodes[1].tpm);
    assert_int_equal(kgr_tpm_num_loaded(nodes[1].tpm), 0);
}

static void resident_refuses_swapped_blobs(void **state)
{
    struct kgr_keyset *key = NULL;
    struct kgr_key_blobs *swapped = malloc(sizeof(*swapped));

    (void)state;
    assert_non_null(swapped);
    swapped->enc = blobs[0].mac;
    swapped->mac = blobs[0].enc;
    assert_int_equal(kgr_keyset_new(&key, KGR_SUITE_AES128_SHA256, &nodes[0].storage, swapped, 100,
                                    NULL, 101, NULL),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_keyset_new(&key, KGR_SUITE_AES256_SHA384, &nodes[0].storage, &blobs[0],
                                    100, NULL, 101, NULL),
                     KGR_ERR_CORRUPT);
    assert_null(key);
    free(swapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_sealed_by_one_opens_at_the_other),
        cmocka_unit_test(resident_names_are_the_same_at_both),
        cmocka_unit_test(resident_raw_doors_agree),
        cmocka_unit_test(resident_in_place_survives_a_reset),
        cmocka_unit_test(resident_with_a_dead_tpm_is_not_corrupt),
        cmocka_unit_test(resident_unloads_from_the_slots),
        cmocka_unit_test(resident_refuses_swapped_blobs),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
