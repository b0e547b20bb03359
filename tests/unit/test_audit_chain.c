/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/audit_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/seal/digest.h"

#define NUM 5

static const uint8_t ks[KGR_DIGEST_LEN] = {7, 7, 7};

struct log {
    uint8_t bytes[NUM][KGR_AUDIT_ENTRY_MAX];
    struct kgr_audit_entry entries[NUM]; /* as a reader of bytes gets them */
};

/* NUM records that follow one another from first on, after the hash before. */
static void make(struct log *log, uint64_t first, const uint8_t *before)
{
    for (size_t i = 0; i < NUM; i++) {
        struct kgr_audit_entry m = {.id = first + i, .what = KGR_AUDIT_ACCEPTED, .count = 1};
        struct kgr_slice parts[3] = {kgr_slice(KGR_LABEL_AUDIT, strlen(KGR_LABEL_AUDIT)),
                                     kgr_slice(before, KGR_DIGEST_LEN)};
        uint8_t hash[KGR_DIGEST_LEN];
        struct kgr_wr wr;
        struct kgr_rd rd;

        kgr_wr_init(&wr, log->bytes[i], sizeof log->bytes[i]);
        kgr_audit_entry_write(&wr, &m);
        parts[2] = kgr_wr_slice(&wr);
        assert_int_equal(kgr_sha256(hash, parts, 3), KGR_OK);
        kgr_wr_bytes(&wr, hash, sizeof hash);
        assert_true(kgr_wr_ok(&wr));
        kgr_rd_init(&rd, log->bytes[i], wr.len);
        kgr_audit_entry_read(&rd, &log->entries[i]);
        assert_true(kgr_rd_done(&rd));
        before = log->entries[i].hash;
    }
}

/* How many records are taken; the last of the log included. */
static size_t take(struct kgr_audit_chain *chain, const struct log *log)
{
    size_t i = 0;

    while (i < NUM && kgr_audit_chain_step(chain, &log->entries[i], NULL) == KGR_OK)
        i++;
    return i;
}

static void whole_log_from_its_beginning_or_middle(void **state)
{
    struct kgr_audit_chain chain = {0}, middle = {0};
    struct log log;

    (void)state;
    make(&log, 1, ks);
    assert_int_equal(kgr_audit_chain_begin(&chain, ks, 1, ks, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), NUM);
    assert_int_equal(kgr_audit_chain_end(&chain, NULL), KGR_OK);
    make(&log, 100, chain.hash);
    assert_int_equal(kgr_audit_chain_begin(&middle, chain.hash, 100, ks, NULL), KGR_OK);
    assert_int_equal(take(&middle, &log), NUM);
}

static void beginning_of_another_ks_is_refused(void **state)
{
    const uint8_t other[KGR_DIGEST_LEN] = {8};
    struct kgr_audit_chain chain = {0};

    (void)state;
    assert_int_equal(kgr_audit_chain_begin(&chain, other, 1, ks, NULL), KGR_ERR_CORRUPT);
}

static void every_changed_byte_breaks_the_chain(void **state)
{
    struct log log;

    (void)state;
    make(&log, 1, ks);
    for (size_t i = 0; i < log.entries[2].covered.len; i++) {
        struct kgr_audit_chain chain = {0};

        log.bytes[2][i] ^= 1;
        assert_int_equal(kgr_audit_chain_begin(&chain, ks, 1, ks, NULL), KGR_OK);
        assert_int_equal(take(&chain, &log), 2);
        log.bytes[2][i] ^= 1;
    }
}

static void record_taken_out_breaks_the_chain(void **state)
{
    struct kgr_audit_chain chain = {0};
    struct log log;

    (void)state;
    make(&log, 1, ks);
    log.entries[2] = log.entries[3];
    assert_int_equal(kgr_audit_chain_begin(&chain, ks, 1, ks, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), 2);
}

static void log_that_lost_what_was_verified_is_refused(void **state)
{
    struct kgr_audit_chain chain = {.pinned_id = NUM + 1}, rewritten = {.pinned_id = 3};
    struct kgr_audit_chain kept = {.pinned_id = 3};
    struct log log;

    (void)state;
    make(&log, 1, ks);
    assert_int_equal(kgr_audit_chain_begin(&chain, ks, 1, ks, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), NUM);
    assert_int_equal(kgr_audit_chain_end(&chain, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_audit_chain_begin(&rewritten, ks, 1, ks, NULL), KGR_OK);
    assert_int_equal(take(&rewritten, &log), 2);
    memcpy(kept.pinned_hash, log.entries[2].hash, sizeof kept.pinned_hash);
    assert_int_equal(kgr_audit_chain_begin(&kept, ks, 1, ks, NULL), KGR_OK);
    assert_int_equal(take(&kept, &log), NUM);
    assert_true(kept.pinned_seen);
    assert_int_equal(kgr_audit_chain_end(&kept, NULL), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_log_from_its_beginning_or_middle),
        cmocka_unit_test(beginning_of_another_ks_is_refused),
        cmocka_unit_test(every_changed_byte_breaks_the_chain),
        cmocka_unit_test(record_taken_out_breaks_the_chain),
        cmocka_unit_test(log_that_lost_what_was_verified_is_refused),
    };

    return cmocka_run_group_tests_name("audit_chain", tests, NULL, NULL);
}
