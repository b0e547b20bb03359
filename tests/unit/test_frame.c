/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/frame.h"

#include "tests/unit/codec.h"

static struct kgr_frame_header header_of(enum kgr_suite suite)
{
    struct kgr_frame_header h = {
        .type = KGR_FRAME_KEY_REQ,
        .suite = (uint8_t)suite,
        .role = KGR_ROLE_NODE,
        .epoch = 0x01020304,
        .counter = 0xfffefdfc,
    };

    memset(h.key_id, 0x11, sizeof(h.key_id));
    memset(h.xid, 0x22, sizeof(h.xid));
    return h;
}

/* A whole frame with a body of plain_len bytes; its length. */
static size_t make_frame(uint8_t *out, size_t cap, enum kgr_suite suite, size_t plain_len)
{
    struct kgr_frame_header h = header_of(suite);
    struct kgr_frame_layout l;
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, cap);
    assert_int_equal(kgr_frame_layout(&l, &wr, &h, plain_len), KGR_OK);
    memset(l.iv, 0x33, KGR_IV_LEN);
    memset(l.body, 0x44, l.body_len);
    memset(l.tag, 0x55, l.tag_len);
    return wr.len;
}

static enum kgr_frame_fault parse_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = codec_copy(bytes, len);
    struct kgr_frame f;
    struct kgr_frame before;
    enum kgr_frame_fault fault;

    memset(&f, 0x5a, sizeof(f));
    memcpy(&before, &f, sizeof(f));
    fault = kgr_frame_parse(&f, copy, len);
    if (fault != KGR_FRAME_FINE)
        assert_memory_equal(&f, &before, sizeof(f));
    free(copy);
    return fault;
}

static void layout_has_the_documented_offsets(void **state)
{
    uint8_t buf[256];
    size_t len = make_frame(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 20);

    (void)state;
    assert_int_equal(len, 52 + 16 + 32 + 16);
    assert_memory_equal(buf, "KGRF\1\7\1\1", 8);
    for (size_t i = 8; i < 24; i++)
        assert_int_equal(buf[i], 0x11);
    for (size_t i = 24; i < 40; i++)
        assert_int_equal(buf[i], 0x22);
    assert_memory_equal(buf + 40, "\1\2\3\4\xff\xfe\xfd\xfc\0\0\0\x20", 12);
    assert_int_equal(buf[52], 0x33);
    assert_int_equal(buf[68], 0x44);
    assert_int_equal(buf[100], 0x55);
}

static void parse_gives_back_what_was_laid_out(void **state)
{
    static const size_t lens[] = {0, 15, 16, KGR_FRAME_PLAIN_MAX};
    static const enum kgr_suite suites[] = {KGR_SUITE_AES128_SHA256, KGR_SUITE_AES256_SHA384};
    static uint8_t buf[KGR_FRAME_MAX];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(lens); i++) {
        for (size_t j = 0; j < KGR_ARRAY_LEN(suites); j++) {
            size_t len = make_frame(buf, sizeof(buf), suites[j], lens[i]);
            struct kgr_frame_header h = header_of(suites[j]);
            struct kgr_frame f;

            assert_int_equal(kgr_frame_parse(&f, buf, len), KGR_FRAME_FINE);
            assert_int_equal(f.header.type, h.type);
            assert_int_equal(f.header.suite, h.suite);
            assert_int_equal(f.header.role, h.role);
            assert_memory_equal(f.header.key_id, h.key_id, sizeof(h.key_id));
            assert_memory_equal(f.header.xid, h.xid, sizeof(h.xid));
            assert_true(kgr_frame_sequence(&f.header) == 0x01020304fffefdfcULL);
            assert_ptr_equal(f.aad.p, buf);
            assert_int_equal(f.aad.len, 52);
            assert_ptr_equal(f.iv, buf + 52);
            assert_ptr_equal(f.body.p, buf + 68);
            assert_int_equal(f.body.len, kgr_suite_ciphertext_len(lens[i]));
            assert_ptr_equal(f.tag.p, f.body.p + f.body.len);
            assert_int_equal(f.tag.len, kgr_suite_tag_len(suites[j]));
        }
    }
}

static void parse_refuses_every_truncation_and_extension(void **state)
{
    uint8_t buf[256] = {0};
    size_t len = make_frame(buf, sizeof(buf), KGR_SUITE_AES256_SHA384, 20);

    (void)state;
    for (size_t i = 0; i < sizeof(buf); i++)
        assert_int_equal(parse_copy(buf, i) == KGR_FRAME_FINE, i == len);
}

static void parse_refuses_what_is_above_the_limit(void **state)
{
    static uint8_t buf[KGR_FRAME_MAX + 1];
    size_t len = make_frame(buf, sizeof(buf), KGR_SUITE_AES256_SHA384, KGR_FRAME_PLAIN_MAX);

    (void)state;
    assert_int_equal(len, KGR_FRAME_MAX);
    assert_int_equal(parse_copy(buf, len), KGR_FRAME_FINE);
    assert_int_equal(parse_copy(buf, len + 1), KGR_FRAME_BAD_SIZE);
}

static void parse_names_the_fault(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum kgr_frame_fault fault;
    } cases[] = {
        {0, 'k', KGR_FRAME_BAD_VERSION}, {3, 'R', KGR_FRAME_BAD_VERSION},
        {4, 0, KGR_FRAME_BAD_VERSION},   {4, 2, KGR_FRAME_BAD_VERSION},
        {5, 0, KGR_FRAME_FINE},          {5, 255, KGR_FRAME_FINE},
        {6, 0, KGR_FRAME_BAD_VERSION},   {6, 3, KGR_FRAME_BAD_VERSION},
        {6, 2, KGR_FRAME_BAD_SIZE},      {7, 0, KGR_FRAME_BAD_VERSION},
        {7, 4, KGR_FRAME_BAD_VERSION},   {48, 0x80, KGR_FRAME_BAD_SIZE},
        {51, 0, KGR_FRAME_BAD_SIZE},     {51, 0x10, KGR_FRAME_BAD_SIZE},
        {51, 0x21, KGR_FRAME_BAD_SIZE},  {51, 0x30, KGR_FRAME_BAD_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        uint8_t buf[256];
        size_t len = make_frame(buf, sizeof(buf), KGR_SUITE_AES128_SHA256, 20);

        buf[cases[i].at] = cases[i].value;
        assert_int_equal(parse_copy(buf, len), cases[i].fault);
    }
}

static void layout_refuses_what_parse_would(void **state)
{
    static uint8_t buf[KGR_FRAME_MAX + 100];
    struct kgr_frame_header h = header_of(KGR_SUITE_AES128_SHA256);
    struct kgr_frame_layout l = {.body_len = 77};
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_frame_layout(&l, &wr, &h, KGR_FRAME_PLAIN_MAX + 1), KGR_ERR_TOO_LARGE);
    kgr_wr_init(&wr, buf, 52 + 16 + 16 + 15);
    assert_int_equal(kgr_frame_layout(&l, &wr, &h, 0), KGR_ERR_TOO_LARGE);
    kgr_wr_init(&wr, buf, sizeof(buf));
    h.suite = 0;
    assert_int_equal(kgr_frame_layout(&l, &wr, &h, 0), KGR_ERR_INVALID);
    assert_int_equal(l.body_len, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_has_the_documented_offsets),
        cmocka_unit_test(parse_gives_back_what_was_laid_out),
        cmocka_unit_test(parse_refuses_every_truncation_and_extension),
        cmocka_unit_test(parse_refuses_what_is_above_the_limit),
        cmocka_unit_test(parse_names_the_fault),
        cmocka_unit_test(layout_refuses_what_parse_would),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
