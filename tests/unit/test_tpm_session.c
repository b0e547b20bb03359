/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "agent/base/secret.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture f;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    tpm_tap_reset();
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    tpm_fixture_start(&f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tpm_tap_reset();
    tpm_fixture_stop(&f);
    kgr_arena_deinit();
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
    return 0;
}

static void session_with_the_pinned_name_starts(void **state)
{
    uint8_t bytes[8];

    (void)state;
    assert_int_equal(kgr_tpm_session_start(f.tpm, &f.storage, &diag), KGR_OK);
    assert_true(kgr_tpm_session_salted(f.tpm));
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_OK);
}

static void session_with_another_name_is_refused(void **state)
{
    struct kgr_tpm_object wrong = f.storage;

    (void)state;
    wrong.name.bytes[10] ^= 1;
    assert_int_equal(kgr_tpm_session_start(f.tpm, &wrong, &diag), KGR_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "pinned"));
}

static void session_without_a_salt_key_is_refused(void **state)
{
    struct kgr_tpm_object none = f.storage;

    (void)state;
    none.handle = 0x81004bff;
    assert_int_equal(kgr_tpm_session_start(f.tpm, &none, &diag), KGR_ERR_NO_KEY);
}

static void session_parameter_changed_on_the_bus_is_detected(void **state)
{
    uint8_t bytes[8] = {0};
    static const uint8_t zeroes[8] = {0};

    (void)state;
    tpm_tap.spoil = true;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, "does not verify"));
    assert_memory_equal(bytes, zeroes, sizeof(bytes));
    /* And a session of its own is made for what comes next. */
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), NULL), KGR_OK);
}

static void session_hmac_changed_on_the_bus_is_detected(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.spoil_hmac = true;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, "does not verify"));
}

static void session_wrong_auth_fails_and_the_right_one_works_after(void **state)
{
    static const uint8_t data[32] = {1};
    struct kgr_tpm_auth *other = tpm_fixture_auth(0x11);
    struct kgr_tpm_object parent = f.storage;
    struct kgr_tpm_blob blob;

    (void)state;
    parent.auth = other;
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &blob, &parent, NULL, kgr_slice(data, sizeof(data)), &diag),
        KGR_ERR_TPM);
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &blob, &f.storage, NULL, kgr_slice(data, sizeof(data)), NULL), KGR_OK);
    kgr_secret_free(other);
}

static void session_secret_never_crosses_in_clear(void **state)
{
    uint8_t data[32];
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x77);
    uint8_t *out = kgr_secret_alloc(sizeof(data));
    struct kgr_tpm_blob blob;

    (void)state;
    memset(data, 0xa7, sizeof(data));
    tpm_tap.pattern = data;
    tpm_tap.pattern_len = 16;
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &blob, &f.storage, auth, kgr_slice(data, sizeof(data)), &diag), KGR_OK);
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, sizeof(data), &f.storage, auth, &blob, &diag),
                     KGR_OK);
    assert_memory_equal(out, data, sizeof(data));
    assert_int_equal(tpm_tap.num_seen, 0);
    /* The tap does see what crosses in clear. */
    tpm_tap.pattern = blob.priv.bytes;
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, sizeof(data), &f.storage, auth, &blob, &diag),
                     KGR_OK);
    assert_int_equal(tpm_tap.num_seen, 1);
    kgr_secret_free(out);
    kgr_secret_free(auth);
}

static void session_secret_without_salt_is_refused(void **state)
{
    static const uint8_t data[32] = {1};
    struct kgr_tpm *tpm = NULL;
    struct swtpm swtpm;
    struct kgr_tpm_object srk;
    struct kgr_tpm_public pub;
    struct kgr_tpm_blob blob;

    (void)state;
    swtpm_start(&swtpm);
    assert_int_equal(kgr_tpm_open(&tpm, swtpm.tcti, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_srk(tpm, &srk, &pub, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_seal(tpm, &blob, &srk, NULL, kgr_slice(data, sizeof(data)), &diag),
                     KGR_ERR_STATE);
    kgr_tpm_close(tpm);
    swtpm_stop(&swtpm);
}

static void session_lost_is_started_again(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.answer = TPM2_RC_REFERENCE_S0;
    tpm_tap.answer_times = 1;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_OK);
}

static void command_busy_is_repeated(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.answer = TPM2_RC_RETRY;
    tpm_tap.answer_times = 3;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_OK);
    assert_int_equal(tpm_tap.num_commands, 4);
}

static void command_busy_for_ever_fails(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.answer = TPM2_RC_RETRY;
    tpm_tap.answer_times = 1000;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    assert_true(tpm_tap.num_commands < 100);
}

static void command_in_failure_mode_says_so(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.answer = TPM2_RC_FAILURE;
    tpm_tap.answer_times = 1000;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, "failure mode"));
}

static void command_unknown_to_the_tpm_is_unsupported(void **state)
{
    uint8_t bytes[8];

    (void)state;
    tpm_tap.answer = TPM2_RC_COMMAND_CODE;
    tpm_tap.answer_times = 1;
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(session_with_the_pinned_name_starts, fresh),
        cmocka_unit_test_setup(session_with_another_name_is_refused, fresh),
        cmocka_unit_test_setup(session_without_a_salt_key_is_refused, fresh),
        cmocka_unit_test_setup(session_parameter_changed_on_the_bus_is_detected, fresh),
        cmocka_unit_test_setup(session_hmac_changed_on_the_bus_is_detected, fresh),
        cmocka_unit_test_setup(session_wrong_auth_fails_and_the_right_one_works_after, fresh),
        cmocka_unit_test_setup(session_secret_never_crosses_in_clear, fresh),
        cmocka_unit_test_setup(session_secret_without_salt_is_refused, fresh),
        cmocka_unit_test_setup(session_lost_is_started_again, fresh),
        cmocka_unit_test_setup(command_busy_is_repeated, fresh),
        cmocka_unit_test_setup(command_busy_for_ever_fails, fresh),
        cmocka_unit_test_setup(command_in_failure_mode_says_so, fresh),
        cmocka_unit_test_setup(command_unknown_to_the_tpm_is_unsupported, fresh),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
