/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/audit/chain.h"

static const char *const migrations[] = {KGR_AUDIT_TABLE};
static const struct kgr_db_schema schema = {
    .application_id = 0x4b475274,
    .migrations = migrations,
    .num_migrations = 1,
};

static char folder[] = "/tmp/kgr-audit-XXXXXX";
static char path[64];

static struct kgr_audit_log open_log(void)
{
    struct kgr_audit_log log = {.id = {9}, .keep = 10};
    struct kgr_diag diag = {{0}};

    assert_int_equal(kgr_db_open(&log.db, path, &schema, &diag), KGR_OK);
    return log;
}

static void append(const struct kgr_audit_log *log, const char *text)
{
    const struct kgr_audit_event event = {.what = KGR_AUDIT_NODE, .text = text, .subject = "N1"};

    assert_int_equal(kgr_audit_log_append(log, &event, 100, NULL, NULL), KGR_OK);
}

static void commit_many(const struct kgr_audit_log *log, int num)
{
    assert_int_equal(kgr_db_begin(log->db, NULL), KGR_OK);
    for (int i = 0; i < num; i++)
        append(log, "registered");
    assert_int_equal(kgr_db_commit(log->db, NULL), KGR_OK);
}

/* Reads the log page by page, as somebody far away does, and follows the chain. */
static uint64_t follow(const struct kgr_audit_log *log, uint64_t from, size_t max)
{
    struct kgr_audit_key key = {.id = {0}};
    struct kgr_audit_chain chain = {0};
    struct kgr_audit_query query = {.from = from};
    struct kgr_audit_entry entry;
    struct kgr_audit_head head;
    uint8_t bytes[4096];
    struct kgr_wr wr;
    struct kgr_rd rd;

    memcpy(key.id, log->id, sizeof key.id);
    do {
        kgr_wr_init(&wr, bytes, sizeof bytes);
        assert_int_equal(kgr_audit_log_page(log, &wr, max, &query, NULL), KGR_OK);
        assert_true(wr.len <= max);
        kgr_rd_init(&rd, bytes, wr.len);
        kgr_audit_head_read(&rd, &head);
        for (int i = 0; i < head.num; i++) {
            kgr_audit_entry_read(&rd, &entry);
            if (chain.last == 0)
                assert_int_equal(kgr_audit_chain_begin(&chain, head.before, entry.id, &key, NULL),
                                 KGR_OK);
            assert_int_equal(kgr_audit_chain_step(&chain, &entry, NULL), KGR_OK);
            query.from = entry.id + 1;
        }
        assert_true(kgr_rd_done(&rd));
    } while (head.num > 0);
    assert_int_equal(chain.last, head.newest);
    return chain.last == 0 ? 0 : chain.last - chain.first + 1;
}

static void records_follow_one_another_and_the_oldest_go(void **state)
{
    struct kgr_audit_log log = open_log();

    (void)state;
    assert_int_equal(follow(&log, 1, 1000), 0);
    commit_many(&log, 4);
    assert_int_equal(follow(&log, 1, 1000), 4);
    assert_int_equal(follow(&log, 3, 1000), 2);
    commit_many(&log, 20);
    assert_int_equal(follow(&log, 1, 1000), 10);
    assert_int_equal(follow(&log, 1, 200), 10); /* a page holds one record */
    kgr_db_close(log.db);
}

static void what_was_not_committed_is_not_there_and_breaks_nothing(void **state)
{
    struct kgr_audit_log log = open_log();
    struct kgr_audit_last before, after;

    (void)state;
    assert_int_equal(kgr_audit_log_last(&log, &before, NULL), KGR_OK);
    assert_int_equal(kgr_db_begin(log.db, NULL), KGR_OK);
    append(&log, "never");
    kgr_db_rollback(log.db);
    assert_int_equal(kgr_audit_log_last(&log, &after, NULL), KGR_OK);
    assert_int_equal(before.id, after.id);
    commit_many(&log, 1);
    kgr_db_close(log.db);
    log = open_log();
    assert_int_equal(kgr_audit_log_last(&log, &after, NULL), KGR_OK);
    assert_int_equal(after.id, before.id + 1);
    assert_int_equal(follow(&log, 1, 1000), 10);
    kgr_db_close(log.db);
}

static void long_texts_are_cut_and_control_characters_do_not_stay(void **state)
{
    struct kgr_audit_log log = open_log();
    char text[200];

    (void)state;
    memset(text, 'x', sizeof text);
    text[3] = '\n';
    text[199] = '\0';
    assert_int_equal(kgr_db_begin(log.db, NULL), KGR_OK);
    append(&log, text);
    append(&log, NULL);
    assert_int_equal(kgr_db_commit(log.db, NULL), KGR_OK);
    assert_int_equal(follow(&log, 1, 1000), 10);
    kgr_db_close(log.db);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/log.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_follow_one_another_and_the_oldest_go),
        cmocka_unit_test(what_was_not_committed_is_not_there_and_breaks_nothing),
        cmocka_unit_test(long_texts_are_cut_and_control_characters_do_not_stay),
    };

    return cmocka_run_group_tests_name("audit_log", tests, set_up, tear_down);
}
