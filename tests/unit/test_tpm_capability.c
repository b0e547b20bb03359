/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/capability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/tpm/tpm.h"
#include "tests/support/swtpm.h"

static struct swtpm swtpm;
static struct kgr_diag diag;

static int begin(void **state)
{
    (void)state;
    memset(&diag, 0, sizeof(diag));
    if (kgr_arena_init(262144) != KGR_OK)
        return -1;
    swtpm_start(&swtpm);
    return 0;
}

static int end(void **state)
{
    (void)state;
    swtpm_stop(&swtpm);
    kgr_arena_deinit();
    return 0;
}

/* The TPM seen through tests/support/filter_tcti.c. */
static struct kgr_tpm *open_without(const char *hidden)
{
    struct kgr_tpm *tpm = NULL;
    char conf[512];

    (void)snprintf(conf, sizeof(conf), "%s:%s|tcti=%s", KGR_FILTER_TCTI, hidden, swtpm.tcti);
    assert_int_equal(kgr_tpm_open(&tpm, conf, &diag), KGR_OK);
    return tpm;
}

static void capability_without_encrypt_decrypt_is_not_resident(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-cc=0x193,0x164");
    char summary[KGR_TPM_SUMMARY_MAX];

    (void)state;
    assert_false(kgr_tpm_capability(tpm)->can_resident);
    assert_true(kgr_tpm_capability(tpm)->can_seal);
    assert_true(kgr_tpm_capability(tpm)->can_bear);
    assert_int_equal(kgr_tpm_capability(tpm)->modes, 0);
    assert_true(kgr_tpm_capability(tpm)->can_hmac_sequence);
    assert_non_null(strstr(kgr_tpm_summary(tpm, summary), "no resident keys"));
    assert_non_null(strstr(summary, "; lacks EncryptDecrypt2"));
    kgr_tpm_close(tpm);
}

static void capability_without_cbc_is_not_resident(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-alg=0x42");

    (void)state;
    assert_false(kgr_tpm_capability(tpm)->can_resident);
    assert_int_equal(kgr_tpm_capability(tpm)->modes, 0x1d);
    kgr_tpm_close(tpm);
}

static void capability_without_hmac_sequences_is_not_resident(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-cc=0x15b");

    (void)state;
    assert_false(kgr_tpm_capability(tpm)->can_hmac_sequence);
    assert_false(kgr_tpm_capability(tpm)->can_resident);
    kgr_tpm_close(tpm);
}

static void capability_with_only_a_curve_hidden_is_resident(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-curve=0x4");

    (void)state;
    assert_true(kgr_tpm_capability(tpm)->can_resident);
    assert_int_equal(kgr_tpm_capability(tpm)->suites, 1);
    kgr_tpm_close(tpm);
}

static void capability_of_suite_2_wants_sha_384(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-alg=0xc");

    (void)state;
    assert_int_equal(kgr_tpm_capability(tpm)->suites, 1);
    kgr_tpm_close(tpm);
}

static void capability_without_unseal_is_not_sealed(void **state)
{
    struct kgr_tpm *tpm = open_without("hide-cc=0x15e");

    (void)state;
    assert_false(kgr_tpm_capability(tpm)->can_seal);
    assert_true(kgr_tpm_capability(tpm)->can_resident);
    kgr_tpm_close(tpm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(capability_without_encrypt_decrypt_is_not_resident, begin,
                                        end),
        cmocka_unit_test_setup_teardown(capability_without_cbc_is_not_resident, begin, end),
        cmocka_unit_test_setup_teardown(capability_without_hmac_sequences_is_not_resident, begin,
                                        end),
        cmocka_unit_test_setup_teardown(capability_of_suite_2_wants_sha_384, begin, end),
        cmocka_unit_test_setup_teardown(capability_without_unseal_is_not_sealed, begin, end),
        cmocka_unit_test_setup_teardown(capability_with_only_a_curve_hidden_is_resident, begin,
                                        end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
