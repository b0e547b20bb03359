/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/import_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EK "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static enum kgr_error parse(struct kgr_import_file *out, const char *text, struct kgr_diag *diag)
{
    *out = (struct kgr_import_file){0};
    *diag = (struct kgr_diag){{0}};
    return kgr_import_file_parse(out, "fleet.csv", kgr_slice(text, strlen(text)), diag);
}

static void records_of_all_kinds(void **state)
{
    struct kgr_import_file file;
    struct kgr_diag diag;

    (void)state;
    assert_int_equal(parse(&file,
                           "# the fleet\n"
                           "node,N1\r\n"
                           " node , N2 , " EK " , 12h # in the hall\n"
                           "\n"
                           "pair,N2,N1,AES-256-CBC-HMAC-SHA384,resident\n"
                           "pair,N1,N3\n"
                           "deny,N4,N1",
                           &diag),
                     KGR_OK);
    assert_int_equal(file.num_entries, 5);
    assert_int_equal(file.entries[0].line, 2);
    assert_int_equal(file.entries[0].kind, KGR_IMPORT_NODE);
    assert_string_equal(file.entries[0].nids[0].s, "N1");
    assert_false(file.entries[0].has_ek);
    assert_int_equal(file.entries[0].validity_s, KGR_IMPORT_DEFAULT_VALIDITY_S);
    assert_true(file.entries[1].has_ek);
    assert_int_equal(file.entries[1].ek_hash[31], 0x1f);
    assert_int_equal(file.entries[1].validity_s, 12 * 3600);
    assert_int_equal(file.entries[2].line, 5);
    assert_string_equal(file.entries[2].nids[0].s, "N1");
    assert_string_equal(file.entries[2].nids[1].s, "N2");
    assert_int_equal(file.entries[2].min_suite, 2);
    assert_int_equal(file.entries[2].min_custody, 1);
    assert_int_equal(file.entries[3].min_suite, 0);
    assert_int_equal(file.entries[4].kind, KGR_IMPORT_DENY);
    kgr_import_file_deinit(&file);
}

static void an_empty_file_has_no_entries(void **state)
{
    static const char *const texts[] = {"", "\n", "# nothing\n\n", "   \n\t\n"};
    struct kgr_import_file file;
    struct kgr_diag diag;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(texts); i++) {
        assert_int_equal(parse(&file, texts[i], &diag), KGR_OK);
        assert_int_equal(file.num_entries, 0);
        kgr_import_file_deinit(&file);
    }
}

static void each_mistake_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *wanted; /* in the message */
    } cases[] = {
        {"nodes,N1\n", "fleet.csv:1: 'nodes' begins no record: node, pair or deny"},
        {"node\n", "fleet.csv:1: '' is no N_ID"},
        {"\nnode,N 1\n", "fleet.csv:2: 'N 1' is no N_ID"},
        {"node,N1,abc\n", "fleet.csv:1: 'abc' is no hash of an EK"},
        {"node,N1,,7w\n", "fleet.csv:1: '7w' is no duration"},
        {"node,N1,,7d,x\n", "fleet.csv:1: 'node' takes at most 3 values"},
        {"pair,N1\n", "fleet.csv:1: '' is no N_ID"},
        {"pair,N1,N1\n", "fleet.csv:1: a pair needs two different nodes"},
        {"pair,N1,N2,AES\n", "fleet.csv:1: 'AES' is no suite"},
        {"pair,N1,N2,any,sealed\n", "fleet.csv:1: 'sealed' is no least custody"},
        {"pair,N1,N2,any,any,x\n", "fleet.csv:1: more than 5 values"},
        {"deny,N1,N2,any\n", "fleet.csv:1: 'deny' takes at most 2 values"},
        {"node,\"N1\"\n", "fleet.csv:1: no value needs quotes"},
        {"node,N1\nnode,N2\nnode,N1\n", "fleet.csv: lines 1 and 3 say something of the same node"},
        {"pair,N1,N2\n\ndeny,N2,N1\n", "fleet.csv: lines 1 and 3 say something of the same pair"},
    };
    struct kgr_import_file file;
    struct kgr_diag diag;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(&file, cases[i].text, &diag), KGR_ERR_INVALID);
        if (strstr(diag.text, cases[i].wanted) == NULL)
            fail_msg("'%s' instead of '%s'", diag.text, cases[i].wanted);
        kgr_import_file_deinit(&file);
    }
}

static void what_is_no_text_is_refused(void **state)
{
    static const uint8_t bytes[] = "node,N1\0,x\n";
    char line[600];
    struct kgr_import_file file = {0};
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_int_equal(kgr_import_file_parse(&file, "f", kgr_slice(bytes, sizeof(bytes) - 1), &diag),
                     KGR_ERR_INVALID);
    assert_non_null(strstr(diag.text, "f:1: a NUL byte"));
    kgr_import_file_deinit(&file);
    memset(line, ' ', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(parse(&file, line, &diag), KGR_ERR_INVALID);
    assert_non_null(strstr(diag.text, "longer than 512 bytes"));
    kgr_import_file_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_kinds),
        cmocka_unit_test(an_empty_file_has_no_entries),
        cmocka_unit_test(each_mistake_is_named_with_its_line),
        cmocka_unit_test(what_is_no_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
