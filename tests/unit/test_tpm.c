/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/tpm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "agent/base/secret.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/object.h"
#include "agent/tpm/random.h"
#include "agent/tpm/session.h"
#include "agent/tpm/template.h"
#include "tests/support/tpm_fixture.h"
#include "tests/support/tpm_tap.h"

static struct tpm_fixture f;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    tpm_tap_reset();
    memset(&diag, 0, sizeof(diag));
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

static void open_without_a_tpm_names_the_place(void **state)
{
    struct kgr_tpm *tpm = NULL;

    (void)state;
    assert_int_equal(kgr_tpm_open(&tpm, "swtpm:path=/nonexistent/sock", &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, "/nonexistent/sock"));
    assert_null(tpm);
}

static void open_without_a_configuration_is_invalid(void **state)
{
    struct kgr_tpm *tpm = NULL;

    (void)state;
    assert_int_equal(kgr_tpm_open(&tpm, "", &diag), KGR_ERR_INVALID);
    assert_int_equal(kgr_tpm_open(&tpm, NULL, &diag), KGR_ERR_INVALID);
}

static void open_in_failure_mode_says_so(void **state)
{
    struct kgr_tpm *tpm = NULL;
    struct swtpm swtpm;

    (void)state;
    swtpm_start(&swtpm);
    tpm_tap.answer = TPM2_RC_FAILURE;
    tpm_tap.answer_times = 1000;
    assert_int_equal(kgr_tpm_open(&tpm, swtpm.tcti, &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, "failure mode"));
    assert_null(tpm);
    swtpm_stop(&swtpm);
}

static void capability_of_a_software_tpm_is_resident(void **state)
{
    const struct kgr_tpm_capability *c = kgr_tpm_capability(f.tpm);
    char summary[KGR_TPM_SUMMARY_MAX];

    (void)state;
    assert_true(c->can_resident);
    assert_true(c->can_hmac_sequence);
    assert_int_equal(c->suites, 3);
    assert_int_equal(c->modes, 0x1f);
    assert_int_equal(c->slots, 3);
    assert_int_equal(c->max_buffer, 1024);
    assert_non_null(strstr(kgr_tpm_summary(f.tpm, summary), "resident keys"));
}

static void tpm_killed_and_restarted_serves_on(void **state)
{
    uint8_t bytes[40];
    unsigned int before = kgr_tpm_resets(f.tpm);

    (void)state;
    swtpm_kill(&f.swtpm);
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    memset(&diag, 0, sizeof(diag));
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), &diag), KGR_ERR_TPM);
    assert_non_null(strstr(diag.text, f.swtpm.dir));
    swtpm_restart(&f.swtpm);
    assert_int_equal(kgr_tpm_random(f.tpm, bytes, sizeof(bytes), NULL), KGR_OK);
    assert_true(kgr_tpm_resets(f.tpm) > before);
}

/* What a process that was killed had loaded takes the slots until somebody flushes it. */
static void open_with_every_slot_taken_frees_them(void **state)
{
    struct kgr_tpm_object srk;
    struct kgr_tpm_object ek;
    struct kgr_tpm_public pub;

    (void)state;
    for (int i = 0; i < 3; i++) /* never released, and so left behind by the close */
        assert_int_equal(kgr_tpm_ek(f.tpm, &ek, &pub, &diag), KGR_OK);
    kgr_tpm_close(f.tpm);
    f.tpm = NULL;
    assert_int_equal(kgr_tpm_open(&f.tpm, f.swtpm.tcti, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_srk(f.tpm, &srk, &pub, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_session_start(f.tpm, &srk, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_ek(f.tpm, &ek, &pub, &diag), KGR_OK);
    kgr_tpm_release(f.tpm, &ek);
    kgr_tpm_release(f.tpm, &srk);
}

static void srk_is_the_same_each_time(void **state)
{
    struct kgr_tpm_object a;
    struct kgr_tpm_object b;
    struct kgr_tpm_public pub_a;
    struct kgr_tpm_public pub_b;

    (void)state;
    assert_int_equal(kgr_tpm_srk(f.tpm, &a, &pub_a, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_evict(f.tpm, a.handle, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_srk(f.tpm, &b, &pub_b, &diag), KGR_OK);
    assert_true(kgr_tpm_name_equal(&a.name, &b.name));
    assert_true(kgr_tpm_public_equal(&pub_a, &pub_b));
    assert_int_equal(b.handle, 0x81000001);
}

/* Others put other keys there (an EK, say): the SRK is then a transient one. */
static void srk_with_its_handle_taken_is_transient(void **state)
{
    struct kgr_tpm_object srk;
    struct kgr_tpm_object other;
    struct kgr_tpm_public pub;

    (void)state;
    assert_int_equal(kgr_tpm_srk(f.tpm, &srk, &pub, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_evict(f.tpm, 0x81000001, &diag), KGR_OK);
    assert_int_equal(
        kgr_tpm_create_signing(f.tpm, &other, &pub, &f.storage, 0x81000001, NULL, &diag), KGR_OK);
    assert_int_equal(other.handle, 0x81000001);
    assert_int_equal(kgr_tpm_srk(f.tpm, &srk, &pub, &diag), KGR_OK);
    assert_int_equal(srk.handle >> 24, 0x80);
    assert_int_equal(kgr_tpm_check_storage(&pub), KGR_OK);
    assert_int_equal(kgr_tpm_session_start(f.tpm, &srk, &diag), KGR_OK);
    kgr_tpm_release(f.tpm, &srk);
    assert_int_equal(kgr_tpm_session_start(f.tpm, &f.storage, &diag), KGR_OK);
}

static void ek_is_of_the_template_and_hashes(void **state)
{
    struct kgr_tpm_object ek;
    struct kgr_tpm_public pub;
    uint8_t hash[KGR_TPM_HASH_LEN];

    (void)state;
    assert_int_equal(kgr_tpm_ek(f.tpm, &ek, &pub, &diag), KGR_OK);
    assert_int_equal(kgr_tpm_check_ek(&pub), KGR_OK);
    assert_int_equal(kgr_tpm_check_storage(&pub), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_public_hash(hash, &pub), KGR_OK);
    assert_memory_equal(hash, ek.name.bytes + 2, KGR_TPM_HASH_LEN);
    kgr_tpm_release(f.tpm, &ek);
}

static void ek_certificate_that_is_not_there_is_empty(void **state)
{
    uint8_t bytes[16];
    size_t len = 99;

    (void)state;
    assert_int_equal(kgr_tpm_ek_certificate(f.tpm, bytes, &len, sizeof(bytes), &diag), KGR_OK);
    assert_int_equal(len, 0);
}

static void persistent_key_is_found_again_by_its_name_only(void **state)
{
    struct kgr_tpm_object object;
    struct kgr_tpm_name wrong = f.storage.name;

    (void)state;
    assert_int_equal(
        kgr_tpm_persistent(f.tpm, &object, f.storage.handle, &f.storage.name, f.auth, &diag),
        KGR_OK);
    wrong.bytes[5] ^= 1;
    assert_int_equal(kgr_tpm_persistent(f.tpm, &object, f.storage.handle, &wrong, f.auth, &diag),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_persistent(f.tpm, &object, 0x81004bf0, &f.storage.name, f.auth, NULL),
                     KGR_ERR_NO_KEY);
}

static void evict_of_nothing_succeeds(void **state)
{
    (void)state;
    assert_int_equal(kgr_tpm_evict(f.tpm, 0x81004bf0, &diag), KGR_OK);
}

static void evicted_storage_key_makes_its_blobs_worthless(void **state)
{
    static const uint8_t data[32] = {3};
    struct kgr_tpm_object other;
    struct kgr_tpm_public pub;
    struct kgr_tpm_blob blob;
    uint8_t out[32];

    (void)state;
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &blob, &f.storage, NULL, kgr_slice(data, sizeof(data)), &diag), KGR_OK);
    assert_int_equal(kgr_tpm_create_storage(f.tpm, &other, &pub, &f.storage, KGR_TPM_FIRST_HANDLE,
                                            KGR_SUITE_AES128_SHA256, f.auth, &diag),
                     KGR_OK);
    assert_int_not_equal(other.handle, f.storage.handle);
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, sizeof(out), &other, NULL, &blob, &diag),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_evict(f.tpm, other.handle, NULL), KGR_OK);
    assert_int_equal(kgr_tpm_read_public(f.tpm, &pub, other.handle, NULL), KGR_ERR_NO_KEY);
}

static void signature_verifies_with_its_key_and_digest_only(void **state)
{
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x33);
    uint8_t digest[KGR_TPM_HASH_LEN] = {9};
    uint8_t signature[KGR_TPM_SIGNATURE_LEN];
    struct kgr_tpm_object key;
    struct kgr_tpm_public pub;

    (void)state;
    assert_int_equal(
        kgr_tpm_create_signing(f.tpm, &key, &pub, &f.storage, KGR_TPM_FIRST_HANDLE, auth, &diag),
        KGR_OK);
    assert_int_equal(kgr_tpm_check_signing(&pub), KGR_OK);
    for (int i = 0; i < 20; i++) {
        digest[1] = (uint8_t)i;
        assert_int_equal(kgr_tpm_sign(f.tpm, &key, signature, digest, &diag), KGR_OK);
        assert_int_equal(kgr_tpm_verify(&pub, digest, signature), KGR_OK);
    }
    digest[31] ^= 1;
    assert_int_equal(kgr_tpm_verify(&pub, digest, signature), KGR_ERR_CORRUPT);
    digest[31] ^= 1;
    signature[40] ^= 1;
    assert_int_equal(kgr_tpm_verify(&pub, digest, signature), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_verify(&f.storage_pub, digest, signature), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_evict(f.tpm, key.handle, &diag), KGR_OK);
    kgr_secret_free(auth);
}

static void unseal_needs_the_value_and_the_length(void **state)
{
    static const uint8_t data[32] = {1, 2, 3};
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x21);
    struct kgr_tpm_auth *other = tpm_fixture_auth(0x22);
    struct kgr_tpm_blob blob;
    uint8_t *out = kgr_secret_alloc(64);

    (void)state;
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &blob, &f.storage, auth, kgr_slice(data, sizeof(data)), &diag), KGR_OK);
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, 32, &f.storage, auth, &blob, &diag), KGR_OK);
    assert_memory_equal(out, data, 32);
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, 31, &f.storage, auth, &blob, NULL),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, 32, &f.storage, other, &blob, NULL), KGR_ERR_TPM);
    blob.priv.bytes[40] ^= 1;
    assert_int_equal(kgr_tpm_unseal(f.tpm, out, 32, &f.storage, auth, &blob, NULL),
                     KGR_ERR_CORRUPT);
    assert_int_equal(kgr_tpm_seal(f.tpm, &blob, &f.storage, auth, kgr_slice(data, 0), NULL),
                     KGR_ERR_INVALID);
    kgr_secret_free(out);
    kgr_secret_free(auth);
    kgr_secret_free(other);
}

/* What a PIN opens is tried once: the TPM counts, and locks itself. */
static void unseal_once_tries_once(void **state)
{
    static const uint8_t data[64] = {1, 2, 3};
    struct kgr_tpm_auth *auth = tpm_fixture_auth(0x21);
    struct kgr_tpm_auth *other = tpm_fixture_auth(0x22);
    struct kgr_tpm_blob blob, plain;
    uint8_t *out = kgr_secret_alloc(64);
    unsigned int num = 0;

    (void)state;
    assert_int_equal(
        kgr_tpm_seal_guarded(f.tpm, &blob, &f.storage, auth, kgr_slice(data, sizeof(data)), &diag),
        KGR_OK);
    assert_int_equal(kgr_tpm_unseal_once(f.tpm, out, 64, &f.storage, auth, &blob, &diag), KGR_OK);
    assert_memory_equal(out, data, sizeof(data));
    tpm_tap_reset();
    assert_int_equal(kgr_tpm_unseal_once(f.tpm, out, 64, &f.storage, other, &blob, NULL),
                     KGR_ERR_NOT_AUTHORIZED);
    for (unsigned int i = 0; i < tpm_tap.num_commands && i < TPM_TAP_CODES; i++)
        num += tpm_tap.codes[i] == TPM2_CC_Unseal;
    assert_int_equal(num, 1);
    tpm_tap_reset();
    assert_int_equal(
        kgr_tpm_seal(f.tpm, &plain, &f.storage, auth, kgr_slice(data, sizeof(data)), &diag),
        KGR_OK);
    assert_int_equal(kgr_tpm_unseal_once(f.tpm, out, 64, &f.storage, auth, &plain, NULL),
                     KGR_ERR_CORRUPT);
    kgr_secret_free(out);
    kgr_secret_free(auth);
    kgr_secret_free(other);
}

static void random_of_any_length_differs(void **state)
{
    uint8_t a[100];
    uint8_t b[100];

    (void)state;
    assert_int_equal(kgr_tpm_stir(f.tpm, kgr_slice(NULL, 0), &diag), KGR_OK);
    memset(a, 0, sizeof(a));
    assert_int_equal(kgr_tpm_stir(f.tpm, kgr_slice(a, sizeof(a)), &diag), KGR_OK);
    assert_int_equal(kgr_tpm_random(f.tpm, a, sizeof(a), &diag), KGR_OK);
    assert_int_equal(kgr_tpm_random(f.tpm, b, sizeof(b), &diag), KGR_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 68, b + 68, 32);
    assert_int_equal(kgr_tpm_random(f.tpm, a, 0, &diag), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_without_a_tpm_names_the_place, begin, end),
        cmocka_unit_test_setup_teardown(open_without_a_configuration_is_invalid, begin, end),
        cmocka_unit_test_setup_teardown(open_in_failure_mode_says_so, begin, end),
        cmocka_unit_test_setup_teardown(capability_of_a_software_tpm_is_resident, begin, end),
        cmocka_unit_test_setup_teardown(tpm_killed_and_restarted_serves_on, begin, end),
        cmocka_unit_test_setup_teardown(open_with_every_slot_taken_frees_them, begin, end),
        cmocka_unit_test_setup_teardown(srk_is_the_same_each_time, begin, end),
        cmocka_unit_test_setup_teardown(srk_with_its_handle_taken_is_transient, begin, end),
        cmocka_unit_test_setup_teardown(ek_is_of_the_template_and_hashes, begin, end),
        cmocka_unit_test_setup_teardown(ek_certificate_that_is_not_there_is_empty, begin, end),
        cmocka_unit_test_setup_teardown(persistent_key_is_found_again_by_its_name_only, begin, end),
        cmocka_unit_test_setup_teardown(evict_of_nothing_succeeds, begin, end),
        cmocka_unit_test_setup_teardown(evicted_storage_key_makes_its_blobs_worthless, begin, end),
        cmocka_unit_test_setup_teardown(signature_verifies_with_its_key_and_digest_only, begin,
                                        end),
        cmocka_unit_test_setup_teardown(unseal_needs_the_value_and_the_length, begin, end),
        cmocka_unit_test_setup_teardown(unseal_once_tries_once, begin, end),
        cmocka_unit_test_setup_teardown(random_of_any_length_differs, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
