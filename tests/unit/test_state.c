/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/state.h"

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
#include "tests/support/toy_cipher.h"

#define FILE_MAX (1u << 20)

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY) STRICT;",
};

static const struct kgr_db_schema schema = {0x6b677274, migrations, 1};

/* A TPM's counter, the folder, and a state that is open or not. */
struct fixture {
    char dir[32];
    char path[64];
    uint64_t counter;
    size_t num_ciphers; /* made and not dropped */
    struct kgr_page_keys keys;
    struct kgr_state state;
    uint8_t *saved;
    size_t saved_len;
    struct kgr_diag diag;
};

static struct fixture f;

static enum kgr_error at(void *ctx, struct kgr_page_cipher *out, uint64_t epoch)
{
    struct toy_cipher *toy = calloc(1, sizeof(*toy));

    assert_ptr_equal(ctx, &f);
    assert_non_null(toy);
    toy->key = (uint8_t)(epoch * 3 + 1);
    *out = toy_cipher(toy);
    f.num_ciphers++;
    return KGR_OK;
}

static void drop(void *ctx, struct kgr_page_cipher *cipher)
{
    assert_ptr_equal(ctx, &f);
    free(cipher->ctx);
    cipher->ctx = NULL;
    f.num_ciphers--;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/db", f.dir);
    f.counter = 7;
    f.keys = (struct kgr_page_keys){.at = at, .drop = drop, .ctx = &f};
    f.saved = malloc(FILE_MAX);
    assert_non_null(f.saved);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    kgr_state_close(&f.state);
    assert_int_equal(f.num_ciphers, 0);
    free(f.saved);
    (void)snprintf(command, sizeof(command), "rm -r %s", f.dir);
    return system(command);
}

static enum kgr_error open_state(bool create)
{
    memset(&f.diag, 0, sizeof(f.diag));
    return kgr_state_open(&f.state, f.path, &schema, &f.keys, f.counter, create, &f.diag);
}

static enum kgr_error forget(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db, "DELETE FROM item", diag);
}

static bool enter(void)
{
    bool restored = true;

    assert_int_equal(kgr_state_enter(&f.state, f.counter, &restored, forget, &f.diag), KGR_OK);
    return restored;
}

/* A whole start; returns whether the file was recognised as another. The state stays open. */
static bool start(void)
{
    assert_int_equal(open_state(false), KGR_OK);
    assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
    f.counter++;
    return enter();
}

static void add_item(void)
{
    assert_int_equal(kgr_db_exec(f.state.db, "INSERT INTO item DEFAULT VALUES", &f.diag), KGR_OK);
}

static int64_t items(void)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    int64_t n;

    assert_int_equal(kgr_db_stmt(&stmt, f.state.db, "SELECT count(*) FROM item", &f.diag), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, &f.diag), KGR_OK);
    n = kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    return n;
}

static void make(void)
{
    assert_int_equal(open_state(true), KGR_OK);
    add_item();
    kgr_state_close(&f.state);
}

static void save(void)
{
    assert_int_equal(kgr_file_read(f.saved, &f.saved_len, FILE_MAX, f.path, &f.diag), KGR_OK);
}

static void put_back(void)
{
    assert_int_equal(kgr_file_replace(f.path, 0600, kgr_slice(f.saved, f.saved_len), &f.diag),
                     KGR_OK);
}

static void nothing_there_is_said(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(open_state(false), KGR_ERR_NO_KEY);
    assert_int_not_equal(stat(f.path, &st), 0);
    make();
    assert_int_equal(truncate(f.path, 0), 0);
    assert_int_equal(open_state(false),
                     KGR_ERR_NO_KEY); /* no other database is made in its place */
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void starts_follow_one_another(void **state)
{
    (void)state;
    make();
    for (int i = 0; i < 5; i++) {
        assert_false(start());
        assert_int_equal(items(), i + 1);
        add_item();
        kgr_state_close(&f.state);
    }
    /* Looking without a start changes nothing. */
    assert_int_equal(open_state(false), KGR_OK);
    kgr_state_close(&f.state);
    assert_false(start());
}

static void file_of_an_earlier_start_is_recognised(void **state)
{
    (void)state;
    make();
    save();
    assert_false(start());
    kgr_state_close(&f.state);
    put_back();
    assert_true(start());
    assert_int_equal(items(), 0); /* what forget did */
    kgr_state_close(&f.state);
    assert_false(start());
}

static void crash_at_any_step_is_no_restored_file(void **state)
{
    (void)state;
    make();
    /* Twice at each: a crash after a crash. */
    for (int step = 0; step < 8; step++) {
        assert_int_equal(open_state(false), KGR_OK);
        if (step / 2 >= 1)
            assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
        if (step / 2 >= 2)
            f.counter++;
        if (step / 2 >= 3)
            assert_false(enter());
        kgr_state_close(&f.state);
    }
    /* Announced again before the counter moved, after it had moved without being written. */
    assert_int_equal(open_state(false), KGR_OK);
    assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
    f.counter++;
    kgr_state_close(&f.state);
    assert_int_equal(open_state(false), KGR_OK);
    assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
    kgr_state_close(&f.state);
    assert_false(start());
    assert_int_equal(items(), 1);
}

static void crash_does_not_make_a_restored_file_pass(void **state)
{
    (void)state;
    make();
    save();
    assert_false(start());
    kgr_state_close(&f.state);
    put_back();
    for (int step = 0; step < 3; step++) {
        assert_int_equal(open_state(false), KGR_OK);
        assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
        if (step == 2)
            f.counter++; /* and then the process ends */
        kgr_state_close(&f.state);
    }
    assert_true(start());
}

/* As when the process ends between the transaction and the sealing with the new key. */
static void epoch_is_written_before_the_file_has_its_key(void **state)
{
    bool restored;

    (void)state;
    make();
    assert_int_equal(open_state(false), KGR_OK);
    assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
    f.counter++;
    assert_int_equal(
        kgr_db_exec(f.state.db, "UPDATE kgr_epoch SET last = 8, announced = 0", &f.diag), KGR_OK);
    kgr_state_close(&f.state);
    assert_int_equal(open_state(false), KGR_OK);
    assert_int_equal(kgr_state_announce(&f.state, &f.diag), KGR_OK);
    f.counter++;
    assert_int_equal(kgr_state_enter(&f.state, f.counter, &restored, NULL, &f.diag), KGR_OK);
    assert_false(restored);
}

static void page_of_another_start_is_refused(void **state)
{
    uint8_t *now = malloc(FILE_MAX);
    size_t len = 0;

    (void)state;
    assert_non_null(now);
    make();
    save();
    assert_false(start());
    kgr_state_close(&f.state);
    assert_int_equal(kgr_file_read(now, &len, FILE_MAX, f.path, &f.diag), KGR_OK);
    assert_int_equal(len, f.saved_len);
    memcpy(now + KGR_PAGE_LEN, f.saved + KGR_PAGE_LEN, KGR_PAGE_LEN);
    assert_int_equal(kgr_file_replace(f.path, 0600, kgr_slice(now, len), &f.diag), KGR_OK);
    assert_int_equal(open_state(false), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f.diag.text, "page 2"));
    free(now);
}

static void foreign_file_is_refused(void **state)
{
    (void)state;
    make();
    save();
    memset(f.saved + 10, 0, 100);
    put_back();
    assert_int_equal(open_state(false), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f.diag.text, "no key of it opens"));
}

/* Whoever damages a file below a counter that stands high costs a start no hours. */
static void search_for_the_epoch_is_bounded(void **state)
{
    (void)state;
    make();
    save();
    memset(f.saved + 10, 0, 100);
    put_back();
    f.counter = INT64_MAX - 1;
    assert_int_equal(open_state(false), KGR_ERR_CORRUPT);
    assert_non_null(strstr(f.diag.text, "no key of it opens"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_there_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(starts_follow_one_another, setup, teardown),
        cmocka_unit_test_setup_teardown(file_of_an_earlier_start_is_recognised, setup, teardown),
        cmocka_unit_test_setup_teardown(crash_at_any_step_is_no_restored_file, setup, teardown),
        cmocka_unit_test_setup_teardown(crash_does_not_make_a_restored_file_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(epoch_is_written_before_the_file_has_its_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(page_of_another_start_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(search_for_the_epoch_is_bounded, setup, teardown),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
