/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void strerror_every_code_has_its_own_phrase(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < KGR_ERR_COUNT; i++) {
        const char *text = kgr_strerror((enum kgr_error)i);

        assert_non_null(text);
        assert_string_not_equal(text, "unknown error");
        for (unsigned int j = 0; j < i; j++)
            assert_string_not_equal(text, kgr_strerror((enum kgr_error)j));
    }
}

static void strerror_unknown_code_is_named_so(void **state)
{
    (void)state;
    assert_string_equal(kgr_strerror(KGR_ERR_COUNT), "unknown error");
    assert_string_equal(kgr_strerror((enum kgr_error)4000000), "unknown error");
}

static void exit_code_follows_the_contract(void **state)
{
    static const struct {
        enum kgr_error err;
        int code;
    } cases[] = {
        {KGR_OK, 0},           {KGR_ERR_FAILED, 1},       {KGR_ERR_INVALID, 2},
        {KGR_ERR_NO_AGENT, 3}, {KGR_ERR_UNKNOWN_PEER, 4}, {KGR_ERR_NOT_AUTHORIZED, 5},
        {KGR_ERR_REVOKED, 5},  {KGR_ERR_TIMEOUT, 6},      {KGR_ERR_TPM, 7},
        {KGR_ERR_CORRUPT, 8},  {KGR_ERR_REPLAY, 8},       {KGR_ERR_CONFIG, 9},
        {KGR_ERR_BROKER, 1},   {KGR_ERR_ACCESS, 5},       {KGR_ERR_COUNT, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(kgr_exit_code(cases[i].err), cases[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strerror_every_code_has_its_own_phrase),
        cmocka_unit_test(strerror_unknown_code_is_named_so),
        cmocka_unit_test(exit_code_follows_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
