/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/sealed.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "agent/base/secret.h"
#include "agent/keys/keyset.h"
#include "agent/tpm/import.h"
#include "agent/tpm/slots.h"
#include "agent/tpm/wrap.h"
#include "tests/support/tpm_fixture.h"

#define ARENA_LEN 262144

/* A mixed pair in each suite: the same keys resident at one node, sealed at the other. */
static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
static const enum kgr_tpm_form forms[] = {KGR_TPM_KEY, KGR_TPM_DATA};
static struct tpm_fixture nodes[2];
static struct kgr_key_blobs blobs[2][2]; /* suite, node */
static struct kgr_keyset *keys[2][2];
static struct kgr_diag diag;

static int take(size_t s, size_t node, enum kgr_tpm_kind kind, uint8_t *bytes)
{
    struct kgr_tpm_public pub;
    struct kgr_tpm_duplicate duplicate;
    struct kgr_tpm_wrap wrap = {
        .suite = suites[s],
        .kind = kind,
        .form = forms[node],
        .secret = kgr_slice(bytes + KGR_TPM_HASH_LEN, kind == KGR_TPM_ENC
                                                          ? kgr_suite_enc_key_len(suites[s])
                                                          : kgr_suite_mac_key_len(suites[s])),
        .seed = bytes,
        .target = &nodes[node].storage_pub,
    };
    struct kgr_tpm_import import = {
        .parent = &nodes[node].storage,
        .suite = suites[s],
        .kind = kind,
        .form = forms[node],
        .pub = &pub,
        .duplicate = &duplicate,
        .auth = nodes[node].auth,
    };
    struct kgr_tpm_blob *out = kind == KGR_TPM_ENC ? &blobs[s][node].enc : &blobs[s][node].mac;

    return kgr_tpm_wrap(&pub, &duplicate, &wrap) == KGR_OK &&
                   kgr_tpm_import(nodes[node].tpm, out, &import, &diag) == KGR_OK
               ? 0
               : -1;
}

static int make(size_t s, size_t node, uint8_t *bytes)
{
    memset(bytes, 0x40 + (int)s, KGR_TPM_HASH_LEN + KGR_MAC_KEY_MAX);
    if (take(s, node, KGR_TPM_ENC, bytes) != 0)
        return -1;
    memset(bytes, 0x60 + (int)s, KGR_TPM_HASH_LEN + KGR_MAC_KEY_MAX);
    if (take(s, node, KGR_TPM_MAC, bytes) != 0)
        return -1;
    return kgr_keyset_new(&keys[s][node], suites[s], &nodes[node].storage, &blobs[s][node],
                          kgr_tpm_new_key_id(nodes[node].tpm), tpm_fixture_auth(0x5a),
                          kgr_tpm_new_key_id(nodes[node].tpm), tpm_fixture_auth(0x5a)) == KGR_OK
               ? 0
               : -1;
}

static int begin(void **state)
{
    uint8_t *bytes;

    (void)state;
    if (kgr_arena_init(ARENA_LEN) != KGR_OK)
        return -1;
    bytes = kgr_secret_alloc(KGR_TPM_HASH_LEN + KGR_MAC_KEY_MAX);
    for (size_t node = 0; node < 2; node++) {
        tpm_fixture_start(&nodes[node]);
        for (size_t s = 0; s < 2; s++)
            if (make(s, node, bytes) != 0)
                return -1;
    }
    kgr_secret_free(bytes);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t node = 0; node < 2; node++) {
        for (size_t s = 0; s < 2; s++)
            kgr_keyset_free(keys[s][node]);
        tpm_fixture_stop(&nodes[node]);
    }
    kgr_arena_deinit();
    return 0;
}

static int seal_all(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++)
        kgr_keyset_close(keys[s][1]);
    return 0;
}

static struct kgr_keyset_use use_of(size_t s, size_t node)
{
    struct kgr_keyset_use use = {.tpm = nodes[node].tpm, .key = keys[s][node], .diag = &diag};

    return use;
}

static void the_two_ends_open_what_the_other_sealed(void **state)
{
    static const uint8_t iv[KGR_IV_LEN] = {9};
    const struct kgr_slice aad = kgr_slice("header", 6);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct kgr_keyset_use from = use_of(i / 2, i % 2);
        struct kgr_keyset_use to = use_of(i / 2, 1 - i % 2);
        struct kgr_seal_key a = kgr_keyset_use_seal(&from);
        struct kgr_seal_key b = kgr_keyset_use_seal(&to);
        uint8_t sealed[48];
        uint8_t opened[48];
        uint8_t tag[KGR_TAG_MAX];
        size_t tag_len = kgr_suite_tag_len(suites[i / 2]);
        size_t len = 0;

        assert_int_equal(kgr_seal_encrypt(&a, sealed, tag, iv, aad,
                                          kgr_slice("thirty-three bytes of plain text.", 33)),
                         KGR_OK);
        assert_int_equal(kgr_seal_decrypt(&b, opened, &len, iv, aad, kgr_slice(sealed, 48),
                                          kgr_slice(tag, tag_len)),
                         KGR_OK);
        assert_int_equal(len, 33);
        sealed[47] ^= 1;
        assert_int_equal(kgr_seal_decrypt(&b, opened, &len, iv, aad, kgr_slice(sealed, 48),
                                          kgr_slice(tag, tag_len)),
                         KGR_ERR_CORRUPT);
    }
}

/* Every mode continues over calls as the TPM's does, and goes back. */
static void every_mode_agrees_with_the_tpm(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        enum kgr_tpm_mode mode = (enum kgr_tpm_mode)(1 + i % 5);
        uint8_t out[2][96];
        uint8_t ivs[2][KGR_IV_LEN];

        for (size_t node = 0; node < 2; node++) {
            struct kgr_keyset_use use = use_of(i / 5, node);

            memset(out[node], 0x33, 96);
            memset(ivs[node], 0xff, KGR_IV_LEN); /* a counter that overflows */
            for (size_t at = 0; at < 96; at += 32)
                assert_int_equal(kgr_keyset_cipher(&use, mode, KGR_TPM_ENCRYPT, ivs[node],
                                                   out[node] + at, 32, out[node] + at),
                                 KGR_OK);
        }
        assert_memory_equal(out[0], out[1], 96);
        for (size_t node = 0; node < 2; node++) {
            struct kgr_keyset_use use = use_of(i / 5, node);

            memset(ivs[node], 0xff, KGR_IV_LEN);
            assert_int_equal(
                kgr_keyset_cipher(&use, mode, KGR_TPM_DECRYPT, ivs[node], out[node], 96, out[node]),
                KGR_OK);
            for (size_t at = 0; at < 96; at++)
                assert_int_equal(out[node][at], 0x33);
        }
    }
}

/* In parts around the block of the hash. */
static void a_stream_is_the_hmac_of_its_parts(void **state)
{
    static const uint8_t text[300] = {1, 2, 3};

    (void)state;
    for (size_t s = 0; s < 2; s++) {
        size_t hash_len = kgr_suite_hash_len(suites[s]);
        struct kgr_keyset_use use = use_of(s, 1);
        struct kgr_keyset_use resident = use_of(s, 0);
        struct kgr_slice part = kgr_slice(text, sizeof(text));
        uint8_t expected[KGR_HASH_MAX];
        uint8_t mac[KGR_HASH_MAX];

        assert_int_equal(kgr_keyset_hmac(&resident, &part, 1, expected), KGR_OK);
        assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
        assert_memory_equal(mac, expected, hash_len);
        for (size_t step = 1; step <= sizeof(text); step += 37) {
            struct kgr_keyset_stream *stream = NULL;

            assert_int_equal(kgr_keyset_stream_start(&use, &stream), KGR_OK);
            assert_true(kgr_keyset_stream_is_ready(stream));
            kgr_keyset_close(keys[s][1]); /* it needs its key no more */
            for (size_t at = 0; at < sizeof(text); at += step) {
                size_t len = sizeof(text) - at < step ? sizeof(text) - at : step;

                assert_int_equal(
                    kgr_keyset_stream_update(NULL, stream, kgr_slice(text + at, len), &diag),
                    KGR_OK);
            }
            assert_int_equal(kgr_keyset_stream_final(NULL, stream, mac, hash_len - 1, &diag),
                             KGR_ERR_INVALID);
            assert_int_equal(kgr_keyset_stream_final(NULL, stream, mac, hash_len, &diag), KGR_OK);
            assert_memory_equal(mac, expected, hash_len);
            assert_int_equal(kgr_keyset_stream_final(NULL, stream, mac, hash_len, &diag),
                             KGR_ERR_STATE);
            kgr_keyset_stream_free(stream);
        }
    }
}

static void the_key_confirmation_binds_the_same_at_both(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++)
        for (int kind = KGR_TPM_ENC; kind <= KGR_TPM_MAC; kind++)
            assert_true(kgr_slice_equal(kgr_keyset_id(keys[s][0], (enum kgr_tpm_kind)kind),
                                        kgr_keyset_id(keys[s][1], (enum kgr_tpm_kind)kind)));
    assert_false(kgr_slice_equal(kgr_keyset_id(keys[0][0], KGR_TPM_ENC),
                                 kgr_keyset_id(keys[0][0], KGR_TPM_MAC)));
    assert_true(kgr_keyset_is_sealed(keys[0][1]));
    assert_false(kgr_keyset_is_sealed(keys[0][0]));
    assert_false(kgr_keyset_is_ready(keys[0][0])); /* a resident key never is */
}

static void it_is_ready_from_its_first_use_until_it_is_closed(void **state)
{
    struct kgr_slice part = kgr_slice("abc", 3);
    struct kgr_keyset_use use = use_of(0, 1);
    struct kgr_keyset_use without = use;
    uint8_t mac[KGR_HASH_MAX];

    (void)state;
    without.tpm = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_false(kgr_keyset_is_ready(keys[0][1]));
        assert_int_equal(kgr_keyset_hmac(&without, &part, 1, mac), KGR_ERR_STATE);
        assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
        assert_int_equal(kgr_tpm_num_loaded(nodes[1].tpm), 0);
        assert_true(kgr_keyset_is_ready(keys[0][1]));
        assert_int_equal(kgr_keyset_hmac(&without, &part, 1, mac), KGR_OK);
        kgr_keyset_unload(keys[0][1], nodes[1].tpm);
    }
}

struct user {
    const uint8_t *want;
    size_t wrong;
};

static void *use_often(void *arg)
{
    struct user *user = arg;
    struct kgr_slice part = kgr_slice("abc", 3);
    struct kgr_diag own = {{0}};
    struct kgr_keyset_use use = {.tpm = NULL, .key = keys[0][1], .diag = &own};
    uint8_t mac[KGR_HASH_MAX];

    for (size_t i = 0; i < 4000; i++) {
        enum kgr_error err = kgr_keyset_hmac(&use, &part, 1, mac);

        (void)kgr_keyset_is_ready(keys[0][1]);
        if (err != KGR_ERR_STATE && (err != KGR_OK || memcmp(mac, user->want, 32) != 0))
            user->wrong++;
    }
    return NULL;
}

/* Any thread uses the keys while the worker unseals and closes them: each use has all of them, or is told that they are sealed. */
static void uses_and_closings_do_not_disturb_each_other(void **state)
{
    struct kgr_slice part = kgr_slice("abc", 3);
    struct kgr_keyset_use use = use_of(0, 1);
    uint8_t want[KGR_HASH_MAX];
    struct user users[3];
    pthread_t threads[3];

    (void)state;
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, want), KGR_OK);
    for (size_t i = 0; i < 3; i++) {
        users[i] = (struct user){.want = want};
        assert_int_equal(pthread_create(&threads[i], NULL, use_often, &users[i]), 0);
    }
    for (size_t i = 0; i < 100; i++) {
        uint8_t mac[KGR_HASH_MAX];

        kgr_keyset_close(keys[0][1]);
        assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
        assert_memory_equal(mac, want, 32);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(users[i].wrong, 0);
    }
}

/* KGR_SLOT_CYCLES of unseal, use and close: 200, and 10,000 in the slow test. */
static void many_cycles_leave_nothing_in_the_tpm_and_the_arena(void **state)
{
    const char *wanted = getenv("KGR_SLOT_CYCLES");
    unsigned long num = wanted == NULL ? 200 : strtoul(wanted, NULL, 10);
    unsigned int sessions = tpm_fixture_loaded(&nodes[1], TPM2_LOADED_SESSION_FIRST);
    struct kgr_slice part = kgr_slice("abc", 3);
    uint8_t mac[KGR_HASH_MAX];
    void *room;

    (void)state;
    for (unsigned long i = 0; i < num; i++) {
        struct kgr_keyset_use use = use_of(i % 2, 1);

        assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
        kgr_keyset_close(keys[i % 2][1]);
    }
    assert_int_equal(tpm_fixture_loaded(&nodes[1], TPM2_TRANSIENT_FIRST), 0);
    assert_int_equal(tpm_fixture_loaded(&nodes[1], TPM2_LOADED_SESSION_FIRST), sessions);
    room = kgr_secret_alloc(ARENA_LEN / 2);
    assert_non_null(room);
    kgr_secret_free(room);
}

/* When the arena is full a use says so, and nothing is lost: with room again it works. */
static void full_arena_refuses_a_key_and_keeps_it(void **state)
{
    struct kgr_slice part = kgr_slice("abc", 3);
    struct kgr_keyset_use use = use_of(1, 1);
    static void *taken[8192];
    size_t num = 0;
    uint8_t mac[KGR_HASH_MAX];

    (void)state;
    memset(&diag, 0, sizeof(diag));
    while (num < KGR_ARRAY_LEN(taken) && (taken[num] = kgr_secret_alloc(16)) != NULL)
        num++;
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_ERR_NO_MEMORY);
    assert_non_null(strstr(diag.text, "arena"));
    assert_false(kgr_keyset_is_ready(keys[1][1]));
    while (num > 0)
        kgr_secret_free(taken[--num]);
    assert_int_equal(kgr_keyset_hmac(&use, &part, 1, mac), KGR_OK);
}

/* refused: the keys of these blobs cannot be used, and that is the TPM's word, not one on the data. */
static void refused(const struct kgr_key_blobs *bad)
{
    static const uint8_t iv[KGR_IV_LEN];
    struct kgr_keyset *key = NULL;
    struct kgr_keyset_use use = use_of(0, 1);
    struct kgr_seal_key seal;
    uint8_t out[16];
    uint8_t tag[KGR_TAG_MAX];

    assert_int_equal(kgr_keyset_new(&key, suites[0], &nodes[1].storage, bad, 0,
                                    tpm_fixture_auth(0x5a), 0, tpm_fixture_auth(0x5a)),
                     KGR_OK);
    use.key = key;
    seal = kgr_keyset_use_seal(&use);
    assert_int_equal(kgr_seal_encrypt(&seal, out, tag, iv, kgr_slice(NULL, 0), kgr_slice("x", 1)),
                     KGR_ERR_TPM);
    assert_false(kgr_keyset_is_ready(key));
    kgr_keyset_free(key);
}

static void a_blob_of_another_key_is_no_verdict_on_the_data(void **state)
{
    struct kgr_key_blobs *bad = malloc(sizeof(*bad));

    (void)state;
    assert_non_null(bad);
    *bad = blobs[0][1];
    bad->enc.priv.bytes[bad->enc.priv.len - 1] ^= 1;
    refused(bad);
    *bad = blobs[0][1];
    bad->mac.priv = blobs[1][1].mac.priv; /* of another key below the same parent */
    refused(bad);
    bad->mac = blobs[1][1].mac; /* all of it: its length is another */
    refused(bad);
    free(bad);
}

static void it_takes_data_objects_only(void **state)
{
    struct kgr_sealed_key *key = NULL;
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x5a);

    (void)state;
    assert_int_equal(
        kgr_sealed_key_new(&key, suites[0], &nodes[1].storage, &blobs[0][0], auth, auth),
        KGR_ERR_CORRUPT);
    kgr_secret_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_two_ends_open_what_the_other_sealed, seal_all),
        cmocka_unit_test_setup(every_mode_agrees_with_the_tpm, seal_all),
        cmocka_unit_test_setup(a_stream_is_the_hmac_of_its_parts, seal_all),
        cmocka_unit_test_setup(the_key_confirmation_binds_the_same_at_both, seal_all),
        cmocka_unit_test_setup(it_is_ready_from_its_first_use_until_it_is_closed, seal_all),
        cmocka_unit_test_setup(uses_and_closings_do_not_disturb_each_other, seal_all),
        cmocka_unit_test_setup(many_cycles_leave_nothing_in_the_tpm_and_the_arena, seal_all),
        cmocka_unit_test_setup(full_arena_refuses_a_key_and_keeps_it, seal_all),
        cmocka_unit_test_setup(a_blob_of_another_key_is_no_verdict_on_the_data, seal_all),
        cmocka_unit_test_setup(it_takes_data_objects_only, seal_all),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
