/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/param.h"

#include <openssl/params.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void param_get_uint_takes_both_widths_and_no_negative(void **state)
{
    int i = 7, negative = -1;
    unsigned int u = UINT32_MAX;
    size_t z = SIZE_MAX;
    int64_t l = -2;
    uint16_t narrow = 5;
    uint64_t out = 0;
    OSSL_PARAM p = OSSL_PARAM_construct_int("n", &i);

    (void)state;
    assert_true(kgr_param_get_uint(&p, &out) && out == 7);
    p = OSSL_PARAM_construct_uint("n", &u);
    assert_true(kgr_param_get_uint(&p, &out) && out == UINT32_MAX);
    p = OSSL_PARAM_construct_size_t("n", &z);
    assert_true(kgr_param_get_uint(&p, &out) && out == SIZE_MAX);
    p = OSSL_PARAM_construct_int("n", &negative);
    assert_false(kgr_param_get_uint(&p, &out));
    p = OSSL_PARAM_construct_int64("n", &l);
    assert_false(kgr_param_get_uint(&p, &out));
    p = OSSL_PARAM_construct_uint("n", &u);
    p.data = &narrow;
    p.data_size = sizeof(narrow);
    assert_false(kgr_param_get_uint(&p, &out));
    p.data = NULL;
    p.data_size = sizeof(u);
    assert_false(kgr_param_get_uint(&p, &out));
    assert_true(out == SIZE_MAX);
}

static void param_get_text_takes_strings_and_pointers(void **state)
{
    char text[] = "kgr:peer=N2", out[12] = "";
    char *ptr = text, *none = NULL;
    OSSL_PARAM p = OSSL_PARAM_construct_utf8_string("t", text, 0);

    (void)state;
    assert_true(kgr_param_get_text(&p, out, sizeof(out)));
    assert_string_equal(out, text);
    p.data_size = sizeof(text); /* with the NUL */
    assert_true(kgr_param_get_text(&p, out, sizeof(out)));
    p.data_size = 8;
    assert_true(kgr_param_get_text(&p, out, sizeof(out)));
    assert_string_equal(out, "kgr:peer");
    p = OSSL_PARAM_construct_utf8_ptr("t", &ptr, 0);
    assert_true(kgr_param_get_text(&p, out, sizeof(out)));
    assert_string_equal(out, text);
    assert_false(kgr_param_get_text(&p, out, sizeof(text) - 1));
    p = OSSL_PARAM_construct_utf8_ptr("t", &none, 0);
    assert_false(kgr_param_get_text(&p, out, sizeof(out)));
}

static void param_get_text_refuses_nul_inside_and_other_types(void **state)
{
    char text[] = "kgr:peer=N2\0;x", out[64] = "";
    OSSL_PARAM p = OSSL_PARAM_construct_utf8_string("t", text, sizeof(text));

    (void)state;
    assert_false(kgr_param_get_text(&p, out, sizeof(out)));
    p = OSSL_PARAM_construct_octet_string("t", text, 11);
    assert_false(kgr_param_get_text(&p, out, sizeof(out)));
    assert_string_equal(out, "");
}

static void param_get_octets_borrows(void **state)
{
    uint8_t bytes[] = {1, 2, 3};
    void *ptr = bytes;
    const uint8_t *out;
    size_t len;
    OSSL_PARAM p = OSSL_PARAM_construct_octet_string("o", bytes, sizeof(bytes));

    (void)state;
    assert_true(kgr_param_get_octets(&p, &out, &len));
    assert_ptr_equal(out, bytes);
    assert_int_equal(len, 3);
    p = OSSL_PARAM_construct_octet_ptr("o", &ptr, sizeof(bytes));
    assert_true(kgr_param_get_octets(&p, &out, &len));
    assert_ptr_equal(out, bytes);
    p = OSSL_PARAM_construct_octet_string("o", NULL, 16);
    assert_true(kgr_param_get_octets(&p, &out, &len));
    assert_null(out);
    assert_int_equal(len, 16);
}

static void param_set_uint_fits_or_fails(void **state)
{
    int i = 0;
    unsigned int u = 0;
    size_t z = 0;
    OSSL_PARAM p = OSSL_PARAM_construct_int("n", &i);

    (void)state;
    assert_true(kgr_param_set_uint(&p, 5) && i == 5);
    assert_false(kgr_param_set_uint(&p, 1u << 31));
    p = OSSL_PARAM_construct_uint("n", &u);
    assert_true(kgr_param_set_uint(&p, UINT32_MAX) && u == UINT32_MAX);
    assert_false(kgr_param_set_uint(&p, (uint64_t)UINT32_MAX + 1));
    p = OSSL_PARAM_construct_size_t("n", &z);
    assert_true(kgr_param_set_uint(&p, SIZE_MAX) && z == SIZE_MAX);
    p.data = NULL;
    assert_true(kgr_param_set_uint(&p, 1));
    assert_int_equal(p.return_size, 8);
}

static void param_set_text_and_octets_copy_or_point(void **state)
{
    char text[16] = "";
    uint8_t bytes[4] = {0};
    char *text_ptr = NULL;
    void *byte_ptr = NULL;
    static const uint8_t value[] = {1, 2, 3};
    OSSL_PARAM p = OSSL_PARAM_construct_utf8_string("t", text, sizeof(text));

    (void)state;
    assert_true(kgr_param_set_text(&p, "hello"));
    assert_string_equal(text, "hello");
    assert_int_equal(p.return_size, 5);
    p.data_size = 4;
    assert_false(kgr_param_set_text(&p, "hello"));
    p = OSSL_PARAM_construct_utf8_ptr("t", &text_ptr, 0);
    assert_true(kgr_param_set_text(&p, "there"));
    assert_string_equal(text_ptr, "there");
    p = OSSL_PARAM_construct_octet_string("o", bytes, sizeof(bytes));
    assert_true(kgr_param_set_octets(&p, value, sizeof(value)));
    assert_memory_equal(bytes, value, sizeof(value));
    assert_int_equal(p.return_size, 3);
    p.data_size = 2;
    assert_false(kgr_param_set_octets(&p, value, sizeof(value)));
    p = OSSL_PARAM_construct_octet_ptr("o", &byte_ptr, 0);
    assert_true(kgr_param_set_octets(&p, value, sizeof(value)));
    assert_ptr_equal(byte_ptr, value);
    assert_false(kgr_param_set_text(&p, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(param_get_uint_takes_both_widths_and_no_negative),
        cmocka_unit_test(param_get_text_takes_strings_and_pointers),
        cmocka_unit_test(param_get_text_refuses_nul_inside_and_other_types),
        cmocka_unit_test(param_get_octets_borrows),
        cmocka_unit_test(param_set_uint_fits_or_fails),
        cmocka_unit_test(param_set_text_and_octets_copy_or_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
