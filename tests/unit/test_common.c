/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/common.h"

#include "tests/unit/codec.h"

static void nid_is_read_strictly(void **state)
{
    static const char *const bad[] = {"", "a b", "a/b", "\x7f"};
    uint8_t bytes[80];
    struct kgr_nid nid;
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, "\3n-1", 4);
    kgr_wire_read_nid(&rd, &nid);
    assert_true(kgr_rd_done(&rd));
    assert_string_equal(nid.s, "n-1");
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        struct kgr_wr wr;

        kgr_wr_init(&wr, bytes, sizeof(bytes));
        kgr_wr_vec8(&wr, kgr_slice(bad[i], strlen(bad[i])));
        kgr_rd_init(&rd, bytes, wr.len);
        kgr_wire_read_nid(&rd, &nid);
        assert_false(kgr_rd_ok(&rd));
    }
    memset(bytes, 'a', sizeof(bytes));
    bytes[0] = KGR_NID_MAX + 1;
    kgr_rd_init(&rd, bytes, sizeof(bytes));
    kgr_wire_read_nid(&rd, &nid);
    assert_false(kgr_rd_ok(&rd));
}

static void nid_that_is_empty_is_not_written(void **state)
{
    struct kgr_nid nid = {{0}};
    uint8_t bytes[8];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wire_write_nid(&wr, &nid);
    assert_false(kgr_wr_ok(&wr));
}

static void two_nids_must_differ(void **state)
{
    struct kgr_nid a;
    struct kgr_nid b;
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, "\1a\1b", 4);
    kgr_wire_read_two_nids(&rd, &a, &b);
    assert_true(kgr_rd_done(&rd));
    kgr_rd_init(&rd, "\1a\1a", 4);
    kgr_wire_read_two_nids(&rd, &a, &b);
    assert_false(kgr_rd_ok(&rd));
}

static void optional_nid_is_empty_or_valid(void **state)
{
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, "\0", 1);
    assert_int_equal(kgr_wire_read_opt_nid(&rd).len, 0);
    assert_true(kgr_rd_done(&rd));
    kgr_rd_init(&rd, "\2ab", 3);
    assert_int_equal(kgr_wire_read_opt_nid(&rd).len, 2);
    assert_true(kgr_rd_done(&rd));
    kgr_rd_init(&rd, "\2a/", 3);
    (void)kgr_wire_read_opt_nid(&rd);
    assert_false(kgr_rd_ok(&rd));
}

static void masks_flags_and_ranges_refuse_everything_else(void **state)
{
    (void)state;
    for (unsigned int v = 0; v < 256; v++) {
        uint8_t byte = (uint8_t)v;
        struct kgr_rd rd;

        kgr_rd_init(&rd, &byte, 1);
        (void)kgr_wire_read_mask(&rd, 0x05);
        assert_true(kgr_rd_done(&rd) == (v == 0 || v == 1 || v == 4 || v == 5));
        kgr_rd_init(&rd, &byte, 1);
        (void)kgr_wire_read_range(&rd, 3, 200);
        assert_true(kgr_rd_done(&rd) == (v >= 3 && v <= 200));
        kgr_rd_init(&rd, &byte, 1);
        (void)kgr_wire_read_flag(&rd);
        assert_true(kgr_rd_done(&rd) == (v <= 1));
    }
}

static void vectors_above_their_limit_are_not_written(void **state)
{
    uint8_t bytes[16];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wire_write_vec8(&wr, kgr_slice("abc", 3), 3);
    kgr_wire_write_vec16(&wr, kgr_slice("abc", 3), 3);
    assert_true(kgr_wr_ok(&wr));
    kgr_wire_write_vec8(&wr, kgr_slice("abc", 3), 2);
    assert_int_equal(kgr_wire_write_result(&wr), KGR_ERR_TOO_LARGE);
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wire_write_vec16(&wr, kgr_slice("abc", 3), 2);
    assert_int_equal(kgr_wire_write_result(&wr), KGR_ERR_TOO_LARGE);
}

static void text_is_cleaned_when_written(void **state)
{
    static const char dirty[] = "a\x1b[2J\n\x7f\xc3\xa9";
    struct kgr_slice in = kgr_slice(dirty, sizeof(dirty)); /* the NUL too */
    uint8_t bytes[32];
    struct kgr_wr wr;
    struct kgr_rd rd;

    (void)state;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wire_write_text8(&wr, in, 255);
    kgr_rd_init(&rd, bytes, wr.len);
    assert_true(kgr_slice_equal(kgr_wire_read_text8(&rd, 255), kgr_slice("a?[2J??\xc3\xa9?", 10)));
    assert_true(kgr_rd_done(&rd));
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_wire_write_text16(&wr, in, 255);
    kgr_rd_init(&rd, bytes, wr.len);
    assert_true(
        kgr_slice_equal(kgr_wire_read_text16(&rd, 255), kgr_slice("a?[2J\n?\xc3\xa9?", 10)));
    assert_true(kgr_rd_done(&rd));
}

static void text_with_control_characters_is_not_read(void **state)
{
    (void)state;
    for (unsigned int c = 0; c < 256; c++) {
        uint8_t bytes8[2] = {1, (uint8_t)c};
        uint8_t bytes16[3] = {0, 1, (uint8_t)c};
        int control = c < 0x20 || c == 0x7f;
        struct kgr_rd rd;

        kgr_rd_init(&rd, bytes8, sizeof(bytes8));
        (void)kgr_wire_read_text8(&rd, 255);
        assert_int_equal(kgr_rd_done(&rd), !control);
        kgr_rd_init(&rd, bytes16, sizeof(bytes16));
        (void)kgr_wire_read_text16(&rd, 255);
        assert_int_equal(kgr_rd_done(&rd), !control || c == '\n');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nid_is_read_strictly),
        cmocka_unit_test(nid_that_is_empty_is_not_written),
        cmocka_unit_test(two_nids_must_differ),
        cmocka_unit_test(optional_nid_is_empty_or_valid),
        cmocka_unit_test(masks_flags_and_ranges_refuse_everything_else),
        cmocka_unit_test(vectors_above_their_limit_are_not_written),
        cmocka_unit_test(text_is_cleaned_when_written),
        cmocka_unit_test(text_with_control_characters_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
