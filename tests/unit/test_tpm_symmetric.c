/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/symmetric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/load.h"
#include "agent/tpm/object.h"
#include "agent/tpm/slots.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

#define DATA_LEN 5000

static struct tpm_fixture f;
static struct kgr_tpm_auth *auth;
static struct kgr_tpm_blob blobs[2];
static struct kgr_tpm_object enc;
static struct kgr_tpm_object mac;
static struct kgr_diag diag;
static uint8_t plain[DATA_LEN];
static uint8_t cipher[DATA_LEN];
static uint8_t again[DATA_LEN];

/* A pair of keys that the fixture's own storage key keeps. */
static int begin(void **state)
{
    static struct kgr_tpm_newborn born[2];
    struct kgr_tpm_birth birth = {
        .suite = KGR_SUITE_AES128_SHA256, .num_targets = 1, .parent = &f.storage};

    (void)state;
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&f);
    auth = tpm_fixture_auth(0x61);
    birth.targets[0] = &f.storage_pub;
    birth.keep_enc = auth;
    birth.keep_mac = auth;
    if (kgr_tpm_give_birth(f.tpm, &born[0], &born[1], &birth, &diag) != KGR_OK)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        blobs[i].pub = born[i].pub;
        blobs[i].priv = born[i].kept;
    }
    for (size_t i = 0; i < DATA_LEN; i++)
        plain[i] = (uint8_t)(i * 7 + i / 256);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_secret_free(auth);
    tpm_fixture_stop(&f);
    kgr_arena_deinit();
    return 0;
}

static int load_keys(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    if (kgr_tpm_load(f.tpm, &enc, &f.storage, &blobs[0], auth, &diag) != KGR_OK ||
        kgr_tpm_load(f.tpm, &mac, &f.storage, &blobs[1], auth, &diag) != KGR_OK)
        return -1;
    return 0;
}

static int release_keys(void **state)
{
    (void)state;
    kgr_tpm_release(f.tpm, &enc);
    kgr_tpm_release(f.tpm, &mac);
    return 0;
}

static enum kgr_error run(enum kgr_tpm_mode mode, enum kgr_tpm_direction direction,
                          uint8_t iv[KGR_IV_LEN], const uint8_t *in, size_t len, uint8_t *out)
{
    return kgr_tpm_cipher(f.tpm, &enc, mode, direction, iv, in, len, out, &diag);
}

static void cipher_round_trips_in_every_mode(void **state)
{
    static const size_t lens[] = {16, 1024, 1040, 4096};

    (void)state;
    for (int mode = KGR_TPM_ECB; mode <= KGR_TPM_OFB; mode++) {
        for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
            uint8_t iv[KGR_IV_LEN] = {1};
            uint8_t iv2[KGR_IV_LEN] = {1};

            assert_int_equal(
                run((enum kgr_tpm_mode)mode, KGR_TPM_ENCRYPT, iv, plain, lens[i], cipher), KGR_OK);
            assert_memory_not_equal(cipher, plain, lens[i]);
            assert_int_equal(
                run((enum kgr_tpm_mode)mode, KGR_TPM_DECRYPT, iv2, cipher, lens[i], again), KGR_OK);
            assert_memory_equal(again, plain, lens[i]);
        }
    }
}

/* A stream in pieces equals the stream at once: the IV handed back is the right one. */
static void cipher_goes_on_where_it_stopped(void **state)
{
    (void)state;
    for (int mode = KGR_TPM_CBC; mode <= KGR_TPM_OFB; mode++) {
        uint8_t iv[KGR_IV_LEN] = {2};
        uint8_t iv2[KGR_IV_LEN] = {2};

        assert_int_equal(run((enum kgr_tpm_mode)mode, KGR_TPM_ENCRYPT, iv, plain, 2064, cipher),
                         KGR_OK);
        assert_int_equal(run((enum kgr_tpm_mode)mode, KGR_TPM_ENCRYPT, iv2, plain, 48, again),
                         KGR_OK);
        assert_int_equal(
            run((enum kgr_tpm_mode)mode, KGR_TPM_ENCRYPT, iv2, plain + 48, 2016, again + 48),
            KGR_OK);
        assert_memory_equal(again, cipher, 2064);
        assert_memory_equal(iv, iv2, sizeof(iv));
    }
}

static void cipher_in_place_and_of_odd_length_works(void **state)
{
    uint8_t iv[KGR_IV_LEN] = {3};

    (void)state;
    memcpy(cipher, plain, 1500);
    assert_int_equal(run(KGR_TPM_CTR, KGR_TPM_ENCRYPT, iv, cipher, 1500, cipher), KGR_OK);
    memset(iv, 0, sizeof(iv));
    iv[0] = 3;
    assert_int_equal(run(KGR_TPM_CTR, KGR_TPM_DECRYPT, iv, cipher, 1500, cipher), KGR_OK);
    assert_memory_equal(cipher, plain, 1500);
}

static void cipher_refuses_parts_of_blocks(void **state)
{
    uint8_t iv[KGR_IV_LEN] = {0};

    (void)state;
    assert_int_equal(run(KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, plain, 17, cipher), KGR_ERR_INVALID);
    assert_int_equal(run(KGR_TPM_ECB, KGR_TPM_DECRYPT, NULL, plain, 15, cipher), KGR_ERR_INVALID);
    assert_int_equal(run((enum kgr_tpm_mode)9, KGR_TPM_ENCRYPT, iv, plain, 16, cipher),
                     KGR_ERR_INVALID);
    assert_int_equal(run(KGR_TPM_ECB, KGR_TPM_ENCRYPT, NULL, plain, 0, cipher), KGR_OK);
}

static void cipher_with_the_mac_key_is_refused(void **state)
{
    uint8_t iv[KGR_IV_LEN] = {0};

    (void)state;
    assert_int_equal(
        kgr_tpm_cipher(f.tpm, &mac, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, plain, 16, cipher, &diag),
        KGR_ERR_TPM);
}

/* One command, a sequence and a stream of odd pieces all make the same HMAC. */
static void hmac_is_the_same_in_every_way(void **state)
{
    static const size_t lens[] = {0, 1, 1024, 1025, 4999};
    uint8_t a[32];
    uint8_t b[32];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        size_t half = lens[i] / 3;
        const struct kgr_slice whole = kgr_slice(plain, lens[i]);
        const struct kgr_slice parts[] = {kgr_slice(plain, half), kgr_slice(NULL, 0),
                                          kgr_slice(plain + half, lens[i] - half)};
        struct kgr_tpm_hmac_stream *stream = NULL;

        assert_int_equal(kgr_tpm_hmac(f.tpm, &mac, &whole, 1, a, sizeof(a), &diag), KGR_OK);
        assert_int_equal(kgr_tpm_hmac(f.tpm, &mac, parts, 3, b, sizeof(b), &diag), KGR_OK);
        assert_memory_equal(a, b, sizeof(a));
        assert_int_equal(kgr_tpm_hmac_start(f.tpm, &stream, &mac, &diag), KGR_OK);
        for (size_t p = 0; p < 3; p++)
            assert_int_equal(kgr_tpm_hmac_update(f.tpm, stream, parts[p], &diag), KGR_OK);
        memset(b, 0, sizeof(b));
        assert_int_equal(kgr_tpm_hmac_final(f.tpm, stream, b, sizeof(b), &diag), KGR_OK);
        assert_memory_equal(a, b, sizeof(a));
        assert_int_equal(kgr_tpm_hmac_final(f.tpm, stream, b, sizeof(b), NULL), KGR_ERR_STATE);
        kgr_tpm_hmac_stream_free(stream);
    }
}

static void hmac_of_another_length_is_refused(void **state)
{
    const struct kgr_slice part = kgr_slice(plain, 5);
    uint8_t out[48];

    (void)state;
    assert_int_equal(kgr_tpm_hmac(f.tpm, &mac, &part, 1, out, 48, &diag), KGR_ERR_TPM);
}

/* Streams stay outside of the TPM between calls: many more of them than slots. */
static void hmac_streams_side_by_side_do_not_mix(void **state)
{
    struct kgr_tpm_hmac_stream *streams[8];
    uint8_t got[32];
    uint8_t want[32];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(streams); i++)
        assert_int_equal(kgr_tpm_hmac_start(f.tpm, &streams[i], &mac, &diag), KGR_OK);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < KGR_ARRAY_LEN(streams); i++)
            assert_int_equal(
                kgr_tpm_hmac_update(f.tpm, streams[i], kgr_slice(plain + i, 10), &diag), KGR_OK);
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(streams); i++) {
        const struct kgr_slice parts[] = {kgr_slice(plain + i, 10), kgr_slice(plain + i, 10),
                                          kgr_slice(plain + i, 10)};

        assert_int_equal(kgr_tpm_hmac_final(f.tpm, streams[i], got, sizeof(got), &diag), KGR_OK);
        assert_int_equal(kgr_tpm_hmac(f.tpm, &mac, parts, 3, want, sizeof(want), &diag), KGR_OK);
        assert_memory_equal(got, want, sizeof(got));
        kgr_tpm_hmac_stream_free(streams[i]);
    }
}

static void hmac_stream_ends_with_a_reset(void **state)
{
    struct kgr_tpm_hmac_stream *stream = NULL;

    (void)state;
    assert_int_equal(kgr_tpm_hmac_start(f.tpm, &stream, &mac, &diag), KGR_OK);
    swtpm_kill(&f.swtpm);
    swtpm_restart(&f.swtpm);
    assert_int_equal(kgr_tpm_hmac_update(f.tpm, stream, kgr_slice(plain, 10), &diag),
                     KGR_ERR_STATE);
    kgr_tpm_hmac_stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cipher_round_trips_in_every_mode, load_keys, release_keys),
        cmocka_unit_test_setup_teardown(cipher_goes_on_where_it_stopped, load_keys, release_keys),
        cmocka_unit_test_setup_teardown(cipher_in_place_and_of_odd_length_works, load_keys,
                                        release_keys),
        cmocka_unit_test_setup_teardown(cipher_refuses_parts_of_blocks, load_keys, release_keys),
        cmocka_unit_test_setup_teardown(cipher_with_the_mac_key_is_refused, load_keys,
                                        release_keys),
        cmocka_unit_test_setup_teardown(hmac_is_the_same_in_every_way, load_keys, release_keys),
        cmocka_unit_test_setup_teardown(hmac_of_another_length_is_refused, load_keys, release_keys),
        cmocka_unit_test_setup_teardown(hmac_streams_side_by_side_do_not_mix, load_keys,
                                        release_keys),
        cmocka_unit_test_setup_teardown(hmac_stream_ends_with_a_reset, load_keys, release_keys),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
