/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/token_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char db[256];
    char lock[300];
    struct kgr_token_store *store;
    struct kgr_diag diag;
};

static const uint8_t esys_tr[] = {0x81, 0, 0x4b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
static const uint8_t other_tr[] = {0x81, 0, 0x4b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11};
static const struct kgr_token_primary ours = {{esys_tr, sizeof(esys_tr)}, "primary-auth"};
static const struct kgr_token_primary other = {{other_tr, sizeof(other_tr)}, ""};
static const struct kgr_token_seal user = {{(const uint8_t *)"user public", 11},
                                           {(const uint8_t *)"user private", 12},
                                           "salt of the user"};
static const struct kgr_token_seal so = {
    {(const uint8_t *)"so public", 9}, {(const uint8_t *)"so private", 10}, "salt of nobody"};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    (void)snprintf(f.dir, sizeof(f.dir), "/tmp/kgr-tokens.XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.db, sizeof(f.db), "%s/" KGR_TOKEN_STORE_FILE, f.dir);
    (void)snprintf(f.lock, sizeof(f.lock), "%s.lock", f.db);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[160];

    kgr_token_store_close(f->store);
    (void)snprintf(command, sizeof(command), "chmod 700 %s; rm -r %s", f->dir, f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static enum kgr_error open_store(struct fixture *f, bool create)
{
    memset(&f->diag, 0, sizeof(f->diag));
    return kgr_token_store_open(&f->store, f->dir, 0, create, &f->diag);
}

static void close_store(struct fixture *f)
{
    kgr_token_store_close(f->store);
    f->store = NULL;
    assert_int_not_equal(access(f->lock, F_OK), 0);
}

static void run(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t count(struct fixture *f, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    int64_t n;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

/* A store with a token "kgr" of ours that has one object. */
static int64_t make(struct fixture *f)
{
    int64_t id = 0;

    assert_int_equal(open_store(f, true), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_add(f->store, &id, "kgr", &ours, &user, &so, &f->diag),
                     KGR_OK);
    assert_int_equal(kgr_token_store_put(f->store, id, "one", &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_commit(f->store, &f->diag), KGR_OK);
    close_store(f);
    return id;
}

static enum kgr_error note_seal(void *arg, const struct kgr_token_seal *seal, struct kgr_diag *diag)
{
    (void)diag;
    assert_true(kgr_slice_equal(seal->pub, user.pub));
    assert_true(kgr_slice_equal(seal->priv, user.priv));
    assert_string_equal(seal->salt, user.salt);
    ++*(int *)arg;
    return KGR_OK;
}

static enum kgr_error note_row(void *arg, int64_t row, const char *attrs, struct kgr_diag *diag)
{
    (void)diag;
    assert_string_equal(attrs, "one");
    *(int64_t *)arg = row;
    return KGR_OK;
}

static void store_is_made_for_the_group_of_its_folder(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    (void)make(f);
    assert_int_equal(stat(f->db, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(count(f, "SELECT schema_version FROM schema"), 8);
    assert_int_equal(count(f, "SELECT count(*) FROM sqlite_schema"), 6 + 1 /* its UNIQUE index */);
    assert_int_equal(
        count(f, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'delete'"), 1);
}

static void token_is_found_with_its_seal_and_objects(void **state)
{
    struct fixture *f = *state;
    int64_t id = make(f), row = 0;
    struct kgr_token token;
    int seals = 0;

    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(kgr_token_store_find(f->store, &token, "other", &ours, &f->diag),
                     KGR_ERR_NO_KEY);
    assert_int_equal(kgr_token_store_find(f->store, &token, "kgr", &other, &f->diag), KGR_OK);
    assert_false(token.ours);
    assert_int_equal(kgr_token_store_find(f->store, &token, "kgr", &ours, &f->diag), KGR_OK);
    assert_true(token.ours && token.id == id);
    assert_int_equal(kgr_token_store_user_seal(f->store, id, note_seal, &seals, &f->diag), KGR_OK);
    assert_int_equal(seals, 1);
    assert_int_equal(kgr_token_store_each(f->store, id, note_row, &row, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_erase(f->store, id + 1, row, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_erase(f->store, id, row, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_commit(f->store, &f->diag), KGR_OK);
    close_store(f);
    assert_int_equal(count(f, "SELECT count(*) FROM tobjects"), 0);
}

static void tokens_share_a_primary_object_until_the_last_goes(void **state)
{
    struct fixture *f = *state;
    int64_t first = make(f), second = 0;

    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_add(f->store, &second, "two", &ours, &user, &so, &f->diag),
                     KGR_OK);
    assert_int_equal(kgr_token_store_remove(f->store, first, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_commit(f->store, &f->diag), KGR_OK);
    close_store(f);
    assert_int_equal(count(f, "SELECT count(*) FROM pobjects"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM sealobjects"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM tobjects"), 0);
    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_remove(f->store, second, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_remove(f->store, second, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_commit(f->store, &f->diag), KGR_OK);
    close_store(f);
    assert_int_equal(count(f, "SELECT count(*) FROM pobjects"), 0);
}

static void taken_label_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t id = 0;

    (void)make(f);
    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_add(f->store, &id, "kgr", &other, &user, &so, &f->diag),
                     KGR_ERR_EXISTS);
    close_store(f);
    assert_int_equal(count(f, "SELECT count(*) FROM pobjects"), 1);
}

static void what_is_not_committed_is_gone(void **state)
{
    struct fixture *f = *state;
    int64_t id = 0;

    assert_int_equal(open_store(f, false), KGR_ERR_NO_KEY);
    assert_int_equal(open_store(f, true), KGR_OK);
    close_store(f);
    assert_int_not_equal(access(f->db, F_OK), 0);
    assert_int_equal(open_store(f, true), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_add(f->store, &id, "kgr", &ours, &user, &so, &f->diag),
                     KGR_OK);
    close_store(f);
    assert_int_not_equal(access(f->db, F_OK), 0);
    (void)make(f);
    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(kgr_token_store_begin(f->store, &f->diag), KGR_OK);
    assert_int_equal(kgr_token_store_remove(f->store, 1, &f->diag), KGR_OK);
    close_store(f);
    assert_int_equal(count(f, "SELECT count(*) FROM tokens"), 1);
}

static void lock_of_the_library_is_taken_and_respected(void **state)
{
    struct fixture *f = *state;
    int fd;

    (void)make(f);
    fd = open(f->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(open_store(f, false), KGR_ERR_BUSY);
    assert_non_null(strstr(f->diag.text, "another program holds it"));
    /* The holder removes it and goes; the lock on what was removed is worth nothing. */
    assert_int_equal(unlink(f->lock), 0);
    assert_int_equal(open_store(f, false), KGR_OK);
    assert_int_equal(close(fd), 0);
    fd = open(f->lock, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_not_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(close(fd), 0);
    close_store(f);
}

static void other_schemas_are_refused(void **state)
{
    static const struct {
        const char *sql;
        enum kgr_error err;
    } cases[] = {
        {"UPDATE schema SET schema_version = 9", KGR_OK},
        {"UPDATE schema SET schema_version = 7", KGR_ERR_VERSION},
        {"UPDATE schema SET schema_version = 10", KGR_ERR_VERSION},
        {"UPDATE schema SET schema_version = 8; ALTER TABLE tobjects ADD COLUMN more TEXT",
         KGR_ERR_VERSION},
        {"DROP TABLE tobjects", KGR_ERR_VERSION},
        {"DROP TABLE schema", KGR_ERR_VERSION},
    };
    struct fixture *f = *state;

    (void)make(f);
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        run(f, cases[i].sql);
        assert_int_equal(open_store(f, true), cases[i].err);
        if (f->store != NULL)
            close_store(f);
    }
}

static void damaged_store_is_refused(void **state)
{
    struct fixture *f = *state;
    char old[300];
    int fd;

    (void)make(f);
    (void)snprintf(old, sizeof(old), "%s.old", f->db);
    fd = open(old, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(open_store(f, true), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, ".old is there"));
    assert_int_equal(unlink(old), 0);
    assert_int_equal(truncate(f->db, 4096 * 3), 0);
    assert_int_equal(open_store(f, true), KGR_ERR_CORRUPT);
    assert_int_equal(truncate(f->db, 100), 0);
    assert_int_equal(open_store(f, true), KGR_ERR_CORRUPT);
    assert_int_equal(unlink(f->db), 0);
    assert_int_equal(symlink("/etc/passwd", f->db), 0);
    assert_int_equal(open_store(f, true), KGR_ERR_IO);
    assert_int_equal(unlink(f->db), 0);
    assert_int_equal(mkdir(f->db, 0700), 0);
    assert_int_equal(open_store(f, true), KGR_ERR_IO);
    assert_int_equal(rmdir(f->db), 0);
}

/* By a process without root's rights. */
static void try_as_nobody(struct fixture *f, mode_t folder, mode_t file, const char *wanted)
{
    int status = 0;
    pid_t pid;

    assert_int_equal(chmod(f->db, file), 0);
    assert_int_equal(chmod(f->dir, folder), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        if (open_store(f, true) != KGR_ERR_IO || strstr(f->diag.text, wanted) == NULL)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void store_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *f = *state;

    (void)make(f);
    try_as_nobody(f, 0555, 0666, "must be able to write the folder");
    try_as_nobody(f, 01777, 0444, "must be able to write it");
    assert_int_equal(count(f, "SELECT count(*) FROM tokens"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_is_made_for_the_group_of_its_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(token_is_found_with_its_seal_and_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_share_a_primary_object_until_the_last_goes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(taken_label_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_committed_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(lock_of_the_library_is_taken_and_respected, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(other_schemas_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_store_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(store_that_cannot_be_written_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
