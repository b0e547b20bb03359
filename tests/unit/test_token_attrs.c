/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/token_attrs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/attr.h"

#define PEER UINT64_C(0xcb475202)

/* The style of yaml.safe_dump(canonical=True), which tpm2_ptool uses. */
static void attrs_are_canonical_yaml(void **state)
{
    static const uint64_t mechanisms[] = {4226, 4225};
    struct kgr_token_attrs attrs;
    char text[512];

    (void)state;
    kgr_token_attrs_begin(&attrs, text, sizeof(text));
    kgr_token_attrs_number(&attrs, 0, UINT64_MAX);
    kgr_token_attrs_flag(&attrs, 1, true);
    kgr_token_attrs_flag(&attrs, 354, false);
    kgr_token_attrs_bytes(&attrs, 3, kgr_slice("N2", 2));
    kgr_token_attrs_bytes(&attrs, 17, kgr_slice(NULL, 0));
    kgr_token_attrs_numbers(&attrs, 1073743360, mechanisms, 2);
    assert_int_equal(kgr_token_attrs_end(&attrs), KGR_OK);
    assert_string_equal(text, "---\n!!map {\n"
                              "  ? !!int \"0\"\n  : !!int \"18446744073709551615\",\n"
                              "  ? !!int \"1\"\n  : !!bool \"true\",\n"
                              "  ? !!int \"354\"\n  : !!bool \"false\",\n"
                              "  ? !!int \"3\"\n  : !!str \"4e32\",\n"
                              "  ? !!int \"17\"\n  : !!str \"\",\n"
                              "  ? !!int \"1073743360\"\n  : !!seq [\n"
                              "    !!int \"4226\",\n    !!int \"4225\",\n  ],\n}\n");
}

static void too_long_attrs_fail_at_the_end(void **state)
{
    char whole[64];
    struct kgr_token_attrs attrs;

    (void)state;
    for (size_t cap = 0; cap <= sizeof(whole); cap++) {
        char *text = malloc(cap + 1);

        assert_non_null(text);
        kgr_token_attrs_begin(&attrs, text, cap);
        kgr_token_attrs_flag(&attrs, 1, true);
        assert_int_equal(kgr_token_attrs_end(&attrs),
                         cap > strlen("---\n!!map {\n  ? !!int \"1\"\n  : !!bool \"true\",\n}\n")
                             ? KGR_OK
                             : KGR_ERR_SHORT_BUFFER);
        free(text);
    }
}

static void bytes_are_found_in_every_style(void **state)
{
    static const char *const texts[] = {
        "---\n!!map {\n  ? !!int \"3410448898\"\n  : !!str \"4e32\",\n}\n",
        "--- !!map {\n? !!int \"1\"\n: !!bool \"true\",\n? !!int \"3410448898\"\n: !!str "
        "\"4E32\",\n}",
        "{!!int 3410448898: !!str 4e32}",
        "!!int \"1\": !!int \"3410448898\"\n!!int '3410448898' : !!str '4e32'\n",
    };
    uint8_t out[8];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(texts); i++) {
        assert_true(kgr_token_attrs_find(texts[i], PEER, out, sizeof(out), &len));
        assert_int_equal(len, 2);
        assert_memory_equal(out, "N2", 2);
    }
}

static void other_texts_have_no_such_bytes(void **state)
{
    static const char *const texts[] = {
        "",
        "!!int",
        "!!int \"3410448898",
        "!!int \"3410448898\"",
        "!!int \"3410448898\"\n:",
        "!!int \"3410448898\"\n: !!int \"12\"",
        "!!int \"34104488980\"\n: !!str \"4e32\"",
        "!!int \"341044889\"\n: !!str \"4e32\"",
        "!!int \"3410448898\"\n: !!str \"4e323\"",
        "!!int \"3410448898\"\n: !!str \"4e32333435363738394041\"",
        "!!str \"3410448898\"\n: !!str \"4e32\"",
    };
    uint8_t out[8];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(texts); i++) {
        char *copy = strdup(texts[i]); /* of exactly its length, for a sanitizer */

        assert_non_null(copy);
        assert_false(kgr_token_attrs_find(copy, PEER, out, sizeof(out), &len));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attrs_are_canonical_yaml),
        cmocka_unit_test(too_long_attrs_fail_at_the_end),
        cmocka_unit_test(bytes_are_found_in_every_style),
        cmocka_unit_test(other_texts_have_no_such_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
