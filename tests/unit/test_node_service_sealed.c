/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/fast.h"

#include "agent/seal/software.h"
#include "tests/support/node_pair.h"
#include "tests/unit/batch_checks.h"

#include <pthread.h>
#include <stdatomic.h>

/* Sealed custody: what the fast path answers is what the loop answers. */

static atomic_uint answered; /* by the fast path */

bool __real_kgr_fast_handle(struct kgr_views *views, const struct kgr_fast_request *request,
                            struct kgr_wr *reply);
bool __wrap_kgr_fast_handle(struct kgr_views *views, const struct kgr_fast_request *request,
                            struct kgr_wr *reply);
bool __wrap_kgr_fast_handle(struct kgr_views *views, const struct kgr_fast_request *request,
                            struct kgr_wr *reply)
{
    bool done = __real_kgr_fast_handle(views, request, reply);

    if (done)
        answered++;
    return done;
}

/* Both keys are in memory after this, and published. */
static void warm(void)
{
    for (int i = 0; i < 2; i++) {
        batch_comes_back(&ends[0], &ends[1], 1, 10, 100);
        batch_comes_back(&ends[1], &ends[0], 1, 10, 100);
    }
    answered = 0;
}

static void every_operation_is_fast_when_the_key_is_in_memory(void **state)
{
    const struct kgr_key key = node_pair_key(&ends[0], 0);
    const struct kgr_key named = node_pair_key(&ends[1], 1);
    uint8_t iv[16] = {1};
    uint8_t back[16] = {1};
    uint8_t data[48] = "plaintext";
    uint8_t mac[2][KGR_MAC_MAX];
    size_t len;

    (void)state;
    warm();
    for (int mode = KGR_MODE_ECB; mode <= KGR_MODE_OFB; mode++) {
        memset(iv, mode, sizeof(iv));
        memset(back, mode, sizeof(back));
        assert_int_equal(
            kgr_encrypt(ends[0].client, &key, (enum kgr_mode)mode, iv, data, sizeof(data), data),
            KGR_OK);
        assert_memory_not_equal(data, "plaintext", 9);
        assert_int_equal(kgr_decrypt(ends[1].client, &named, (enum kgr_mode)mode, back, data,
                                     sizeof(data), data),
                         KGR_OK);
        assert_memory_equal(data, "plaintext", 9);
        assert_memory_equal(iv, back, 16);
    }
    assert_int_equal(answered, 10);
    assert_int_equal(kgr_mac(ends[0].client, &key, data, sizeof(data), mac[0], &len), KGR_OK);
    assert_int_equal(kgr_mac(ends[1].client, &named, data, sizeof(data), mac[1], &len), KGR_OK);
    assert_memory_equal(mac[0], mac[1], 32);
    assert_int_equal(answered, 12);
    batch_comes_back(&ends[0], &ends[1], 20, 31, 400);
    assert_int_equal(answered, 14);
    single_calls_open_what_a_batch_sealed_and_the_reverse(state);
    assert_int_equal(answered, 14 + 1 + 10 + 1 + 1);
}

/* A record that the test makes itself, under the keys that it knows. */
static void records_are_what_the_protocol_says(void **state)
{
    uint8_t bytes[48];
    struct kgr_software_key *keys = NULL;
    struct kgr_seal_key seal;
    struct kgr_record record;
    uint8_t text[64];
    uint8_t tag[KGR_TAG_MAX];

    (void)state;
    warm();
    memset(bytes, NODE_PAIR_ENC_BYTE, 16);
    memset(bytes + 16, NODE_PAIR_MAC_BYTE, 32);
    assert_int_equal(kgr_software_key_new(&keys, KGR_SUITE_AES128_SHA256, kgr_slice(bytes, 16),
                                          kgr_slice(bytes + 16, 32)),
                     KGR_OK);
    seal = kgr_software_key_seal(keys);
    batch_seal(&ends[0], 9, 7, 60);
    for (size_t i = 0; i < 9; i++) {
        uint8_t aad[KGR_RECORD_HEADER_LEN + 11];

        assert_int_equal(kgr_record_decode(&record, kgr_slice(batch_records[i], batch_lens[i])),
                         KGR_OK);
        assert_int_equal(record.header.role, 1);
        assert_int_equal(record.header.generation, 1);
        memcpy(aad, record.aad.p, KGR_RECORD_HEADER_LEN);
        memcpy(aad + KGR_RECORD_HEADER_LEN, "associated", i % 11);
        assert_int_equal(kgr_seal_encrypt(&seal, text, tag, record.iv,
                                          kgr_slice(aad, KGR_RECORD_HEADER_LEN + i % 11),
                                          kgr_slice(batch_plain, 7 * i)),
                         KGR_OK);
        assert_true(kgr_slice_equal(record.body, kgr_slice(text, record.body.len)));
        assert_true(kgr_slice_equal(record.tag, kgr_slice(tag, 16)));
    }
    kgr_software_key_free(keys);
    assert_int_equal(answered, 1);
}

static void flaws_have_the_same_words_on_both_paths(void **state)
{
    uint8_t plain[256];
    char reason[KGR_DIAG_MAX];
    char single[KGR_DIAG_MAX];
    size_t len;

    (void)state;
    warm();
    for (int flaw = 0; flaw < 3; flaw++) {
        enum kgr_error err;

        batch_seal(flaw == 2 ? &ends[1] : &ends[0], 1, 0, 1);
        if (flaw == 0)
            batch_records[0][batch_lens[0] - 1] ^= 1;
        if (flaw == 1)
            batch_records[0][8] ^= 3; /* its suite */
        err = kgr_open(ends[1].client, node_pair_peer(&ends[1]), false, NULL, 0, batch_records[0],
                       batch_lens[0], plain, sizeof(plain), &len);
        (void)kgr_client_reason(single, sizeof(single));
        assert_int_equal(batch_open(&ends[1], 1), err);
        assert_int_equal(err, KGR_ERR_CORRUPT);
        assert_string_equal(single, kgr_client_reason(reason, sizeof(reason)));
    }
}

static void counts_are_refilled_beside_the_loop(void **state)
{
    (void)state;
    warm();
    for (int i = 0; i < 40; i++) /* each is one request */
        batch_comes_back(&ends[0], &ends[1], 70, 1, 16);
    /* One of ten may come when the next block is not stored yet. */
    assert_in_range(answered, 70, 80);
}

static void a_clean_stop_keeps_the_window(void **state)
{
    (void)state;
    warm();
    batch_seal(&ends[0], 10, 10, 100);
    assert_int_equal(batch_open(&ends[1], 5), KGR_OK);
    node_pair_stop();
    node_pair_start(true);
    assert_int_equal(batch_open(&ends[1], 10), KGR_ERR_REPLAY);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(batch_items[i].error, i < 5 ? KGR_ERR_REPLAY : KGR_OK);
}

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
        cmocka_unit_test_setup_teardown(every_operation_is_fast_when_the_key_is_in_memory,
                                        node_pair_setup, node_pair_teardown),
        cmocka_unit_test_setup_teardown(records_are_what_the_protocol_says, node_pair_setup,
                                        node_pair_teardown),
        cmocka_unit_test_setup_teardown(flaws_have_the_same_words_on_both_paths, node_pair_setup,
                                        node_pair_teardown),
        cmocka_unit_test_setup_teardown(counts_are_refilled_beside_the_loop, node_pair_setup,
                                        node_pair_teardown),
        cmocka_unit_test_setup_teardown(a_clean_stop_keeps_the_window, node_pair_setup,
                                        node_pair_teardown),
    };

    node_pair_sealed = true;
    return cmocka_run_group_tests(tests, node_pair_group_setup, node_pair_group_teardown);
}
