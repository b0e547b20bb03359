/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void rd_integers_are_big_endian(void **state)
{
    static const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    assert_int_equal(kgr_rd_u8(&rd), 0x01);
    assert_int_equal(kgr_rd_u16(&rd), 0x0203);
    assert_int_equal(kgr_rd_u32(&rd), 0x04050607);
    assert_true(kgr_rd_u64(&rd) == 0x08090a0b0c0d0e0fULL);
    assert_true(kgr_rd_done(&rd));
}

static void rd_short_input_fails_and_sticks(void **state)
{
    static const uint8_t in[] = {1, 2, 3};
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    assert_int_equal(kgr_rd_u32(&rd), 0);
    assert_false(kgr_rd_ok(&rd));
    /* Three bytes are there, but the data is known to be broken. */
    assert_int_equal(kgr_rd_u8(&rd), 0);
    assert_null(kgr_rd_ref(&rd, 1));
    assert_int_equal(kgr_rd_rest(&rd).len, 0);
    assert_int_equal(rd.len, 3);
    assert_false(kgr_rd_done(&rd));
}

static void rd_trailing_bytes_are_not_done(void **state)
{
    static const uint8_t in[] = {1, 2};
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    assert_int_equal(kgr_rd_u8(&rd), 1);
    assert_true(kgr_rd_ok(&rd));
    assert_false(kgr_rd_done(&rd));
}

static void rd_bytes_failure_zeroes_the_output(void **state)
{
    static const uint8_t in[] = {1, 2, 3};
    uint8_t out[4] = {9, 9, 9, 9};
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    kgr_rd_bytes(&rd, out, sizeof(out));
    assert_false(kgr_rd_ok(&rd));
    assert_memory_equal(out, "\0\0\0\0", 4);
}

static void rd_vectors_are_borrowed(void **state)
{
    static const uint8_t in[] = {2, 'a', 'b', 0, 1, 'c', 0, 'r'};
    struct kgr_rd rd;
    struct kgr_slice s;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    s = kgr_rd_vec8(&rd, 2);
    assert_ptr_equal(s.p, in + 1);
    assert_int_equal(s.len, 2);
    s = kgr_rd_vec16(&rd, 1);
    assert_ptr_equal(s.p, in + 5);
    assert_int_equal(s.len, 1);
    assert_int_equal(kgr_rd_vec8(&rd, 0).len, 0);
    s = kgr_rd_rest(&rd);
    assert_ptr_equal(s.p, in + 7);
    assert_int_equal(s.len, 1);
    assert_true(kgr_rd_done(&rd));
}

static void rd_vector_above_its_limit_fails(void **state)
{
    static const uint8_t in[] = {2, 'a', 'b'};
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    assert_int_equal(kgr_rd_vec8(&rd, 1).len, 0);
    assert_false(kgr_rd_ok(&rd));
}

static void rd_vector_beyond_the_input_fails(void **state)
{
    static const uint8_t in[] = {0, 3, 'a', 'b'};
    struct kgr_rd rd;
    struct kgr_slice s;

    (void)state;
    kgr_rd_init(&rd, in, sizeof(in));
    s = kgr_rd_vec16(&rd, 100);
    assert_null(s.p);
    assert_int_equal(s.len, 0);
    assert_false(kgr_rd_ok(&rd));
}

static void rd_fail_is_final(void **state)
{
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, NULL, 0);
    assert_true(kgr_rd_done(&rd));
    kgr_rd_fail(&rd);
    assert_false(kgr_rd_done(&rd));
}

static void rd_null_with_a_length_fails(void **state)
{
    struct kgr_rd rd;

    (void)state;
    kgr_rd_init(&rd, NULL, 1);
    assert_int_equal(kgr_rd_u8(&rd), 0);
    assert_false(kgr_rd_ok(&rd));
}

static void wr_writes_what_rd_reads(void **state)
{
    uint8_t buf[64];
    struct kgr_wr wr;
    struct kgr_rd rd;
    size_t mark;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_wr_u8(&wr, 0xfe);
    kgr_wr_u16(&wr, 0xfedc);
    kgr_wr_u32(&wr, 0xfedcba98);
    kgr_wr_u64(&wr, 0xfedcba9876543210ULL);
    kgr_wr_zero(&wr, 2);
    kgr_wr_vec8(&wr, kgr_slice("ab", 2));
    kgr_wr_vec16(&wr, kgr_slice(NULL, 0));
    mark = kgr_wr_begin16(&wr);
    kgr_wr_bytes(&wr, "xyz", 3);
    kgr_wr_end16(&wr, mark);
    assert_true(kgr_wr_ok(&wr));

    kgr_rd_init(&rd, buf, kgr_wr_slice(&wr).len);
    assert_int_equal(kgr_rd_u8(&rd), 0xfe);
    assert_int_equal(kgr_rd_u16(&rd), 0xfedc);
    assert_int_equal(kgr_rd_u32(&rd), 0xfedcba98);
    assert_true(kgr_rd_u64(&rd) == 0xfedcba9876543210ULL);
    assert_int_equal(kgr_rd_u16(&rd), 0);
    assert_true(kgr_slice_equal(kgr_rd_vec8(&rd, 255), kgr_slice("ab", 2)));
    assert_int_equal(kgr_rd_vec16(&rd, 255).len, 0);
    assert_true(kgr_slice_equal(kgr_rd_vec16(&rd, 255), kgr_slice("xyz", 3)));
    assert_true(kgr_rd_done(&rd));
}

static void wr_overflow_fails_and_sticks(void **state)
{
    uint8_t buf[4] = {7, 7, 7, 7};
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, 3);
    kgr_wr_u16(&wr, 1);
    kgr_wr_u16(&wr, 2);
    kgr_wr_u8(&wr, 3);
    assert_false(kgr_wr_ok(&wr));
    assert_int_equal(kgr_wr_slice(&wr).len, 0);
    assert_null(kgr_wr_reserve(&wr, 1));
    assert_memory_equal(buf, "\0\1\7\7", 4);
}

static void wr_vector_too_long_for_its_length_fails(void **state)
{
    static uint8_t big[UINT16_MAX + 1];
    static uint8_t buf[sizeof(big) + 16];
    struct kgr_wr wr;
    size_t mark;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_wr_vec8(&wr, kgr_slice(big, 256));
    assert_false(kgr_wr_ok(&wr));
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_wr_vec16(&wr, kgr_slice(big, sizeof(big)));
    assert_false(kgr_wr_ok(&wr));
    kgr_wr_init(&wr, buf, sizeof(buf));
    mark = kgr_wr_begin16(&wr);
    kgr_wr_zero(&wr, sizeof(big));
    kgr_wr_end16(&wr, mark);
    assert_false(kgr_wr_ok(&wr));
}

static void slices_of_nothing_are_equal(void **state)
{
    (void)state;
    assert_true(kgr_slice_equal(kgr_slice(NULL, 0), kgr_slice("x", 0)));
    assert_false(kgr_slice_equal(kgr_slice("x", 1), kgr_slice("y", 1)));
    assert_false(kgr_slice_equal(kgr_slice("xx", 2), kgr_slice("xx", 1)));
    kgr_copy(NULL, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rd_integers_are_big_endian),
        cmocka_unit_test(rd_short_input_fails_and_sticks),
        cmocka_unit_test(rd_trailing_bytes_are_not_done),
        cmocka_unit_test(rd_bytes_failure_zeroes_the_output),
        cmocka_unit_test(rd_vectors_are_borrowed),
        cmocka_unit_test(rd_vector_above_its_limit_fails),
        cmocka_unit_test(rd_vector_beyond_the_input_fails),
        cmocka_unit_test(rd_fail_is_final),
        cmocka_unit_test(rd_null_with_a_length_fails),
        cmocka_unit_test(wr_writes_what_rd_reads),
        cmocka_unit_test(wr_overflow_fails_and_sticks),
        cmocka_unit_test(wr_vector_too_long_for_its_length_fails),
        cmocka_unit_test(slices_of_nothing_are_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
