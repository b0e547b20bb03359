/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/audit_signer.h"

#define NUM 5

static struct audit_signer *signer;
static struct kgr_audit_key key;

struct log {
    uint8_t bytes[NUM][KGR_AUDIT_ENTRY_MAX];
    struct kgr_audit_entry entries[NUM]; /* as a reader of bytes gets them */
};

/* Writes entry as record i of log, with the hash that follows from before. */
static void put(struct log *log, size_t i, const struct kgr_audit_entry *entry,
                const uint8_t *before)
{
    uint8_t hash[KGR_DIGEST_LEN];
    struct kgr_wr wr;
    struct kgr_rd rd;

    kgr_wr_init(&wr, log->bytes[i], sizeof log->bytes[i]);
    kgr_audit_entry_write(&wr, entry);
    assert_int_equal(kgr_audit_hash(hash, before, kgr_wr_slice(&wr)), KGR_OK);
    kgr_wr_bytes(&wr, hash, sizeof hash);
    assert_true(kgr_wr_ok(&wr));
    kgr_rd_init(&rd, log->bytes[i], wr.len);
    kgr_audit_entry_read(&rd, &log->entries[i]);
    assert_true(kgr_rd_done(&rd));
}

/* NUM records that follow one another from first on, after the hash before; the last but one is a head. */
static void make(struct log *log, uint64_t first, const uint8_t *before)
{
    for (size_t i = 0; i < NUM; i++) {
        struct kgr_audit_entry m = {.id = first + i, .what = KGR_AUDIT_ACCEPTED, .count = 1};
        char text[KGR_AUDIT_SIGNATURE_TEXT + 1];

        if (i == NUM - 2) {
            m.what = KGR_AUDIT_HEAD;
            m.number = m.id - 1;
            audit_signer_sign(signer, text, m.number, before);
            m.text = kgr_slice(text, KGR_AUDIT_SIGNATURE_TEXT);
        }
        put(log, i, &m, before);
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
    make(&log, 1, key.id);
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), NUM);
    assert_int_equal(kgr_audit_chain_end(&chain, NULL), KGR_OK);
    assert_int_equal(chain.num_heads, 1);
    assert_int_equal(chain.signed_id, NUM - 2);
    make(&log, 100, chain.hash);
    assert_int_equal(kgr_audit_chain_begin(&middle, chain.hash, 100, &key, NULL), KGR_OK);
    assert_int_equal(take(&middle, &log), NUM);
}

static void beginning_of_another_log_is_refused(void **state)
{
    const uint8_t other[KGR_DIGEST_LEN] = {8};
    struct kgr_audit_chain chain = {0};

    (void)state;
    assert_int_equal(kgr_audit_chain_begin(&chain, other, 1, &key, NULL), KGR_ERR_CORRUPT);
}

static void every_changed_byte_breaks_the_chain(void **state)
{
    struct log log;

    (void)state;
    make(&log, 1, key.id);
    for (size_t i = 0; i < log.entries[2].covered.len; i++) {
        struct kgr_audit_chain chain = {0};

        log.bytes[2][i] ^= 1;
        assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &key, NULL), KGR_OK);
        assert_int_equal(take(&chain, &log), 2);
        log.bytes[2][i] ^= 1;
    }
}

/* Somebody who writes the log anew, hashes and all, but has no TPM. */
static void rewritten_past_does_not_fit_the_head(void **state)
{
    struct kgr_audit_chain chain = {0};
    struct kgr_diag diag = {{0}};
    struct log log;
    const uint8_t *before;

    (void)state;
    make(&log, 1, key.id);
    before = log.entries[0].hash;
    for (size_t i = 1; i < NUM; i++) {
        struct kgr_audit_entry m = log.entries[i];

        m.status = i == 1 ? KGR_ERR_FAILED : m.status;
        put(&log, i, &m, before);
        before = log.entries[i].hash;
    }
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &key, NULL), KGR_OK);
    for (size_t i = 0; i < NUM - 2; i++)
        assert_int_equal(kgr_audit_chain_step(&chain, &log.entries[i], NULL), KGR_OK);
    assert_int_equal(kgr_audit_chain_step(&chain, &log.entries[NUM - 2], &diag), KGR_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "rewritten"));
}

static void head_of_another_key_or_record_is_refused(void **state)
{
    struct audit_signer *other = audit_signer_new();
    struct kgr_audit_key its;
    struct kgr_audit_chain chain = {0}, far = {0};
    struct kgr_audit_entry head;
    struct log log;

    (void)state;
    make(&log, 1, key.id);
    assert_int_equal(kgr_audit_key_read(&its, audit_signer_public(other)), KGR_OK);
    memcpy(its.id, key.id, sizeof its.id); /* even if it claims to be the same */
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &its, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), NUM - 2);
    audit_signer_free(other);

    head = log.entries[NUM - 2];
    head.number = head.id;
    put(&log, NUM - 2, &head, log.entries[NUM - 3].hash);
    assert_int_equal(kgr_audit_chain_begin(&far, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&far, &log), NUM - 2);
}

static void head_may_sign_what_is_not_kept_any_more(void **state)
{
    struct kgr_audit_chain chain = {0};
    struct kgr_audit_entry head = {.id = 100, .what = KGR_AUDIT_HEAD, .count = 1, .number = 98};
    struct log log;

    (void)state;
    head.text = kgr_slice("?", 1);
    put(&log, 0, &head, key.id);
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 100, &key, NULL), KGR_OK);
    assert_int_equal(kgr_audit_chain_step(&chain, &log.entries[0], NULL), KGR_OK);
    assert_int_equal(chain.num_heads, 0);
}

static void record_taken_out_breaks_the_chain(void **state)
{
    struct kgr_audit_chain chain = {0};
    struct log log;

    (void)state;
    make(&log, 1, key.id);
    log.entries[1] = log.entries[2];
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), 1);
}

static void log_that_lost_what_was_verified_is_refused(void **state)
{
    struct kgr_audit_chain chain = {.pinned_id = NUM + 1}, rewritten = {.pinned_id = 3};
    struct kgr_audit_chain kept = {.pinned_id = 3};
    struct log log;

    (void)state;
    make(&log, 1, key.id);
    assert_int_equal(kgr_audit_chain_begin(&chain, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&chain, &log), NUM);
    assert_int_equal(kgr_audit_chain_end(&chain, NULL), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_audit_chain_begin(&rewritten, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&rewritten, &log), 2);
    memcpy(kept.pinned_hash, log.entries[2].hash, sizeof kept.pinned_hash);
    assert_int_equal(kgr_audit_chain_begin(&kept, key.id, 1, &key, NULL), KGR_OK);
    assert_int_equal(take(&kept, &log), NUM);
    assert_true(kept.pinned_seen);
    assert_int_equal(kgr_audit_chain_end(&kept, NULL), KGR_OK);
}

static int set_up(void **state)
{
    (void)state;
    signer = audit_signer_new();
    return kgr_audit_key_read(&key, audit_signer_public(signer)) == KGR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    audit_signer_free(signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_log_from_its_beginning_or_middle),
        cmocka_unit_test(beginning_of_another_log_is_refused),
        cmocka_unit_test(every_changed_byte_breaks_the_chain),
        cmocka_unit_test(rewritten_past_does_not_fit_the_head),
        cmocka_unit_test(head_of_another_key_or_record_is_refused),
        cmocka_unit_test(head_may_sign_what_is_not_kept_any_more),
        cmocka_unit_test(record_taken_out_breaks_the_chain),
        cmocka_unit_test(log_that_lost_what_was_verified_is_refused),
    };

    return cmocka_run_group_tests_name("audit_chain", tests, set_up, tear_down);
}
