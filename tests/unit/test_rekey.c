/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/rekey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/store/db.h"
#include "tests/support/toy_cipher.h"

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;",
};

static const struct kgr_db_schema schema = {0x6b677274, migrations, 1};

struct fixture {
    char dir[32];
    char path[64];
    char log[64];
    char next[64];
    struct toy_cipher toys[2];
    struct kgr_page_cipher old;
    struct kgr_page_cipher new;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/db", f.dir);
    (void)snprintf(f.log, sizeof(f.log), "%s/db-wal", f.dir);
    (void)snprintf(f.next, sizeof(f.next), "%s/db.new", f.dir);
    f.toys[0].key = 0x33;
    f.toys[1].key = 0x44;
    f.old = toy_cipher(&f.toys[0]);
    f.new = toy_cipher(&f.toys[1]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    (void)snprintf(command, sizeof(command), "rm -r %s", f->dir);
    return system(command);
}

static bool opens(struct fixture *f, const struct kgr_page_cipher *cipher)
{
    bool out = false;

    assert_int_equal(kgr_db_opens_with(&out, f->path, cipher, &f->diag), KGR_OK);
    return out;
}

static struct kgr_db *open_db(struct fixture *f, const struct kgr_page_cipher *cipher)
{
    struct kgr_db *db = NULL;

    assert_int_equal(kgr_db_open_sealed(&db, f->path, &schema, cipher, &f->diag), KGR_OK);
    return db;
}

static void make(struct fixture *f)
{
    struct kgr_db *db = open_db(f, &f->old);

    for (int i = 0; i < 100; i++)
        assert_int_equal(
            kgr_db_exec(db, "INSERT INTO item (value) VALUES (zeroblob(500))", &f->diag), KGR_OK);
    kgr_db_close(db);
}

static void assert_whole(struct fixture *f, const struct kgr_page_cipher *cipher)
{
    struct kgr_db *db = open_db(f, cipher);
    struct kgr_stmt *stmt;
    enum kgr_step step;

    assert_int_equal(kgr_db_stmt(&stmt, db, "SELECT count(*) FROM item", &f->diag), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, &f->diag), KGR_OK);
    assert_int_equal(kgr_stmt_int(stmt, 0), 100);
    kgr_stmt_reset(stmt);
    kgr_db_close(db);
}

static void rekeyed_file_opens_with_the_new_key_only(void **state)
{
    struct fixture *f = *state;

    make(f);
    assert_true(opens(f, &f->old));
    assert_false(opens(f, &f->new));
    assert_int_equal(kgr_db_rekey(f->path, &f->old, &f->new, &f->diag), KGR_OK);
    assert_false(opens(f, &f->old));
    assert_true(opens(f, &f->new));
    assert_whole(f, &f->new);
}

static void rest_of_a_crash_is_no_obstacle(void **state)
{
    struct fixture *f = *state;

    make(f);
    assert_int_equal(kgr_file_replace(f->next, 0600, kgr_slice("half", 4), &f->diag), KGR_OK);
    assert_int_equal(kgr_db_rekey(f->path, &f->old, &f->new, &f->diag), KGR_OK);
    assert_whole(f, &f->new);
}

static void damaged_page_stops_it_and_leaves_the_file(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = malloc(1u << 20);
    size_t len = 0;
    struct stat st;

    assert_non_null(bytes);
    make(f);
    assert_int_equal(kgr_file_read(bytes, &len, 1u << 20, f->path, &f->diag), KGR_OK);
    bytes[4 * KGR_PAGE_LEN + 9] ^= 0x10;
    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice(bytes, len), &f->diag), KGR_OK);
    assert_int_equal(kgr_db_rekey(f->path, &f->old, &f->new, &f->diag), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f->diag.text, "page 5"));
    assert_true(opens(f, &f->old));
    assert_int_not_equal(stat(f->next, &st), 0);
    free(bytes);
}

static void log_beside_the_file_stops_it(void **state)
{
    struct fixture *f = *state;
    struct kgr_db *db;

    make(f);
    db = open_db(f, &f->old);
    assert_int_equal(kgr_db_exec(db, "DELETE FROM item WHERE id = 1", &f->diag), KGR_OK);
    assert_int_equal(kgr_db_rekey(f->path, &f->old, &f->new, &f->diag), KGR_ERR_STATE);
    kgr_db_close(db);
    assert_int_equal(kgr_db_rekey(f->path, &f->old, &f->new, &f->diag), KGR_OK);
}

/* After a crash while the log was moved into the file page 1 may be torn; the log says whose it is. */
static void log_tells_the_key_of_a_torn_file(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = malloc(1u << 20);
    struct kgr_db *db;
    size_t len = 0;

    assert_non_null(bytes);
    make(f);
    db = open_db(f, &f->old);
    assert_int_equal(kgr_db_exec(db, "DELETE FROM item WHERE id = 1", &f->diag), KGR_OK);
    assert_int_equal(kgr_file_read(bytes, &len, 1u << 20, f->log, &f->diag), KGR_OK);
    kgr_db_close(db);
    assert_int_equal(kgr_file_replace(f->log, 0600, kgr_slice(bytes, len), &f->diag), KGR_OK);
    assert_int_equal(kgr_file_read(bytes, &len, 1u << 20, f->path, &f->diag), KGR_OK);
    memset(bytes + 100, 0, 512);
    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice(bytes, len), &f->diag), KGR_OK);
    assert_true(opens(f, &f->old));
    assert_false(opens(f, &f->new));
    free(bytes);
}

static void missing_or_empty_file_opens_with_every_key(void **state)
{
    struct fixture *f = *state;

    assert_true(opens(f, &f->old));
    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("", 0), &f->diag), KGR_OK);
    assert_true(opens(f, &f->old));
    assert_true(opens(f, &f->new));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rekeyed_file_opens_with_the_new_key_only, setup, teardown),
        cmocka_unit_test_setup_teardown(rest_of_a_crash_is_no_obstacle, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_page_stops_it_and_leaves_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(log_beside_the_file_stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(log_tells_the_key_of_a_torn_file, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_or_empty_file_opens_with_every_key, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("rekey", tests, NULL, NULL);
}
