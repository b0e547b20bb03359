/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/sealed_vfs.h"

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

#define MARKER   "a text that must not be found"
#define FILE_MAX (8u << 20)
#define ROWS     400

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE INDEX item_value ON item (value);",
};

static const struct kgr_db_schema schema = {0x6b677274, migrations, 1};

struct fixture {
    char dir[32];
    char path[64];
    char log[64];
    char copy[64];
    char copy_log[64];
    struct toy_cipher toy;
    struct kgr_page_cipher cipher;
    struct kgr_db *db;
    uint8_t *bytes;
    size_t len;
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
    (void)snprintf(f.copy, sizeof(f.copy), "%s/copy", f.dir);
    (void)snprintf(f.copy_log, sizeof(f.copy_log), "%s/copy-wal", f.dir);
    f.toy.key = 0x33;
    f.cipher = toy_cipher(&f.toy);
    f.bytes = malloc(FILE_MAX);
    assert_non_null(f.bytes);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    kgr_db_close(f->db);
    free(f->bytes);
    (void)snprintf(command, sizeof(command), "rm -r %s", f->dir);
    return system(command);
}

static enum kgr_error open_at(struct fixture *f, const char *path)
{
    memset(&f->diag, 0, sizeof(f->diag));
    return kgr_db_open_sealed(&f->db, path, &schema, &f->cipher, &f->diag);
}

static void close_db(struct fixture *f)
{
    kgr_db_close(f->db);
    f->db = NULL;
}

static void run(struct fixture *f, const char *sql, int64_t id, struct kgr_slice value)
{
    struct kgr_stmt *stmt;

    assert_int_equal(kgr_db_stmt(&stmt, f->db, sql, &f->diag), KGR_OK);
    kgr_stmt_bind_int(stmt, 1, id);
    if (value.p != NULL)
        kgr_stmt_bind_blob(stmt, 2, value);
    assert_int_equal(kgr_stmt_run(stmt, &f->diag), KGR_OK);
}

static void insert(struct fixture *f, int64_t id, struct kgr_slice value)
{
    run(f, "INSERT OR REPLACE INTO item VALUES (?1, ?2)", id, value);
}

static int64_t count(struct fixture *f)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    int64_t n;

    assert_int_equal(kgr_db_stmt(&stmt, f->db, "SELECT count(*) FROM item", &f->diag), KGR_OK);
    assert_int_equal(kgr_stmt_step(&step, stmt, &f->diag), KGR_OK);
    n = kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    return n;
}

static void read_file(struct fixture *f, const char *path)
{
    assert_int_equal(kgr_file_read(f->bytes, &f->len, FILE_MAX, path, &f->diag), KGR_OK);
}

static void write_file(struct fixture *f, const char *path)
{
    assert_int_equal(kgr_file_replace(path, 0600, kgr_slice(f->bytes, f->len), &f->diag), KGR_OK);
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
    read_file(f, from);
    write_file(f, to);
}

static void fill_to(struct fixture *f, int64_t rows)
{
    uint8_t value[200];

    for (int64_t i = 0; i < rows; i++) {
        memset(value, (int)i, sizeof(value));
        memcpy(value, MARKER, sizeof(MARKER));
        insert(f, i, kgr_slice(value, sizeof(value)));
    }
}

static void fill(struct fixture *f)
{
    fill_to(f, ROWS);
}

static void nothing_of_the_content_is_on_disk(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(open_at(f, f->path), KGR_OK);
    fill(f);
    read_file(f, f->log);
    assert_true(f->len > 100 * 1024); /* the log holds it all, so the search means something */
    assert_null(memmem(f->bytes, f->len, MARKER, strlen(MARKER)));
    assert_null(memmem(f->bytes, f->len, "CREATE", 6));
    assert_int_equal(kgr_db_checkpoint(f->db, &f->diag), KGR_OK);
    read_file(f, f->path);
    assert_true(f->len > 100 * 1024);
    assert_int_equal(f->len % KGR_PAGE_LEN, 0);
    assert_null(memmem(f->bytes, f->len, MARKER, strlen(MARKER)));
    assert_null(memmem(f->bytes, f->len, "SQLite format", 13));
    close_db(f);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_not_equal(stat(f->log, &st), 0);
    assert_int_equal(open_at(f, f->path), KGR_OK);
    assert_int_equal(count(f), ROWS);
}

/* The same work on a sealed database and on one in clear, with crashes of the sealed one, gives the same rows. */
static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void work(struct fixture *f, struct kgr_db *clear, uint32_t *seed)
{
    struct kgr_db *sealed = f->db;
    uint8_t value[9000];
    int64_t id = next(seed) % 200;
    size_t len = next(seed) % 10 == 0 ? 5000 + next(seed) % 4000 : next(seed) % 300;
    bool erase = next(seed) % 3 == 0;

    memset(value, (int)(next(seed) & 0xff), len);
    for (int i = 0; i < 2; i++) {
        f->db = i == 0 ? sealed : clear;
        if (erase)
            run(f, "DELETE FROM item WHERE id = ?1", id, kgr_slice(NULL, 0));
        else
            insert(f, id, kgr_slice(value, len));
    }
    f->db = sealed;
}

static void assert_same(struct fixture *f, struct kgr_db *clear)
{
    static const char sql[] = "SELECT id, value FROM item ORDER BY id";
    struct kgr_stmt *a;
    struct kgr_stmt *b;
    enum kgr_step step_a;
    enum kgr_step step_b;

    assert_int_equal(kgr_db_stmt(&a, f->db, sql, &f->diag), KGR_OK);
    assert_int_equal(kgr_db_stmt(&b, clear, sql, &f->diag), KGR_OK);
    do {
        assert_int_equal(kgr_stmt_step(&step_a, a, &f->diag), KGR_OK);
        assert_int_equal(kgr_stmt_step(&step_b, b, &f->diag), KGR_OK);
        assert_int_equal(step_a, step_b);
        if (step_a == KGR_STEP_ROW) {
            assert_int_equal(kgr_stmt_int(a, 0), kgr_stmt_int(b, 0));
            assert_true(kgr_slice_equal(kgr_stmt_blob(a, 1), kgr_stmt_blob(b, 1)));
        }
    } while (step_a == KGR_STEP_ROW);
}

static void sealed_and_clear_databases_agree(void **state)
{
    struct fixture *f = *state;
    struct kgr_db *clear = NULL;
    char path[64];
    uint32_t seed = 7;

    (void)snprintf(path, sizeof(path), "%s/clear", f->dir);
    assert_int_equal(kgr_db_open(&clear, path, &schema, &f->diag), KGR_OK);
    assert_int_equal(open_at(f, f->path), KGR_OK);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 60; i++)
            work(f, clear, &seed);
        assert_same(f, clear);
        if (round % 3 == 0)
            assert_int_equal(kgr_db_checkpoint(f->db, &f->diag), KGR_OK);
        if (round % 3 == 1) {
            /* As after a crash: what stands on disk at this moment, opened anew. */
            copy_file(f, f->path, f->copy);
            copy_file(f, f->log, f->copy_log);
            close_db(f);
            assert_int_equal(rename(f->copy, f->path), 0);
            assert_int_equal(rename(f->copy_log, f->log), 0);
            assert_int_equal(open_at(f, f->path), KGR_OK);
            assert_same(f, clear);
        }
    }
    assert_int_equal(kgr_db_exec(f->db, "VACUUM", &f->diag), KGR_OK);
    assert_same(f, clear);
    close_db(f);
    assert_int_equal(open_at(f, f->path), KGR_OK);
    assert_same(f, clear);
    kgr_db_close(clear);
}

/* A transaction that writes one page many times rewrites it in the log. */
static void large_transaction_is_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_at(f, f->path), KGR_OK);
    assert_int_equal(kgr_db_exec(f->db, "PRAGMA cache_size = 5", &f->diag), KGR_OK);
    assert_int_equal(kgr_db_begin(f->db, &f->diag), KGR_OK);
    for (int i = 0; i < 3; i++)
        fill(f);
    kgr_db_rollback(f->db);
    assert_int_equal(count(f), 0);
    assert_int_equal(kgr_db_begin(f->db, &f->diag), KGR_OK);
    for (int i = 0; i < 3; i++)
        fill(f);
    assert_int_equal(kgr_db_commit(f->db, &f->diag), KGR_OK);
    assert_int_equal(count(f), ROWS);
    copy_file(f, f->path, f->copy);
    copy_file(f, f->log, f->copy_log);
    close_db(f);
    assert_int_equal(open_at(f, f->copy), KGR_OK);
    assert_int_equal(count(f), ROWS);
}

static void assert_refused(struct fixture *f, const char *what)
{
    assert_int_equal(open_at(f, f->copy), KGR_ERR_CORRUPT);
    if (what != NULL)
        assert_non_null(strstr(f->diag.text, what));
}

static void every_changed_page_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t swap[KGR_PAGE_LEN];
    char page[32];

    assert_int_equal(open_at(f, f->path), KGR_OK);
    fill(f);
    close_db(f);
    read_file(f, f->path);
    assert_true(f->len >= 20 * KGR_PAGE_LEN);
    for (size_t i = 0; i < 20; i++) {
        size_t at = i * KGR_PAGE_LEN + (i * 211) % KGR_PAGE_LEN;

        f->bytes[at] ^= 1;
        write_file(f, f->copy);
        f->bytes[at] ^= 1;
        (void)snprintf(page, sizeof(page), "page %zu does not open", i + 1);
        assert_refused(f, page);
    }
    memcpy(swap, f->bytes + 3 * KGR_PAGE_LEN, KGR_PAGE_LEN);
    memmove(f->bytes + 3 * KGR_PAGE_LEN, f->bytes + 5 * KGR_PAGE_LEN, KGR_PAGE_LEN);
    memcpy(f->bytes + 5 * KGR_PAGE_LEN, swap, KGR_PAGE_LEN);
    write_file(f, f->copy);
    assert_refused(f, "page ");
    f->len -= 100;
    write_file(f, f->copy);
    assert_refused(f, NULL);
}

static void another_key_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t *before = malloc(FILE_MAX);
    size_t len;

    assert_non_null(before);
    assert_int_equal(open_at(f, f->path), KGR_OK);
    fill(f);
    copy_file(f, f->path, f->copy);
    copy_file(f, f->log, f->copy_log);
    close_db(f);
    f->toy.key ^= 1;
    assert_refused(f, "page 1 does not open");
    f->toy.key ^= 1;
    read_file(f, f->copy_log);
    memcpy(before, f->bytes, f->len);
    len = f->len;
    f->toy.key ^= 1;
    assert_refused(f, "page 1 does not open");
    f->toy.key ^= 1;
    read_file(f, f->copy_log);
    assert_int_equal(len, f->len);
    assert_memory_equal(before, f->bytes, len);
    free(before);
    assert_int_equal(open_at(f, f->copy), KGR_OK);
    assert_int_equal(count(f), ROWS);
}

/* A power cut may tear page 1 while the log is moved into the file: the log still has it. */
static void torn_first_page_comes_from_the_log(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_at(f, f->path), KGR_OK);
    fill(f);
    /* Every transaction that grows the file writes page 1, so it is in this log. */
    copy_file(f, f->log, f->copy_log);
    read_file(f, f->path);
    memset(f->bytes + 512, 0xee, 1024);
    write_file(f, f->copy);
    close_db(f);
    assert_int_equal(open_at(f, f->copy), KGR_OK);
    assert_int_equal(count(f), ROWS);
}

static void damaged_log_ends_where_it_was_damaged(void **state)
{
    struct fixture *f = *state;
    int64_t rows;

    assert_int_equal(open_at(f, f->path), KGR_OK);
    fill_to(f, 50); /* too few for the log to be moved into the file */
    copy_file(f, f->path, f->copy);
    read_file(f, f->log);
    f->bytes[f->len / 2] ^= 1;
    write_file(f, f->copy_log);
    close_db(f);
    assert_int_equal(open_at(f, f->copy), KGR_OK);
    rows = count(f);
    assert_true(rows > 0 && rows < 50);
}

/* A frame's page cannot be given out as another page, whatever the log's own headers say. */
static void page_of_a_log_keeps_its_number(void **state)
{
    struct fixture *f = *state;
    uint8_t room[2][KGR_PAGE_AAD_MAX];
    const uint8_t salts[KGR_WAL_SALTS_LEN] = {1};
    const uint8_t other[KGR_WAL_SALTS_LEN] = {2};
    struct kgr_slice aad = kgr_wal_aad(room[0], salts, 32, 5);

    (void)f;
    assert_false(kgr_slice_equal(aad, kgr_wal_aad(room[1], salts, 32, 6)));
    assert_false(kgr_slice_equal(aad, kgr_wal_aad(room[1], salts, 32 + 4120, 5)));
    assert_false(kgr_slice_equal(aad, kgr_wal_aad(room[1], other, 32, 5)));
    assert_false(kgr_slice_equal(aad, kgr_page_aad(room[1], 5)));
    assert_true(kgr_slice_equal(aad, kgr_wal_aad(room[1], salts, 32, 5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_of_the_content_is_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(sealed_and_clear_databases_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(large_transaction_is_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(every_changed_page_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(another_key_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_first_page_comes_from_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_log_ends_where_it_was_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(page_of_a_log_keeps_its_number, setup, teardown),
    };

    return cmocka_run_group_tests_name("sealed_vfs", tests, NULL, NULL);
}
