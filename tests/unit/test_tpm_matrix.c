/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TPMs by what they lack, made by tests/support/filter_tcti.c: which custody and suites a node and a KS choose on each with
 * everything allowed, decided by what the TPM says and never by trial. Prints the table.
 */
#include "agent/node/custody.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"
#include "agent/server/birth/custody.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/tpm.h"
#include "tests/support/swtpm.h"

#define BOTH 0x03u

struct row {
    const char *lacks;
    const char *filter;
    const char *node; /* custody in auto, or "none" */
    uint8_t suites;   /* of the node */
    const char *ks;   /* custody of its own ends */
    bool bears;       /* resident pairs of others */
    uint8_t slots;
};

static const struct row rows[] = {
    {"nothing", "delay-ms=0", "resident", 3, "resident", true, 3},
    {"TPM2_EncryptDecrypt2", "hide-cc=0x193", "sealed", 3, "sealed", true, 3},
    {"both TPM2_EncryptDecrypt", "hide-cc=0x193,0x164", "sealed", 3, "sealed", true, 3},
    {"CBC", "hide-alg=0x42", "sealed", 3, "sealed", true, 3},
    {"HMAC sequences", "hide-cc=0x15b", "sealed", 3, "sealed", true, 3},
    {"TPM2_HMAC", "hide-cc=0x155", "sealed", 3, "sealed", true, 3},
    {"SHA-384", "hide-alg=0xc", "resident", 1, "resident", true, 3},
    {"P-384", "hide-curve=0x4", "resident", 1, "resident", true, 3},
    {"AES-256", "hide-bits=256", "resident", 1, "resident", true, 3},
    {"P-384, SHA-384 and CBC", "hide-curve=0x4|hide-alg=0xc,0x42", "sealed", 1, "sealed", true, 3},
    {"TPM2_Duplicate", "hide-cc=0x14b", "resident", 3, "resident", false, 3},
    {"TPM2_Unseal", "hide-cc=0x15e", "resident", 3, "resident", true, 3},
    {"TPM2_Unseal, EncryptDecrypt2", "hide-cc=0x15e,0x193", "none", 0, "none", true, 3},
    {"TPM2_Import", "hide-cc=0x156", "none", 0, "none", true, 3},
    {"four slots (it has seven)", "slots=7", "resident", 3, "resident", true, 7},
    {"speed (5 ms a command)", "delay-ms=5", "resident", 3, "resident", true, 3},
};

static struct swtpm swtpm;

static void check(const struct row *row)
{
    struct kgr_tpm *tpm = NULL;
    struct kgr_diag diag = {{0}};
    struct kgr_custody_choice node = {.sealed = false};
    struct kgr_ks_custody ks = {.bears = false};
    const struct kgr_tpm_capability *capability;
    const char *node_has, *ks_has;
    enum kgr_error node_err, ks_err;
    char conf[512];

    (void)snprintf(conf, sizeof conf, "%s:%s|tcti=%s", KGR_FILTER_TCTI, row->filter, swtpm.tcti);
    assert_int_equal(kgr_tpm_open(&tpm, conf, &diag), KGR_OK);
    capability = kgr_tpm_capability(tpm);
    node_err = kgr_custody_choose(&node, KGR_CUSTODY_AUTO, BOTH, capability, NULL, &diag);
    ks_err = kgr_ks_custody_choose(&ks, KGR_KS_CUSTODY_AUTO, 0, capability, NULL, &diag);
    node_has = node_err != KGR_OK ? "none" : node.sealed ? "sealed" : "resident";
    ks_has = ks_err != KGR_OK ? "none" : ks.sealed ? "sealed" : "resident";
    printf("%-30s node %-9s suites %u   KS %-9s resident pairs %-3s slots %u   says: %s\n",
           row->lacks, node_has, node.suites, ks_has, capability->can_bear ? "yes" : "no",
           capability->slots, capability->lacks);
    assert_true((strstr(row->filter, "hide-") == NULL) == (capability->lacks[0] == '\0'));
    assert_string_equal(node_has, row->node);
    assert_int_equal(node.suites, row->suites);
    assert_string_equal(ks_has, row->ks);
    assert_int_equal(capability->can_bear, row->bears);
    assert_int_equal(capability->slots, row->slots);
    /* What cannot be is said with its remedy, never tried. */
    if (strcmp(row->node, "resident") != 0)
        assert_int_equal(
            kgr_custody_choose(&node, KGR_CUSTODY_WANT_RESIDENT, BOTH, capability, NULL, &diag),
            KGR_ERR_CONFIG);
    kgr_tpm_close(tpm);
}

static void custody_and_suites_follow_what_the_tpm_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(rows); i++)
        check(&rows[i]);
}

static int begin(void **state)
{
    (void)state;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(custody_and_suites_follow_what_the_tpm_says, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
