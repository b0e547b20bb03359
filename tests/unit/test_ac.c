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

#include "agent/authority/next.h"
#include "agent/base/file.h"
#include "agent/base/secret.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "tests/support/schema.h"
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
    f->settings.tpm.tcti = f->tpm.tcti;
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
    remove_in(f->folder, "vault");
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
    f->settings.tpm.tcti = other.tcti;
    assert_int_equal(kgr_ac_open(&f->ac, &f->settings, &f->diag), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, "this TPM is not the one"));
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

    assert_non_null(auth);
    assert_non_null(db);
    found(f);
    *auth = *f->ac.auths[KGR_AC_SIGNING];
    /* The root lies at the start of its struct, as keys/auth.c has it. */
    const uint8_t *bytes = (const uint8_t *)f->ac.root;
    uint8_t *copy = kgr_secret_alloc(32);
    assert_non_null(copy);
    memcpy(copy, bytes, 32);
    kgr_ac_close(&f->ac);
    (void)snprintf(path, sizeof(path), "%s/ac.db", f->folder);
    assert_int_equal(kgr_file_read(db, &len, 1u << 20, path, &f->diag), KGR_OK);
    assert_true(len > 4096);
    assert_null(memmem(db, len, f->identity.signing.bytes, f->identity.signing.len));
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

static void reopen(struct fixture *f)
{
    kgr_ac_close(&f->ac);
    assert_int_equal(kgr_ac_open(&f->ac, &f->settings, &f->diag), KGR_OK);
}

static enum kgr_ac_stage stage_of(struct fixture *f)
{
    enum kgr_ac_stage stage;

    assert_int_equal(kgr_ac_state_stage(f->ac.state, &stage, &f->diag), KGR_OK);
    return stage;
}

static bool stands(struct fixture *f, uint32_t handle)
{
    struct kgr_tpm_public pub;
    enum kgr_error err = kgr_tpm_read_public(f->ac.tpm, &pub, handle, &f->diag);

    assert_true(err == KGR_OK || err == KGR_ERR_NO_KEY);
    return err == KGR_OK;
}

/* Other keys: the old ones are in use until the grant, and in the TPM until the end, whatever is cut off. */
static void next_keys_take_over_step_by_step(void **state)
{
    static struct kgr_ac_nksk nksk;
    struct fixture *f = *state;
    struct kgr_tpm_object old_signing, old_storage;
    uint64_t pending = 0;

    found(f);
    reopen(f);
    old_signing = f->ac.signing;
    old_storage = f->ac.storage;
    assert_int_equal(stage_of(f), KGR_AC_SETTLED);
    assert_int_equal(kgr_ac_announce(&f->ac, &f->diag), KGR_OK);
    reopen(f);
    assert_int_equal(stage_of(f), KGR_AC_ANNOUNCED);
    assert_true(kgr_tpm_name_equal(&f->ac.signing.name, &old_signing.name));
    assert_int_equal(kgr_ac_settle(&f->ac, &f->diag), KGR_OK);
    assert_int_equal(stage_of(f), KGR_AC_ANNOUNCED); /* nothing to settle yet */

    nksk.key_id[0] = 9;
    assert_int_equal(
        kgr_ac_state_set_pending(f->ac.state, kgr_slice(&pending, sizeof pending), &f->diag),
        KGR_OK);
    assert_int_equal(kgr_ac_state_grant(f->ac.state, &nksk, &f->diag), KGR_OK);
    reopen(f);
    assert_int_equal(stage_of(f), KGR_AC_GRANTED);
    assert_false(kgr_tpm_name_equal(&f->ac.signing.name, &old_signing.name));
    assert_false(kgr_tpm_name_equal(&f->ac.storage.name, &old_storage.name));
    assert_true(stands(f, old_signing.handle));

    /* Cut off between the promotion and the eviction. */
    assert_int_equal(kgr_ac_state_promote(f->ac.state, &f->diag), KGR_OK);
    reopen(f);
    assert_int_equal(stage_of(f), KGR_AC_SETTLED);
    assert_false(kgr_tpm_name_equal(&f->ac.signing.name, &old_signing.name));
    assert_false(stands(f, old_signing.handle));
    assert_false(stands(f, old_storage.handle));
    memset(&nksk, 0, sizeof nksk);
    assert_int_equal(kgr_ac_state_nksk(f->ac.state, &nksk, &f->diag), KGR_OK);
    assert_int_equal(nksk.key_id[0], 9);
}

static void retired_handle_of_another_key_is_left_alone(void **state)
{
    static const struct kgr_ac_nksk nksk;
    struct fixture *f = *state;
    struct kgr_tpm_object old_signing, srk = {0}, other = {0};
    struct kgr_tpm_public pub;

    found(f);
    reopen(f);
    old_signing = f->ac.signing;
    assert_int_equal(kgr_ac_announce(&f->ac, &f->diag), KGR_OK);
    assert_int_equal(kgr_ac_state_grant(f->ac.state, &nksk, &f->diag), KGR_OK);
    assert_int_equal(kgr_ac_state_promote(f->ac.state, &f->diag), KGR_OK);
    assert_int_equal(kgr_tpm_evict(f->ac.tpm, old_signing.handle, &f->diag), KGR_OK);
    assert_int_equal(kgr_tpm_srk(f->ac.tpm, &srk, &pub, &f->diag), KGR_OK);
    assert_int_equal(
        kgr_tpm_create_signing(f->ac.tpm, &other, &pub, &srk, old_signing.handle, NULL, &f->diag),
        KGR_OK);
    assert_int_equal(other.handle, old_signing.handle);
    kgr_tpm_release(f->ac.tpm, &srk);
    reopen(f);
    assert_true(stands(f, other.handle));
}

static void pending_order_stands_until_it_is_taken(void **state)
{
    struct fixture *f = *state;
    uint8_t *order = malloc(KGR_ORDER_MAX);
    size_t len = 1;

    assert_non_null(order);
    found(f);
    assert_int_equal(kgr_ac_state_pending(f->ac.state, order, &len, &f->diag), KGR_OK);
    assert_int_equal(len, 0);
    assert_int_equal(kgr_ac_state_set_pending(f->ac.state, kgr_slice("order", 5), &f->diag),
                     KGR_OK);
    reopen(f);
    assert_int_equal(kgr_ac_state_pending(f->ac.state, order, &len, &f->diag), KGR_OK);
    assert_int_equal(len, 5);
    assert_int_equal(kgr_ac_order_taken(&f->ac, &f->diag), KGR_OK);
    assert_int_equal(kgr_ac_state_pending(f->ac.state, order, &len, &f->diag), KGR_OK);
    assert_int_equal(len, 0);
    free(order);
}

/* No number twice: each run has an epoch of its own. */
static void epochs_of_runs_differ_and_grow(void **state)
{
    struct fixture *f = *state;
    uint32_t first = 0, again = 0, second = 0;

    found(f);
    reopen(f);
    assert_int_equal(kgr_ac_epoch(&f->ac, &first, &f->diag), KGR_OK);
    assert_int_equal(kgr_ac_epoch(&f->ac, &again, &f->diag), KGR_OK);
    assert_int_equal(first, again);
    f->ac.epoch = 0;
    reopen(f);
    assert_int_equal(kgr_ac_epoch(&f->ac, &second, &f->diag), KGR_OK);
    assert_true(second > first);
}

static void close_of_an_ac_never_opened_closes_no_descriptor(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    kgr_ac_close(&f->ac);
    assert_int_equal(fstat(STDIN_FILENO, &st), 0);
}

static void schema_of_older_states_stands(void **state)
{
    static const uint64_t known[] = {0xe74a2cabd76e20a2};

    (void)state;
    assert_schema_steps(&kgr_ac_schema, known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_of_older_states_stands),
        cmocka_unit_test_setup_teardown(open_finds_the_keys_that_found_made, setup, teardown),
        cmocka_unit_test_setup_teardown(open_with_another_tpm_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(disk_holds_no_authorisation_value, setup, teardown),
        cmocka_unit_test_setup_teardown(open_before_found_says_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(next_keys_take_over_step_by_step, setup, teardown),
        cmocka_unit_test_setup_teardown(retired_handle_of_another_key_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pending_order_stands_until_it_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(epochs_of_runs_differ_and_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(close_of_an_ac_never_opened_closes_no_descriptor, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("ac", tests, NULL, NULL);
}
