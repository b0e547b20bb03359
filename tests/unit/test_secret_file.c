/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[32];
    char path[64]; /* of the secret, in dir */
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;
    int fd;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/pin", f.dir);
    fd = open(f.path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1234", 4), 4);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    (void)rmdir(f->dir);
    return 0;
}

static void assert_opens(struct fixture *f, const char *name)
{
    char bytes[8];
    int fd = -1;

    f->diag = (struct kgr_diag){{0}};
    assert_int_equal(kgr_secret_file_open(&fd, name, &f->diag), KGR_OK);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 4);
    assert_int_equal(close(fd), 0);
}

static void assert_refused(struct fixture *f, const char *name, const char *why)
{
    int fd = -1;

    f->diag = (struct kgr_diag){{0}};
    assert_int_equal(kgr_secret_file_open(&fd, name, &f->diag), KGR_ERR_CONFIG);
    assert_int_equal(fd, -1);
    if (strstr(f->diag.text, why) == NULL)
        fail_msg("'%s' does not say '%s'", f->diag.text, why);
}

static void secret_file_names(void **state)
{
    (void)state;
    assert_true(kgr_secret_file_is_named("/etc/kgr/pin"));
    assert_true(kgr_secret_file_is_named("credential:pin"));
    assert_false(kgr_secret_file_is_named("pin"));
    assert_false(kgr_secret_file_is_named("credential:"));
    assert_false(kgr_secret_file_is_named("credential:.."));
    assert_false(kgr_secret_file_is_named("credential:a/b"));
}

static void secret_file_of_ours_opens(void **state)
{
    struct fixture *f = *state;

    assert_opens(f, f->path);
    assert_refused(f, f->dir, "not a regular file");
    assert_refused(f, "pin", "absolute path");
    assert_refused(f, "/nowhere/pin", "/nowhere/pin: No such file");
}

static void secret_file_open_to_others_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(f->path, modes[i]), 0);
        assert_refused(f, f->path, "chmod it to 0600");
    }
}

static void secret_file_of_a_stranger_is_refused(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0) {
        print_message("skipped: only root gives files away\n");
        skip();
    }
    assert_int_equal(chown(f->path, 12345, (gid_t)-1), 0);
    assert_refused(f, f->path, "uid 12345");
}

static void secret_file_credential_is_found(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "credential:pin", "LoadCredential=");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", f->dir, 1), 0);
    assert_opens(f, "credential:pin");
    /* As systemd shows an access list for the service's user, by either name. */
    assert_int_equal(chmod(f->path, 0440), 0);
    assert_opens(f, "credential:pin");
    assert_opens(f, f->path);
    assert_int_equal(chmod(f->path, 0460), 0);
    assert_refused(f, "credential:pin", "0460");
    assert_int_equal(chmod(f->path, 0444), 0);
    assert_refused(f, "credential:pin", "0444");
    assert_refused(f, "credential:none", "No such file");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/other", 1), 0);
    assert_int_equal(chmod(f->path, 0440), 0);
    assert_refused(f, f->path, "0440");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_file_names),
        cmocka_unit_test_setup_teardown(secret_file_of_ours_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(secret_file_open_to_others_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(secret_file_of_a_stranger_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(secret_file_credential_is_found, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
