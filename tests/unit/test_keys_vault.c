/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/file.h"
#include "agent/base/secret.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/tpm.h"
#include "tests/support/swtpm.h"

struct fixture {
    struct swtpm swtpm;
    struct kgr_tpm *tpm;
    char dir[32];
    char path[64];
    struct kgr_vault vault;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    assert_int_equal(kgr_arena_init(65536), KGR_OK);
    swtpm_start(&f.swtpm);
    assert_int_equal(kgr_tpm_open(&f.tpm, f.swtpm.tcti, &f.diag), KGR_OK);
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/vault", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_vault_close(&f->vault);
    kgr_tpm_close(f->tpm);
    swtpm_stop(&f->swtpm);
    kgr_arena_deinit();
    (void)unlink(f->path);
    return rmdir(f->dir);
}

static struct kgr_tpm_auth *auth_of(const struct kgr_vault *vault)
{
    struct kgr_tpm_auth *auth = NULL;

    assert_int_equal(kgr_auth_derive(vault->root, &auth, "x", kgr_slice(NULL, 0)), KGR_OK);
    return auth;
}

static enum kgr_error open_again(struct fixture *f)
{
    kgr_vault_close(&f->vault);
    memset(&f->diag, 0, sizeof(f->diag));
    return kgr_vault_open(&f->vault, f->tpm, f->dir, &f->diag);
}

static void opened_vault_is_the_one_that_was_made(void **state)
{
    struct fixture *f = *state;
    struct kgr_tpm_auth *made;
    struct kgr_tpm_auth *opened;
    uint64_t counter = 0;
    uint64_t next = 0;
    struct stat st;

    assert_false(kgr_vault_exists(f->dir));
    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_true(kgr_vault_exists(f->dir));
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    made = auth_of(&f->vault);
    assert_int_equal(kgr_tpm_counter_read(f->tpm, &counter, &f->vault.counter, &f->diag), KGR_OK);
    assert_int_equal(open_again(f), KGR_OK);
    opened = auth_of(&f->vault);
    assert_memory_equal(made->bytes, opened->bytes, sizeof(made->bytes));
    assert_int_equal(kgr_tpm_counter_increment(f->tpm, &next, &f->vault.counter, &f->diag), KGR_OK);
    assert_int_equal(next, counter + 1);
    kgr_secret_free(made);
    kgr_secret_free(opened);
}

static void file_tells_no_secret(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[2048];
    size_t len = 0;

    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_int_equal(kgr_file_read(bytes, &len, sizeof(bytes), f->path, &f->diag), KGR_OK);
    /* The root lies at the start of its struct, as keys/auth.c has it. */
    assert_null(memmem(bytes, len, f->vault.root, 8));
    assert_null(memmem(bytes, len, f->vault.counter_auth->bytes, 8));
}

static void second_vault_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    kgr_vault_close(&f->vault);
    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_ERR_EXISTS);
    assert_int_equal(open_again(f), KGR_OK);
}

static void missing_vault_is_said(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_again(f), KGR_ERR_NO_KEY);
    assert_int_equal(kgr_vault_erase(f->tpm, f->dir, &f->diag), KGR_OK);
}

static void every_damaged_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[2048];
    size_t len = 0;

    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_int_equal(kgr_file_read(bytes, &len, sizeof(bytes), f->path, &f->diag), KGR_OK);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 4;
        assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice(bytes, len), &f->diag), KGR_OK);
        assert_int_equal(open_again(f), KGR_ERR_CORRUPT);
        assert_non_null(strstr(f->diag.text, "damaged"));
        bytes[i] ^= 4;
    }
    for (size_t cut = 0; cut < len; cut += 13) {
        assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice(bytes, cut), &f->diag), KGR_OK);
        assert_int_equal(open_again(f), KGR_ERR_CORRUPT);
    }
}

static void another_tpm_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_tpm *tpm = f->tpm;
    struct swtpm other;

    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    swtpm_start(&other);
    assert_int_equal(kgr_tpm_open(&f->tpm, other.tcti, &f->diag), KGR_OK);
    assert_int_equal(open_again(f), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, "another SRK"));
    kgr_tpm_close(f->tpm);
    swtpm_stop(&other);
    f->tpm = tpm;
}

static void erased_vault_is_gone(void **state)
{
    struct fixture *f = *state;
    uint32_t index;

    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    index = f->vault.counter.handle;
    assert_int_equal(kgr_vault_erase(f->tpm, f->dir, &f->diag), KGR_OK);
    assert_false(kgr_vault_exists(f->dir));
    kgr_vault_close(&f->vault);
    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_int_equal(f->vault.counter.handle, index); /* it was free again */
}

static void file_of_other_hands_is_refused(void **state)
{
    struct fixture *f = *state;
    char aside[80];

    (void)snprintf(aside, sizeof(aside), "%s-aside", f->path);
    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(open_again(f), KGR_ERR_CONFIG);
    assert_non_null(strstr(f->diag.text, "chmod it to 0600"));
    assert_int_equal(chmod(f->path, 0600), 0);
    assert_int_equal(rename(f->path, aside), 0);
    assert_int_equal(symlink(aside, f->path), 0);
    assert_int_equal(open_again(f), KGR_ERR_CONFIG);
    assert_non_null(strstr(f->diag.text, "not a file"));
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* nobody waits for a writer */
    assert_int_equal(open_again(f), KGR_ERR_CONFIG);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rename(aside, f->path), 0);
    assert_int_equal(open_again(f), KGR_OK);
}

/* After a failure to write the file nothing stays in the TPM. */
static void failed_creation_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char next[80];
    struct kgr_vault vault;

    (void)snprintf(next, sizeof(next), "%s.new", f->path);
    assert_int_equal(mkdir(next, 0700), 0);
    assert_int_equal(kgr_vault_create(&vault, f->tpm, f->dir, &f->diag), KGR_ERR_IO);
    assert_int_equal(rmdir(next), 0);
    assert_int_equal(kgr_vault_create(&f->vault, f->tpm, f->dir, &f->diag), KGR_OK);
    assert_int_equal(f->vault.counter.handle, KGR_TPM_FIRST_NV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opened_vault_is_the_one_that_was_made, setup, teardown),
        cmocka_unit_test_setup_teardown(file_tells_no_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(second_vault_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_vault_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(every_damaged_byte_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(another_tpm_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(erased_vault_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(file_of_other_hands_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_creation_leaves_nothing, setup, teardown),
    };

    return cmocka_run_group_tests_name("keys_vault", tests, NULL, NULL);
}
