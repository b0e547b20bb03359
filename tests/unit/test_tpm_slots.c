/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "agent/base/secret.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/object.h"
#include "agent/tpm/symmetric.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

#define NUM_KEYS 80 /* more than the cache remembers */

static struct tpm_fixture f;
static struct kgr_tpm_auth *auth;
static struct kgr_tpm_blob blobs[NUM_KEYS];
static struct kgr_diag diag;

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
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (kgr_tpm_give_birth(f.tpm, &born[0], &born[1], &birth, &diag) != KGR_OK)
            return -1;
        blobs[i].pub = born[0].pub;
        blobs[i].priv = born[0].kept;
    }
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

static int fresh(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    kgr_tpm_flush_keys(f.tpm);
    for (uint64_t id = 1; id <= NUM_KEYS; id++)
        kgr_tpm_forget_key(f.tpm, id);
    return 0;
}

static enum kgr_error do_encrypt(struct kgr_tpm *tpm, const struct kgr_tpm_object *key, void *arg,
                                 struct kgr_diag *d)
{
    static const uint8_t zeroes[16];
    uint8_t iv[KGR_IV_LEN] = {0};

    return kgr_tpm_cipher(tpm, key, KGR_TPM_CBC, KGR_TPM_ENCRYPT, iv, zeroes, sizeof(zeroes), arg,
                          d);
}

static enum kgr_error use(size_t i, uint8_t out[16])
{
    const struct kgr_tpm_loadable key = {
        .id = i + 1, .parent = &f.storage, .blob = &blobs[i], .auth = auth};

    return kgr_tpm_use_key(f.tpm, &key, do_encrypt, out, &diag);
}

static void slots_serve_many_keys_with_few_slots(void **state)
{
    static uint8_t first[NUM_KEYS][16];
    uint8_t now[16];

    (void)state;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < NUM_KEYS; i++) {
            assert_int_equal(use(i, round == 0 ? first[i] : now), KGR_OK);
            assert_in_range(kgr_tpm_num_loaded(f.tpm), 1, 2);
            if (round > 0)
                assert_memory_equal(now, first[i], 16);
        }
    }
    for (size_t i = 1; i < NUM_KEYS; i++)
        assert_memory_not_equal(first[i], first[0], 16);
}

static void slots_keep_the_two_last_used(void **state)
{
    uint8_t out[16];
    unsigned int before;

    (void)state;
    assert_int_equal(use(0, out), KGR_OK);
    assert_int_equal(use(1, out), KGR_OK);
    before = tpm_tap.num_commands;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(use(0, out), KGR_OK);
        assert_int_equal(use(1, out), KGR_OK);
    }
    assert_int_equal(tpm_tap.num_commands - before, 20);
    assert_int_equal(use(2, out), KGR_OK); /* pushes 0 out */
    before = tpm_tap.num_commands;
    assert_int_equal(use(1, out), KGR_OK);
    assert_int_equal(tpm_tap.num_commands - before, 1);
}

static void slots_leave_nothing_behind(void **state)
{
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(use(i, out), KGR_OK);
    kgr_tpm_flush_keys(f.tpm);
    assert_int_equal(kgr_tpm_num_loaded(f.tpm), 0);
    /* All three slots are free again, or this would not work. */
    for (int i = 0; i < 3; i++) {
        struct kgr_tpm_object ek[3];
        struct kgr_tpm_public pub;

        for (size_t k = 0; k < 3; k++)
            assert_int_equal(kgr_tpm_ek(f.tpm, &ek[k], &pub, &diag), KGR_OK);
        for (size_t k = 0; k < 3; k++)
            kgr_tpm_release(f.tpm, &ek[k]);
    }
}

/* KGR_SLOT_CYCLES of them: 500, and 10,000 in the slow test. */
static void slots_leak_nothing_in_many_cycles(void **state)
{
    const char *wanted = getenv("KGR_SLOT_CYCLES");
    unsigned long num = wanted == NULL ? 500 : strtoul(wanted, NULL, 10);
    unsigned int sessions = tpm_fixture_loaded(&f, TPM2_LOADED_SESSION_FIRST);
    uint8_t out[16];

    (void)state;
    for (unsigned long i = 0; i < num; i++) {
        size_t k = i % 5; /* never the one or the other that is loaded */

        assert_int_equal(use(k, out), KGR_OK);
        if (i % 7 == 0) /* and from the blob, not the context */
            kgr_tpm_forget_key(f.tpm, k + 1);
    }
    assert_int_equal(tpm_fixture_loaded(&f, TPM2_TRANSIENT_FIRST), kgr_tpm_num_loaded(f.tpm));
    assert_int_equal(tpm_fixture_loaded(&f, TPM2_LOADED_SESSION_FIRST), sessions);
    kgr_tpm_flush_keys(f.tpm);
    assert_int_equal(tpm_fixture_loaded(&f, TPM2_TRANSIENT_FIRST), 0);
}

/* Somebody else took the slots: what we hold ourselves is given up before the command fails. */
static void slots_give_way_when_the_tpm_is_full(void **state)
{
    struct kgr_tpm_object ek;
    struct kgr_tpm_public pub;
    uint8_t out[16];

    (void)state;
    assert_int_equal(kgr_tpm_ek(f.tpm, &ek, &pub, &diag), KGR_OK);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(use(i % 3, out), KGR_OK);
    kgr_tpm_release(f.tpm, &ek);
}

static void slots_survive_a_reset(void **state)
{
    uint8_t before[3][16];
    uint8_t after[16];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(use(i, before[i]), KGR_OK);
    swtpm_kill(&f.swtpm);
    swtpm_restart(&f.swtpm);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(use(i, after), KGR_OK);
        assert_memory_equal(after, before[i], 16);
    }
}

static void slots_reload_a_key_that_somebody_flushed(void **state)
{
    uint8_t before[16];
    uint8_t after[16];

    (void)state;
    assert_int_equal(use(0, before), KGR_OK);
    tpm_tap.answer = TPM2_RC_REFERENCE_H0;
    tpm_tap.answer_times = 1;
    assert_int_equal(use(0, after), KGR_OK);
    assert_memory_equal(after, before, 16);
    assert_string_equal(diag.text, "");
}

static void slots_forget_a_key_that_was_replaced(void **state)
{
    struct kgr_tpm_loadable key = {.id = 1, .parent = &f.storage, .blob = &blobs[0], .auth = auth};
    uint8_t a[16];
    uint8_t b[16];

    (void)state;
    assert_int_equal(kgr_tpm_use_key(f.tpm, &key, do_encrypt, a, &diag), KGR_OK);
    kgr_tpm_forget_key(f.tpm, 1);
    assert_int_equal(kgr_tpm_num_loaded(f.tpm), 0);
    key.blob = &blobs[1];
    assert_int_equal(kgr_tpm_use_key(f.tpm, &key, do_encrypt, b, &diag), KGR_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    key.id = 0;
    assert_int_equal(kgr_tpm_use_key(f.tpm, &key, do_encrypt, b, &diag), KGR_ERR_INVALID);
}

static void slots_refuse_a_damaged_blob(void **state)
{
    struct kgr_tpm_blob bad = blobs[0];
    const struct kgr_tpm_loadable key = {.id = 1, .parent = &f.storage, .blob = &bad, .auth = auth};
    uint8_t out[16];

    (void)state;
    bad.priv.bytes[50] ^= 1;
    assert_int_equal(kgr_tpm_use_key(f.tpm, &key, do_encrypt, out, &diag), KGR_ERR_CORRUPT);
    kgr_tpm_forget_key(f.tpm, 1);
    bad = blobs[0];
    bad.pub.bytes[20] ^= 1;
    assert_int_equal(kgr_tpm_use_key(f.tpm, &key, do_encrypt, out, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_num_loaded(f.tpm), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(slots_serve_many_keys_with_few_slots, fresh),
        cmocka_unit_test_setup(slots_keep_the_two_last_used, fresh),
        cmocka_unit_test_setup(slots_leave_nothing_behind, fresh),
        cmocka_unit_test_setup(slots_leak_nothing_in_many_cycles, fresh),
        cmocka_unit_test_setup(slots_give_way_when_the_tpm_is_full, fresh),
        cmocka_unit_test_setup(slots_survive_a_reset, fresh),
        cmocka_unit_test_setup(slots_reload_a_key_that_somebody_flushed, fresh),
        cmocka_unit_test_setup(slots_forget_a_key_that_was_replaced, fresh),
        cmocka_unit_test_setup(slots_refuse_a_damaged_blob, fresh),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
