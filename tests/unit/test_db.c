/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;",
    "CREATE TABLE other (name TEXT PRIMARY KEY) STRICT; INSERT INTO other VALUES ('second');",
};

static const struct kgr_db_schema schema_1 = {0x6b677274, migrations, 1};
static const struct kgr_db_schema schema_2 = {0x6b677274, migrations, 2};

struct fixture {
    char dir[32];
    char path[64];
    struct kgr_db *db;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/db", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    kgr_db_close(f->db);
    (void)snprintf(command, sizeof(command), "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static enum kgr_error open_db(struct fixture *f, const struct kgr_db_schema *schema)
{
    memset(&f->diag, 0, sizeof(f->diag));
    return kgr_db_open(&f->db, f->path, schema, &f->diag);
}

static void close_db(struct fixture *f)
{
    kgr_db_close(f->db);
    f->db = NULL;
}

static enum kgr_error insert(struct kgr_db *db, int64_t id, struct kgr_slice value,
                             struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "INSERT INTO item VALUES (?1, ?2)", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, id);
    kgr_stmt_bind_blob(stmt, 2, value);
    return kgr_stmt_run(stmt, diag);
}

static int64_t query(struct kgr_db *db, const char *sql)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    int64_t value;

    assert_int_equal(kgr_db_stmt(&stmt, db, sql, NULL), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_OK);
    assert_int_equal(step, KGR_STEP_ROW);
    value = kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    return value;
}

static int64_t count(struct kgr_db *db)
{
    return query(db, "SELECT count(*) FROM item");
}

static void db_new_file_is_private_and_durable(void **state)
{
    struct fixture *f = *state;
    struct kgr_stmt *stmt;
    enum kgr_step step;
    struct stat st;
    mode_t old = umask(0);

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    umask(old);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(query(f->db, "PRAGMA synchronous"), 2);
    assert_int_equal(query(f->db, "PRAGMA secure_delete"), 1);
    assert_int_equal(query(f->db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(kgr_db_stmt(&stmt, f->db, "PRAGMA journal_mode", NULL), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_OK);
    assert_string_equal(kgr_stmt_text(stmt, 0), "wal");
    kgr_stmt_reset(stmt);
    assert_int_equal(insert(f->db, 1, kgr_slice("x", 1), NULL), KGR_OK);
    close_db(f);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(count(f->db), 1);
}

static void db_older_version_is_migrated(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(insert(f->db, 7, kgr_slice("x", 1), NULL), KGR_OK);
    close_db(f);
    assert_int_equal(open_db(f, &schema_2), KGR_OK);
    assert_int_equal(count(f->db), 1);
    assert_int_equal(query(f->db, "SELECT count(*) FROM other"), 1);
    assert_int_equal(query(f->db, "PRAGMA user_version"), 2);
}

static void db_migration_that_fails_leaves_the_version_before(void **state)
{
    static const char *const wrong[] = {"CREATE TABLE item (id INTEGER PRIMARY KEY) STRICT;",
                                        "CREATE TABLE two (id INTEGER); CREATE TABLE item (x);"};
    static const struct kgr_db_schema schema = {0x6b677274, wrong, 2};
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &schema), KGR_ERR_FAILED);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(query(f->db, "PRAGMA user_version"), 1);
    assert_int_equal(query(f->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'two'"), 0);
}

static void read_file(const char *path, char *out, size_t cap, size_t *out_len)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    *out_len = fread(out, 1, cap, file);
    assert_int_equal(fclose(file), 0);
}

static void db_newer_version_is_refused_untouched(void **state)
{
    static char before[65536], after[65536];
    struct fixture *f = *state;
    size_t before_len, after_len;

    assert_int_equal(open_db(f, &schema_2), KGR_OK);
    close_db(f);
    read_file(f->path, before, sizeof(before), &before_len);
    assert_int_equal(open_db(f, &schema_1), KGR_ERR_VERSION);
    assert_null(f->db);
    assert_non_null(strstr(f->diag.text, f->path));
    assert_non_null(strstr(f->diag.text, "newer"));
    read_file(f->path, after, sizeof(after), &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
}

static void db_other_kind_is_refused(void **state)
{
    static const struct kgr_db_schema other = {0x6b677275, migrations, 1};
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &other), KGR_OK);
    close_db(f);
    assert_int_equal(open_db(f, &schema_1), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, "another kind"));
}

static void write_at(const char *path, long offset, const char *text)
{
    FILE *file = fopen(path, offset == 0 ? "w" : "r+");

    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void db_garbage_is_corrupt(void **state)
{
    struct fixture *f = *state;
    char garbage[2048];

    memset(garbage, 'g', sizeof(garbage));
    garbage[sizeof(garbage) - 1] = '\0';
    write_at(f->path, 0, garbage);
    assert_int_equal(open_db(f, &schema_1), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, f->path));
}

static void db_damaged_page_is_corrupt(void **state)
{
    struct fixture *f = *state;
    char garbage[4096];

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(insert(f->db, 1, kgr_slice("x", 1), NULL), KGR_OK);
    close_db(f);
    memset(garbage, 'g', sizeof(garbage));
    garbage[sizeof(garbage) - 1] = '\0';
    write_at(f->path, 4096, garbage); /* the page of the table */
    assert_int_equal(open_db(f, &schema_1), KGR_ERR_CORRUPT);
}

static void db_unsafe_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char link[80];

    write_at(f->path, 0, "");
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(open_db(f, &schema_1), KGR_ERR_CONFIG);
    assert_int_equal(chmod(f->path, 0600), 0);
    (void)snprintf(link, sizeof(link), "%s/link", f->dir);
    assert_int_equal(symlink(f->path, link), 0);
    assert_int_equal(kgr_db_open(&f->db, link, &schema_1, NULL), KGR_ERR_CONFIG);
    assert_int_equal(kgr_db_open(&f->db, f->dir, &schema_1, NULL), KGR_ERR_IO);
    assert_int_equal(kgr_db_open(&f->db, "/nonexistent/db", &schema_1, NULL), KGR_ERR_IO);
}

static void db_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct kgr_db *own;
        enum kgr_error err = kgr_db_open(&own, f->path, &schema_1, NULL);

        _exit((int)err);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), KGR_ERR_BUSY);
}

static void db_transaction_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(kgr_db_begin(f->db, NULL), KGR_OK);
    assert_true(kgr_db_in_transaction(f->db));
    assert_int_equal(insert(f->db, 1, kgr_slice("x", 1), NULL), KGR_OK);
    kgr_db_rollback(f->db);
    assert_false(kgr_db_in_transaction(f->db));
    kgr_db_rollback(f->db);
    assert_int_equal(count(f->db), 0);
    assert_int_equal(kgr_db_begin(f->db, NULL), KGR_OK);
    assert_int_equal(insert(f->db, 1, kgr_slice("x", 1), NULL), KGR_OK);
    assert_int_equal(kgr_db_commit(f->db, NULL), KGR_OK);
    assert_int_equal(count(f->db), 1);
}

static void db_transactions_do_not_nest(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(kgr_db_commit(f->db, NULL), KGR_ERR_STATE);
    assert_int_equal(kgr_db_begin(f->db, NULL), KGR_OK);
    assert_int_equal(kgr_db_begin(f->db, NULL), KGR_ERR_STATE);
    assert_int_equal(kgr_db_checkpoint(f->db, NULL), KGR_ERR_STATE);
    assert_true(kgr_db_in_transaction(f->db));
}

static void db_close_drops_an_open_transaction(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(kgr_db_begin(f->db, NULL), KGR_OK);
    assert_int_equal(insert(f->db, 1, kgr_slice("x", 1), NULL), KGR_OK);
    close_db(f);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(count(f->db), 0);
}

static bool file_contains(const char *path, const char *needle)
{
    static char bytes[1 << 20];
    size_t len;

    read_file(path, bytes, sizeof(bytes), &len);
    return memmem(bytes, len, needle, strlen(needle)) != NULL;
}

static void db_checkpoint_leaves_no_deleted_row(void **state)
{
    static const char needle[] = "a value that must not outlive its row";
    struct fixture *f = *state;
    char wal[80];
    struct stat st;

    (void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(insert(f->db, 1, kgr_slice(needle, strlen(needle)), NULL), KGR_OK);
    assert_true(file_contains(wal, needle));
    assert_int_equal(kgr_db_checkpoint(f->db, NULL), KGR_OK);
    assert_true(file_contains(f->path, needle));
    assert_int_equal(kgr_db_exec(f->db, "DELETE FROM item", NULL), KGR_OK);
    assert_int_equal(kgr_db_checkpoint(f->db, NULL), KGR_OK);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_false(file_contains(f->path, needle));
}

/* The child writes in transactions of two rows and says after each commit that it stands. */
static void write_for_ever(const char *path, int fd)
{
    struct kgr_db *db;

    if (kgr_db_open(&db, path, &schema_1, NULL) != KGR_OK)
        _exit(1);
    for (int64_t id = query(db, "SELECT coalesce(max(id), 0) FROM item") + 1;; id += 2) {
        if (kgr_db_begin(db, NULL) != KGR_OK || insert(db, id, kgr_slice("a", 1), NULL) != KGR_OK ||
            insert(db, id + 1, kgr_slice("b", 1), NULL) != KGR_OK ||
            kgr_db_commit(db, NULL) != KGR_OK || write(fd, &id, sizeof(id)) != (ssize_t)sizeof(id))
            _exit(1);
    }
}

static void db_kill_at_any_moment_loses_no_commit_and_halves_none(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 20; round++) {
        int fds[2], status;
        int64_t id, last = 0;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            write_for_ever(f->path, fds[1]);
        }
        close(fds[1]);
        for (int i = 0; i <= round; i++) {
            assert_int_equal(read(fds[0], &id, sizeof(id)), sizeof(id));
            last = id;
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(fds[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
            last = id;
        close(fds[0]);
        assert_int_equal(open_db(f, &schema_1), KGR_OK);
        assert_true(query(f->db, "SELECT max(id) FROM item") >= last + 1);
        assert_int_equal(query(f->db, "SELECT max(id) - count(*) FROM item"), 0);
        assert_int_equal(count(f->db) % 2, 0);
        close_db(f);
    }
}

static void db_kill_within_a_transaction_drops_it(void **state)
{
    struct fixture *f = *state;
    int fds[2], status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct kgr_db *db;

        if (kgr_db_open(&db, f->path, &schema_1, NULL) != KGR_OK ||
            insert(db, 1, kgr_slice("x", 1), NULL) != KGR_OK || kgr_db_begin(db, NULL) != KGR_OK ||
            insert(db, 2, kgr_slice("x", 1), NULL) != KGR_OK || write(fds[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(count(f->db), 1);
}

/* A limit on the size of files is a full disk that needs no rights. */
static void db_full_disk_is_told_and_rolls_back(void **state)
{
    static const uint8_t value[8192];
    struct fixture *f = *state;
    struct rlimit before, tight;
    enum kgr_error err;
    int64_t id, committed;
    bool open_after;

    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(insert(f->db, 1, kgr_slice(value, sizeof(value)), NULL), KGR_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 256 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (id = 2, committed = 1, err = KGR_OK; err == KGR_OK; id++) {
        err = kgr_db_begin(f->db, &f->diag);
        if (err == KGR_OK)
            err = insert(f->db, id, kgr_slice(value, sizeof(value)), &f->diag);
        if (err == KGR_OK)
            err = kgr_db_commit(f->db, &f->diag);
        if (err == KGR_OK)
            committed = id;
    }
    open_after = kgr_db_in_transaction(f->db);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, KGR_ERR_IO);
    assert_false(open_after);
    assert_non_null(strstr(f->diag.text, f->path));
    assert_int_equal(count(f->db), committed);
    /* With room again it goes on. */
    assert_int_equal(insert(f->db, id, kgr_slice(value, sizeof(value)), NULL), KGR_OK);
    close_db(f);
    assert_int_equal(open_db(f, &schema_1), KGR_OK);
    assert_int_equal(count(f->db), committed + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(db_new_file_is_private_and_durable),
        TEST(db_older_version_is_migrated),
        TEST(db_migration_that_fails_leaves_the_version_before),
        TEST(db_newer_version_is_refused_untouched),
        TEST(db_other_kind_is_refused),
        TEST(db_garbage_is_corrupt),
        TEST(db_damaged_page_is_corrupt),
        TEST(db_unsafe_files_are_refused),
        TEST(db_second_process_is_refused),
        TEST(db_transaction_is_all_or_nothing),
        TEST(db_transactions_do_not_nest),
        TEST(db_close_drops_an_open_transaction),
        TEST(db_checkpoint_leaves_no_deleted_row),
        TEST(db_kill_at_any_moment_loses_no_commit_and_halves_none),
        TEST(db_kill_within_a_transaction_drops_it),
        TEST(db_full_disk_is_told_and_rolls_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
