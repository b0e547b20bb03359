/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/file.h"
#include "agent/base/secret.h"
#include "agent/tpm/template.h"
#include "tests/support/swtpm.h"

struct fixture {
    struct swtpm tpm;
    char dir[64];
    char folder[80];
    char path[100];
    struct kgr_ac_settings settings;
    struct kgr_ac ac;
    struct kgr_ac_identity identity;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static const struct kgr_ac closed = KGR_AC_INIT;
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || kgr_arena_init(262144) != KGR_OK)
        return -1;
    swtpm_start(&f->tpm);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/kgr-ac-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->folder, sizeof(f->folder), "%s/state", f->dir);
    (void)snprintf(f->path, sizeof(f->path), "%s/file", f->dir);
    f->settings.state = f->folder;
    f->settings.tcti = f->tpm.tcti;
    f->ac = closed;
    *state = f;
    return 0;
}

static void remove_in(const char *folder, const char *name)
{
    char path[120];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_ac_close(&f->ac);
    swtpm_stop(&f->tpm);
    remove_in(f->folder, "ac.db");
    remove_in(f->folder, "lock");
    (void)rmdir(f->folder);
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    kgr_arena_deinit();
    free(f);
    return 0;
}

static void found(struct fixture *f)
{
    assert_int_equal(kgr_ac_open_state(&f->ac, &f->settings, true, &f->diag), KGR_OK);
    assert_int_equal(kgr_ac_found(&f->ac, &f->identity, &f->diag), KGR_OK);
}

static void open_finds_the_keys_that_found_made(void **state)
{
    struct fixture *f = *state;
    struct kgr_ac_identity again;
    struct kgr_tpm_name name;

    found(f);
    kgr_ac_close(&f->ac);
    assert_int_equal(kgr_ac_open(&f->ac, &f->settings, &f->diag), KGR_OK);
    assert_int_equal(kgr_tpm_public_name(&name, &f->identity.signing), KGR_OK);
    assert_true(kgr_tpm_name_equal(&name, &f->ac.signing.name));
    assert_int_equal(kgr_ac_state_identity(f->ac.state, &again, &f->diag), KGR_OK);
    assert_true(kgr_tpm_public_equal(&again.storage, &f->identity.storage));
}

static void open_with_another_tpm_fails(void **state)
{
    struct fixture *f = *state;
    struct swtpm other;

    found(f);
    kgr_ac_close(&f->ac);
    swtpm_start(&other);
    f->settings.tcti = other.tcti;
    assert_int_equal(kgr_ac_open(&f->ac, &f->settings, &f->diag), KGR_ERR_TPM);
    kgr_ac_close(&f->ac);
    swtpm_stop(&other);
}

/* What stands on disk must be of no use without the TPM: any authorisation value would be. */
static void disk_holds_no_authorisation_value(void **state)
{
    struct fixture *f = *state;
    struct kgr_tpm_auth *auth = kgr_secret_alloc(sizeof(*auth));
    char path[100];
    uint8_t *db = malloc(1u << 20);
    size_t len = 0;
    struct kgr_tpm_name srk;
    struct kgr_tpm_blob root;

    assert_non_null(auth);
    assert_non_null(db);
    found(f);
    assert_int_equal(kgr_ac_state_root(f->ac.state, &root, &srk, &f->diag), KGR_OK);
    *auth = *f->ac.auths[KGR_AC_SIGNING];
    /* The root lies at the start of its struct, as keys/auth.c has it. */
    const uint8_t *bytes = (const uint8_t *)f->ac.root;
    uint8_t *copy = kgr_secret_alloc(32);
    assert_non_null(copy);
    memcpy(copy, bytes, 32);
    kgr_ac_close(&f->ac);
    (void)snprintf(path, sizeof(path), "%s/ac.db", f->folder);
    assert_int_equal(kgr_file_read(db, &len, 1u << 20, path, &f->diag), KGR_OK);
    assert_non_null(memmem(db, len, root.priv.bytes, root.priv.len));
    assert_null(memmem(db, len, copy, 32));
    assert_null(memmem(db, len, auth->bytes, auth->len));
    kgr_secret_free(auth);
    kgr_secret_free(copy);
    free(db);
}

static void open_before_found_says_what_to_do(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_ac_open(&f->ac, &f->settings, &f->diag), KGR_ERR_STATE);
    assert_non_null(strstr(f->diag.text, "init"));
}

static void close_of_an_ac_never_opened_closes_no_descriptor(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    kgr_ac_close(&f->ac);
    assert_int_equal(fstat(STDIN_FILENO, &st), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_finds_the_keys_that_found_made, setup, teardown),
        cmocka_unit_test_setup_teardown(open_with_another_tpm_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(disk_holds_no_authorisation_value, setup, teardown),
        cmocka_unit_test_setup_teardown(open_before_found_says_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(close_of_an_ac_never_opened_closes_no_descriptor, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("ac", tests, NULL, NULL);
}
