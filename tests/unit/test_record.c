/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/record.h"

#include "tests/unit/codec.h"

static size_t make_record(uint8_t *out, size_t cap, enum kgr_suite suite, size_t plain_len)
{
    struct kgr_record_header h = {
        .suite = (uint8_t)suite,
        .role = 2,
        .stored = true,
        .generation = 3,
        .sequence = 0x0102030405060708ULL,
    };
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, cap);
    assert_int_equal(kgr_record_header_encode(&wr, &h), KGR_OK);
    for (size_t i = 0; i < KGR_IV_LEN; i++)
        kgr_wr_u8(&wr, 0x33);
    for (size_t i = 0; i < kgr_suite_ciphertext_len(plain_len); i++)
        kgr_wr_u8(&wr, 0x44);
    for (size_t i = 0; i < kgr_suite_tag_len(suite); i++)
        kgr_wr_u8(&wr, 0x55);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(wr.len, kgr_record_len(suite, plain_len));
    return wr.len;
}

static enum kgr_error decode_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = codec_copy(bytes, len);
    struct kgr_record out;
    struct kgr_record before;
    enum kgr_error err;

    memset(&out, 0x5a, sizeof(out));
    memcpy(&before, &out, sizeof(out));
    err = kgr_record_decode(&out, kgr_slice(copy, len));
    if (err != KGR_OK)
        assert_memory_equal(&out, &before, sizeof(out));
    free(copy);
    return err;
}

static void record_has_the_documented_layout(void **state)
{
    uint8_t buf[256];
    size_t len = make_record(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 5);

    (void)state;
    assert_int_equal(len, 44 + 16 + 16);
    assert_memory_equal(buf, "KGRrec\0\1\1\2\1\0\0\0\0\0\0\0\0\3\1\2\3\4\5\6\7\10\x33", 29);
}

static void decode_gives_back_what_was_written(void **state)
{
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    static const size_t lens[] = {0, 1, 16, 65536};
    static uint8_t buf[66000];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(suites); i++) {
        for (size_t j = 0; j < KGR_ARRAY_LEN(lens); j++) {
            size_t len = make_record(buf, sizeof(buf), suites[i], lens[j]);
            struct kgr_record r;

            assert_int_equal(kgr_record_decode(&r, kgr_slice(buf, len)), KGR_OK);
            assert_int_equal(r.header.suite, suites[i]);
            assert_int_equal(r.header.role, 2);
            assert_true(r.header.stored);
            assert_int_equal(r.header.generation, 3);
            assert_true(r.header.sequence == 0x0102030405060708ULL);
            assert_ptr_equal(r.aad.p, buf);
            assert_int_equal(r.aad.len, 28);
            assert_ptr_equal(r.iv, buf + 28);
            assert_ptr_equal(r.body.p, buf + 44);
            assert_int_equal(r.body.len, kgr_suite_ciphertext_len(lens[j]));
            assert_ptr_equal(r.tag.p, buf + len - kgr_suite_tag_len(suites[i]));
            assert_int_equal(r.tag.len, kgr_suite_tag_len(suites[i]));
        }
    }
}

static void decode_refuses_every_length_but_whole_blocks(void **state)
{
    uint8_t buf[256] = {0};
    size_t len = make_record(buf, sizeof(buf), KGR_SUITE_AES256_SHA384, 20);

    (void)state;
    for (size_t i = 0; i < sizeof(buf); i++) {
        /* Any number of whole blocks is well-formed here; the tag decides. */
        int whole = i >= 44 + 16 + 24 && (i - 44 - 24) % 16 == 0;

        assert_int_equal(decode_copy(buf, i), whole ? KGR_OK : KGR_ERR_CORRUPT);
    }
    assert_int_equal(decode_copy(buf, len), KGR_OK);
}

static void decode_refuses_values_that_are_none(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {
        {0, 'k'}, {6, 1}, {7, 0},  {7, 2},  {8, 0},     {8, 3},
        {9, 0},   {9, 3}, {10, 4}, {10, 3}, {10, 0x80}, {11, 1},
    };
    uint8_t buf[256];
    size_t len;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        len = make_record(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 20);
        buf[cases[i].at] = cases[i].value;
        assert_int_equal(decode_copy(buf, len), KGR_ERR_CORRUPT);
    }
    len = make_record(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 20);
    buf[19] = 0; /* generation 0 */
    assert_int_equal(decode_copy(buf, len), KGR_ERR_CORRUPT);
    len = make_record(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 20);
    memset(buf + 20, 0, 8); /* sequence 0 */
    assert_int_equal(decode_copy(buf, len), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_has_the_documented_layout),
        cmocka_unit_test(decode_gives_back_what_was_written),
        cmocka_unit_test(decode_refuses_every_length_but_whole_blocks),
        cmocka_unit_test(decode_refuses_values_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
