/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/service.h"

#include "agent/base/clock.h"
#include "agent/tpm/symmetric.h"
#include "agent/tpm/worker.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/record.h"
#include "tests/support/node_pair.h"
#include "tests/unit/batch_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Records and the raw doors, between two nodes. */

/* The next job, or the next part of a MAC, is refused: by a full queue, by the TPM. */
static atomic_bool refuse_job;
static atomic_bool refuse_update;

enum kgr_error __real_kgr_tpm_worker_submit(struct kgr_tpm_worker *worker,
                                            enum kgr_tpm_priority priority,
                                            const struct kgr_tpm_job *job);
enum kgr_error __wrap_kgr_tpm_worker_submit(struct kgr_tpm_worker *worker,
                                            enum kgr_tpm_priority priority,
                                            const struct kgr_tpm_job *job);
enum kgr_error __wrap_kgr_tpm_worker_submit(struct kgr_tpm_worker *worker,
                                            enum kgr_tpm_priority priority,
                                            const struct kgr_tpm_job *job)
{
    if (priority == KGR_TPM_BULK && atomic_exchange(&refuse_job, false))
        return KGR_ERR_BUSY;
    return __real_kgr_tpm_worker_submit(worker, priority, job);
}

enum kgr_error __real_kgr_tpm_hmac_update(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                                          struct kgr_slice data, struct kgr_diag *diag);
enum kgr_error __wrap_kgr_tpm_hmac_update(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                                          struct kgr_slice data, struct kgr_diag *diag);
enum kgr_error __wrap_kgr_tpm_hmac_update(struct kgr_tpm *tpm, struct kgr_tpm_hmac_stream *stream,
                                          struct kgr_slice data, struct kgr_diag *diag)
{
    if (atomic_exchange(&refuse_update, false))
        return KGR_ERR_TPM;
    return __real_kgr_tpm_hmac_update(tpm, stream, data, diag);
}

/* Records */

#define SEAL(end, stored, out, out_len)                                                            \
    kgr_seal((end)->client, node_pair_peer(end), stored, (const uint8_t *)"aad", 3,                \
             (const uint8_t *)"plaintext", 9, out, sizeof(out), &(out_len))
#define OPEN(end, stored, in, in_len, out, out_len)                                                \
    kgr_open((end)->client, node_pair_peer(end), stored, (const uint8_t *)"aad", 3, in, in_len,    \
             out, sizeof(out), &(out_len))

static void record_opens_once(void **state)
{
    uint8_t record[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, record, record_len), KGR_OK);
    assert_int_equal(record_len, kgr_record_len(KGR_SUITE_AES128_SHA256, 9));
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_OK);
    assert_int_equal(len, 9);
    assert_memory_equal(plain, "plaintext", 9);
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[1], true, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_ERR_CORRUPT);
}

static void stored_record_opens_as_often_as_wanted(void **state)
{
    uint8_t record[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[1], true, record, record_len), KGR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(OPEN(&ends[0], true, record, record_len, plain, len), KGR_OK);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_OK);
    assert_int_equal(OPEN(&ends[0], false, record, record_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(OPEN(&ends[0], true, record, record_len, plain, len), KGR_OK);
}

static void spoiled_record_is_corrupt_and_spoils_nothing(void **state)
{
    uint8_t record[256];
    uint8_t spoiled[256];
    uint8_t plain[256];
    size_t record_len = 0;
    size_t len = 0;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, record, record_len), KGR_OK);
    for (size_t i = 0; i < record_len; i++) {
        enum kgr_error err;

        memcpy(spoiled, record, record_len);
        spoiled[i] ^= 1;
        err = OPEN(&ends[1], false, spoiled, record_len, plain, len);
        /* Another generation is one that is not there (0 is none); a lower sequence was seen. */
        if (i >= 12 && i < 19)
            assert_int_equal(err, KGR_ERR_NO_KEY);
        else if (err != KGR_ERR_CORRUPT)
            assert_true(i >= 20 && i < 28 && err == KGR_ERR_REPLAY);
    }
    for (size_t i = 0; i < record_len; i++)
        assert_int_equal(OPEN(&ends[1], false, record, i, plain, len), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_open(ends[1].client, node_pair_peer(&ends[1]), false, NULL, 0, record,
                              record_len, plain, sizeof(plain), &len),
                     KGR_ERR_CORRUPT);
    assert_int_equal(OPEN(&ends[1], false, record, record_len, plain, len), KGR_OK);
}

static void restart_keeps_what_was_used_and_seen(void **state)
{
    uint8_t first[256];
    uint8_t second[256];
    uint8_t plain[256];
    size_t first_len = 0;
    size_t second_len = 0;
    size_t len = 0;
    struct kgr_record before;
    struct kgr_record after;

    (void)state;
    assert_int_equal(SEAL(&ends[0], false, first, first_len), KGR_OK);
    assert_int_equal(OPEN(&ends[1], false, first, first_len, plain, len), KGR_OK);
    node_pair_stop();
    node_pair_start(true);
    assert_int_equal(OPEN(&ends[1], false, first, first_len, plain, len), KGR_ERR_REPLAY);
    assert_int_equal(SEAL(&ends[0], false, second, second_len), KGR_OK);
    assert_int_equal(OPEN(&ends[1], false, second, second_len, plain, len), KGR_OK);
    assert_int_equal(kgr_record_decode(&before, kgr_slice(first, first_len)), KGR_OK);
    assert_int_equal(kgr_record_decode(&after, kgr_slice(second, second_len)), KGR_OK);
    assert_true(after.header.sequence == before.header.sequence + 1);
}

static void without_lease_keys_are_kept_and_not_used(void **state)
{
    struct kgr_key key = node_pair_key(&ends[0], 0);
    struct kgr_peer peer;
    uint8_t record[256];
    uint8_t iv[16] = {0};
    uint8_t mac[KGR_MAC_MAX];
    size_t len = 0;

    (void)state;
    node_pair_stop();
    node_pair_start(false);
    assert_int_equal(SEAL(&ends[0], false, record, len), KGR_ERR_LEASE);
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CBC, iv, record, 16, record),
                     KGR_ERR_LEASE);
    assert_int_equal(kgr_mac(ends[0].client, &key, record, 1, mac, &len), KGR_ERR_LEASE);
    assert_int_equal(kgr_get_key(ends[0].client, &key, &peer), KGR_OK);
    assert_false(peer.may_send);
    assert_false(peer.may_receive);
    assert_int_equal(peer.generation, 1);
}

/* The raw doors */

static void cipher_modes_agree_at_both_ends(void **state)
{
    static const enum kgr_mode modes[] = {KGR_MODE_ECB, KGR_MODE_CBC, KGR_MODE_CTR, KGR_MODE_CFB,
                                          KGR_MODE_OFB};
    struct kgr_key a = node_pair_key(&ends[0], 0);
    struct kgr_key b = node_pair_key(&ends[1], 1);
    static uint8_t plain[20000];
    static uint8_t whole[20000];
    static uint8_t parts[20000];
    static uint8_t back[20000];

    (void)state;
    kgr_random(plain, sizeof(plain));
    for (size_t i = 0; i < KGR_ARRAY_LEN(modes); i++) {
        uint8_t iv1[16] = {9};
        uint8_t iv2[16] = {9};
        uint8_t iv3[16] = {9};

        assert_int_equal(
            kgr_encrypt(ends[0].client, &a, modes[i], iv1, plain, sizeof(plain), whole), KGR_OK);
        assert_memory_not_equal(plain, whole, sizeof(plain));
        assert_int_equal(kgr_encrypt(ends[0].client, &a, modes[i], iv2, plain, 4096, parts),
                         KGR_OK);
        assert_int_equal(kgr_encrypt(ends[0].client, &a, modes[i], iv2, plain + 4096,
                                     sizeof(plain) - 4096, parts + 4096),
                         KGR_OK);
        assert_memory_equal(whole, parts, sizeof(whole));
        assert_int_equal(kgr_decrypt(ends[1].client, &b, modes[i], iv3, whole, sizeof(whole), back),
                         KGR_OK);
        assert_memory_equal(plain, back, sizeof(plain));
    }
}

static void cipher_of_half_a_block_is_invalid(void **state)
{
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint8_t iv[16] = {0};
    uint8_t data[16] = {0};

    (void)state;
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CBC, iv, data, 15, data),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_encrypt(ends[0].client, &key, KGR_MODE_CTR, iv, data, 15, data), KGR_OK);
}

static void mac_in_parts_is_the_mac_of_the_whole(void **state)
{
    struct kgr_key a = node_pair_key(&ends[0], 0);
    struct kgr_key b = node_pair_key(&ends[1], 0);
    static uint8_t data[30000];
    uint8_t whole[KGR_MAC_MAX];
    uint8_t parts[KGR_MAC_MAX];
    size_t len = 0;
    uint32_t id = 0;

    (void)state;
    kgr_random(data, sizeof(data));
    assert_int_equal(kgr_mac(ends[0].client, &a, data, sizeof(data), whole, &len), KGR_OK);
    assert_int_equal(len, 32);
    assert_int_equal(kgr_mac_start(ends[1].client, &b, &id), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data, 1), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data + 1, 9999), KGR_OK);
    assert_int_equal(kgr_mac_update(ends[1].client, id, data + 10000, 20000), KGR_OK);
    assert_int_equal(kgr_mac_final(ends[1].client, id, parts, &len), KGR_OK);
    assert_memory_equal(whole, parts, 32);
    assert_int_equal(kgr_mac_final(ends[1].client, id, parts, &len), KGR_ERR_STATE);
}

static void mac_of_what_looks_like_a_record_is_refused(void **state)
{
    const uint8_t *magics[] = {kgr_record_magic, kgr_kc_magic};
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint8_t data[32] = {0};
    uint8_t mac[KGR_MAC_MAX];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint32_t id = 0;

        memcpy(data, magics[i], 8);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, sizeof(data), mac, &len),
                         KGR_ERR_INVALID);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, 8, mac, &len), KGR_ERR_INVALID);
        assert_int_equal(kgr_mac(ends[0].client, &key, data, 7, mac, &len), KGR_OK);
        assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_OK);
        for (size_t j = 0; j < 7; j++)
            assert_int_equal(kgr_mac_update(ends[0].client, id, data + j, 1), KGR_OK);
        assert_int_equal(kgr_mac_update(ends[0].client, id, data + 7, 1), KGR_ERR_INVALID);
        assert_int_equal(kgr_mac_final(ends[0].client, id, mac, &len), KGR_ERR_STATE);
    }
}

static void mac_stream_that_lost_a_part_is_dead(void **state)
{
    atomic_bool *refusals[] = {&refuse_job, &refuse_update};
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint8_t mac[KGR_MAC_MAX];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint32_t id = 0;

        assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_OK);
        atomic_store(refusals[i], true);
        assert_int_equal(kgr_mac_update(ends[0].client, id, (const uint8_t *)"8 bytes.", 8),
                         i == 0 ? KGR_ERR_BUSY : KGR_ERR_TPM);
        /* Now the TPM's input would begin here. */
        assert_int_equal(kgr_mac_update(ends[0].client, id, kgr_record_magic, 8), KGR_ERR_STATE);
        assert_int_equal(kgr_mac_final(ends[0].client, id, mac, &len), KGR_ERR_STATE);
    }
}

static void mac_stream_that_did_not_start_takes_no_place(void **state)
{
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint32_t id = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        atomic_store(&refuse_job, true);
        assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_ERR_BUSY);
    }
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &id), KGR_OK);
}

static void mac_streams_are_bounded(void **state)
{
    struct kgr_key key = node_pair_key(&ends[0], 0);
    uint32_t ids[4];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[i]), KGR_OK);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[3]), KGR_ERR_QUOTA);
    kgr_mac_abort(ends[0].client, ids[1]);
    assert_int_equal(kgr_mac_start(ends[0].client, &key, &ids[3]), KGR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_pair_setup, node_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches_open_at_the_other_end, node_pair_setup,
                                        node_pair_teardown),
        cmocka_unit_test_setup_teardown(single_calls_open_what_a_batch_sealed_and_the_reverse,
                                        node_pair_setup, node_pair_teardown),
        cmocka_unit_test_setup_teardown(a_forged_record_spoils_no_other, node_pair_setup,
                                        node_pair_teardown),
        cmocka_unit_test_setup_teardown(a_batch_that_cannot_be_asked_for_does_nothing,
                                        node_pair_setup, node_pair_teardown),
        TEST(record_opens_once),
        TEST(stored_record_opens_as_often_as_wanted),
        TEST(spoiled_record_is_corrupt_and_spoils_nothing),
        TEST(restart_keeps_what_was_used_and_seen),
        TEST(without_lease_keys_are_kept_and_not_used),
        TEST(cipher_modes_agree_at_both_ends),
        TEST(cipher_of_half_a_block_is_invalid),
        TEST(mac_in_parts_is_the_mac_of_the_whole),
        TEST(mac_of_what_looks_like_a_record_is_refused),
        TEST(mac_streams_are_bounded),
        TEST(mac_stream_that_lost_a_part_is_dead),
        TEST(mac_stream_that_did_not_start_takes_no_place),
    };

    return cmocka_run_group_tests(tests, node_pair_group_setup, node_pair_group_teardown);
}
