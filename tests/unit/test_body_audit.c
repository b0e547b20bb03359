/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_audit.h"

#include "tests/unit/codec.h"

static enum kgr_error entry_encode(struct kgr_wr *wr, const struct kgr_audit_entry *in)
{
    kgr_audit_entry_write(wr, in);
    kgr_wr_bytes(wr, in->hash, sizeof in->hash);
    return kgr_wr_ok(wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

static enum kgr_error entry_decode(struct kgr_audit_entry *out, struct kgr_slice in)
{
    struct kgr_audit_entry m;
    struct kgr_rd rd;

    kgr_rd_init(&rd, in.p, in.len);
    kgr_audit_entry_read(&rd, &m);
    if (!kgr_rd_done(&rd))
        return KGR_ERR_CORRUPT;
    *out = m;
    return KGR_OK;
}

CODEC_CHECK(check_entry, struct kgr_audit_entry, entry_encode, entry_decode)
CODEC_CHECK(check_query, struct kgr_audit_query, kgr_audit_query_encode, kgr_audit_query_decode)

static void entry_keeps_its_bytes_and_says_what_the_hash_covers(void **state)
{
    struct kgr_audit_entry m = {
        .id = 7,
        .time_s = 1800000000,
        .what = KGR_AUDIT_REFUSED,
        .kind = 3,
        .number = UINT64_C(5) << 32 | 2,
        .status = 13,
        .count = 4,
        .subject = kgr_slice("gateway-00001 gateway-00002", 27),
        .text = kgr_slice("replay", 6),
        .hash = {1, 2, 3},
    };
    uint8_t bytes[KGR_AUDIT_ENTRY_MAX];
    struct kgr_audit_entry out;
    struct kgr_wr wr;

    (void)state;
    check_entry(&m);
    kgr_wr_init(&wr, bytes, sizeof bytes);
    assert_int_equal(entry_encode(&wr, &m), KGR_OK);
    assert_int_equal(entry_decode(&out, kgr_wr_slice(&wr)), KGR_OK);
    assert_ptr_equal(out.covered.p, bytes);
    assert_int_equal(out.covered.len, wr.len - KGR_DIGEST_LEN);
    m.subject = kgr_slice(NULL, 0);
    m.text = kgr_slice(NULL, 0);
    check_entry(&m);
}

static void longest_entry_fits(void **state)
{
    static char subject[KGR_AUDIT_SUBJECT_MAX], text[KGR_AUDIT_TEXT_MAX];
    struct kgr_audit_entry m = {.id = 1, .what = 1, .count = 1};
    uint8_t bytes[KGR_AUDIT_ENTRY_MAX];
    struct kgr_wr wr;

    (void)state;
    memset(subject, 'a', sizeof subject);
    memset(text, 'b', sizeof text);
    m.subject = kgr_slice(subject, sizeof subject);
    m.text = kgr_slice(text, sizeof text);
    kgr_wr_init(&wr, bytes, sizeof bytes);
    assert_int_equal(entry_encode(&wr, &m), KGR_OK);
    assert_int_equal(wr.len, sizeof bytes);
}

static void entries_of_number_or_count_zero_are_refused(void **state)
{
    struct kgr_audit_entry m = {.id = 1, .what = 1}, out;
    uint8_t bytes[KGR_AUDIT_ENTRY_MAX];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof bytes);
    assert_int_equal(entry_encode(&wr, &m), KGR_OK);
    assert_int_equal(entry_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
    m.id = 0;
    m.count = 1;
    kgr_wr_init(&wr, bytes, sizeof bytes);
    assert_int_equal(entry_encode(&wr, &m), KGR_OK);
    assert_int_equal(entry_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static void query_keeps_its_bytes(void **state)
{
    const struct kgr_audit_query query = {3, 1800000000};

    (void)state;
    check_query(&query);
}

static void head_has_its_length(void **state)
{
    struct kgr_audit_head head = {.newest = 9, .before = {4}, .num = 2}, out;
    uint8_t bytes[KGR_AUDIT_HEAD_LEN];
    struct kgr_wr wr;
    struct kgr_rd rd;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof bytes);
    kgr_audit_head_write(&wr, &head);
    assert_int_equal(wr.len, sizeof bytes);
    kgr_rd_init(&rd, bytes, sizeof bytes);
    kgr_audit_head_read(&rd, &out);
    assert_true(kgr_rd_done(&rd));
    assert_int_equal(out.newest, 9);
    assert_memory_equal(out.before, head.before, sizeof head.before);
    assert_int_equal(out.num, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_keeps_its_bytes_and_says_what_the_hash_covers),
        cmocka_unit_test(longest_entry_fits),
        cmocka_unit_test(entries_of_number_or_count_zero_are_refused),
        cmocka_unit_test(query_keeps_its_bytes),
        cmocka_unit_test(head_has_its_length),
    };

    return cmocka_run_group_tests_name("body_audit", tests, NULL, NULL);
}
