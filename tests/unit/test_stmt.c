/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT UNIQUE, blob BLOB) STRICT;",
};
static const struct kgr_db_schema schema = {0x6b677273, migrations, 1};

#define INSERT "INSERT INTO item VALUES (?1, ?2, ?3)"
#define SELECT "SELECT id, text, blob FROM item ORDER BY id"

static char dir[32];

static int setup(void **state)
{
    struct kgr_db *db;
    char path[64];

    strcpy(dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/db", dir);
    assert_int_equal(kgr_db_open(&db, path, &schema, NULL), KGR_OK);
    *state = db;
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    kgr_db_close(*state);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static enum kgr_error insert(struct kgr_db *db, int64_t id, const char *text, struct kgr_slice blob)
{
    struct kgr_stmt *stmt;

    assert_int_equal(kgr_db_stmt(&stmt, db, INSERT, NULL), KGR_OK);
    kgr_stmt_bind_int(stmt, 1, id);
    kgr_stmt_bind_text(stmt, 2, text);
    kgr_stmt_bind_blob(stmt, 3, blob);
    return kgr_stmt_run(stmt, NULL);
}

static void stmt_values_come_back(void **state)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    uint8_t two[2];
    struct kgr_diag diag = {0};

    assert_int_equal(insert(*state, INT64_MAX, "text", kgr_slice("\0\1", 2)), KGR_OK);
    assert_int_equal(kgr_db_changes(*state), 1);
    assert_int_equal(kgr_db_last_id(*state), INT64_MAX);
    assert_int_equal(kgr_db_stmt(&stmt, *state, SELECT, NULL), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_OK);
    assert_int_equal(step, KGR_STEP_ROW);
    assert_int_equal(kgr_stmt_int(stmt, 0), INT64_MAX);
    assert_string_equal(kgr_stmt_text(stmt, 1), "text");
    assert_true(kgr_slice_equal(kgr_stmt_blob(stmt, 2), kgr_slice("\0\1", 2)));
    assert_int_equal(kgr_stmt_blob_exact(two, 2, stmt, 2, &diag), KGR_OK);
    assert_int_equal(two[1], 1);
    assert_int_equal(kgr_stmt_blob_exact(two, 1, stmt, 2, &diag), KGR_ERR_CORRUPT);
    assert_int_equal(two[0], 0);
    assert_non_null(strstr(diag.text, "blob is 2 bytes long instead of 1"));
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_OK);
    assert_int_equal(step, KGR_STEP_DONE);
}

static void stmt_null_and_empty_differ(void **state)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;

    assert_int_equal(insert(*state, 1, NULL, kgr_slice(NULL, 0)), KGR_OK);
    assert_int_equal(kgr_db_stmt(&stmt, *state, SELECT, NULL), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_OK);
    assert_true(kgr_stmt_is_null(stmt, 1));
    assert_null(kgr_stmt_text(stmt, 1));
    assert_false(kgr_stmt_is_null(stmt, 2));
    assert_int_equal(kgr_stmt_blob(stmt, 2).len, 0);
    kgr_stmt_reset(stmt);
}

static void stmt_is_found_again_without_its_bindings(void **state)
{
    struct kgr_stmt *first, *second;
    enum kgr_step step;
    char text[] = INSERT;

    assert_int_equal(insert(*state, 1, "a", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(kgr_db_stmt(&first, *state, INSERT, NULL), KGR_OK);
    assert_int_equal(kgr_db_stmt(&second, *state, text, NULL), KGR_OK);
    assert_ptr_equal(first, second);
    kgr_stmt_bind_int(second, 1, 2);
    assert_int_equal(kgr_stmt_run(second, NULL), KGR_OK);
    assert_int_equal(kgr_db_stmt(&first, *state, "SELECT text FROM item WHERE id = 2", NULL),
                     KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, first, NULL), KGR_OK);
    assert_true(kgr_stmt_is_null(first, 0));
    kgr_stmt_reset(first);
}

static void stmt_violated_key_is_exists_and_keeps_the_transaction(void **state)
{
    assert_int_equal(kgr_db_begin(*state, NULL), KGR_OK);
    assert_int_equal(insert(*state, 1, "a", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(insert(*state, 1, "b", kgr_slice("x", 1)), KGR_ERR_EXISTS);
    assert_int_equal(insert(*state, 2, "a", kgr_slice("x", 1)), KGR_ERR_EXISTS);
    assert_true(kgr_db_in_transaction(*state));
    assert_int_equal(insert(*state, 2, "b", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(kgr_db_commit(*state, NULL), KGR_OK);
}

static void stmt_wrong_uses_fail_with_text(void **state)
{
    struct kgr_diag diag = {0};
    struct kgr_stmt *stmt;
    enum kgr_step step;

    assert_int_equal(kgr_db_stmt(&stmt, *state, "SELECT x FROM nowhere", &diag), KGR_ERR_FAILED);
    assert_non_null(strstr(diag.text, "nowhere"));
    assert_int_equal(kgr_db_stmt(&stmt, *state, "", NULL), KGR_ERR_FAILED);
    assert_int_equal(kgr_db_stmt(&stmt, *state, SELECT, NULL), KGR_OK);
    kgr_stmt_bind_int(stmt, 9, 1);
    assert_int_equal(kgr_stmt_step(&step, stmt, NULL), KGR_ERR_FAILED);
    assert_int_equal(insert(*state, 1, "a", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(kgr_db_stmt(&stmt, *state, SELECT, NULL), KGR_OK);
    assert_int_equal(kgr_stmt_run(stmt, NULL), KGR_ERR_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stmt_values_come_back),
        TEST(stmt_null_and_empty_differ),
        TEST(stmt_is_found_again_without_its_bindings),
        TEST(stmt_violated_key_is_exists_and_keeps_the_transaction),
        TEST(stmt_wrong_uses_fail_with_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
