/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config.h"
#include "agent/daemon/mistakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const custodies[] = {"auto", "resident", "sealed", NULL};

static const struct kgr_config_key broker_keys[] = {
    {.name = "host", .type = KGR_CONFIG_TEXT, .required = true},
    {.name = "port", .type = KGR_CONFIG_INT, .min = 1, .max = 65535, .def = 1883},
    {.name = NULL},
};

static const struct kgr_config_key tpm_keys[] = {
    {.name = "tcti", .type = KGR_CONFIG_TEXT, .def_text = "device:/dev/tpmrm0"},
    {.name = "owner", .type = KGR_CONFIG_TEXT},
    {.name = NULL},
};

static const struct kgr_config_key schema[] = {
    {.name = "broker", .type = KGR_CONFIG_GROUPS, .required = true, .keys = broker_keys},
    {.name = "tpm", .type = KGR_CONFIG_GROUP, .keys = tpm_keys},
    {.name = "custody", .type = KGR_CONFIG_TEXT, .choices = custodies, .def_text = "auto"},
    {.name = "suites", .type = KGR_CONFIG_TEXTS, .max = 8, .min = 1},
    {.name = "strict", .type = KGR_CONFIG_BOOL, .def = 1},
    {.name = "lifetime", .type = KGR_CONFIG_INT, .def = 86400, .live = true},
    {.name = NULL},
};

struct fixture {
    char dir[32];
    char path[64];
    struct kgr_config *config;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/a.conf", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    kgr_config_free(f->config);
    (void)snprintf(command, sizeof(command), "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static void write_bytes(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static enum kgr_error load(struct fixture *f, const char *text)
{
    write_bytes(f->path, text, strlen(text));
    return kgr_config_load(&f->config, f->path, schema, &f->diag);
}

/* The text is refused, and the first mistake is the path followed by `rest`. */
static void assert_refused(struct fixture *f, const char *text, const char *rest)
{
    struct kgr_config *config = NULL;
    char expected[256];

    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(load(f, text), KGR_ERR_CONFIG);
    assert_null(f->config);
    (void)snprintf(expected, sizeof(expected), "%s%s", f->path, rest);
    assert_memory_equal(f->diag.text, expected, strlen(expected));
    assert_int_equal(kgr_config_open(&config, f->path, schema), KGR_OK);
    assert_string_equal(kgr_mistakes_line(kgr_config_mistakes(config), 0), expected);
    kgr_config_free(config);
}

static void config_full_file_gives_its_values(void **state)
{
    struct fixture *f = *state;
    struct kgr_config_group root, second;

    assert_int_equal(load(f, "broker = ( { host = \"one\"; }, { host = \"two\"; port = 8883; } );\n"
                             "tpm = { tcti = \"swtpm:path=/x\"; };\n"
                             "custody = \"sealed\"; suites = [ \"a\", \"b\" ];\n"
                             "strict = false; lifetime = 5000000000L;\n"),
                     KGR_OK);
    root = kgr_config_root(f->config);
    assert_int_equal(kgr_config_count(root, "broker"), 2);
    second = kgr_config_group_at(root, "broker", 1);
    assert_string_equal(kgr_config_text(second, "host"), "two");
    assert_int_equal(kgr_config_int(second, "port"), 8883);
    assert_int_equal(kgr_config_int(kgr_config_group_at(root, "broker", 0), "port"), 1883);
    assert_string_equal(kgr_config_text(kgr_config_group(root, "tpm"), "tcti"), "swtpm:path=/x");
    assert_int_equal(kgr_config_choice(root, "custody"), 2);
    assert_int_equal(kgr_config_count(root, "suites"), 2);
    assert_string_equal(kgr_config_text_at(root, "suites", 1), "b");
    assert_false(kgr_config_bool(root, "strict"));
    assert_int_equal(kgr_config_int(root, "lifetime"), 5000000000);
}

static void config_absent_keys_give_their_defaults(void **state)
{
    struct fixture *f = *state;
    struct kgr_config_group root;

    assert_int_equal(load(f, "broker = { host = \"one\"; }"), KGR_OK);
    root = kgr_config_root(f->config);
    assert_int_equal(kgr_config_count(root, "broker"), 1);
    assert_string_equal(kgr_config_text(kgr_config_group_at(root, "broker", 0), "host"), "one");
    assert_string_equal(kgr_config_text(kgr_config_group(root, "tpm"), "tcti"),
                        "device:/dev/tpmrm0");
    assert_false(kgr_config_has(root, "tpm"));
    assert_int_equal(kgr_config_choice(root, "custody"), 0);
    assert_int_equal(kgr_config_count(root, "suites"), 0);
    assert_true(kgr_config_bool(root, "strict"));
    assert_int_equal(kgr_config_int(root, "lifetime"), 86400);
}

static void config_single_text_counts_as_a_list_of_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "broker = { host = \"one\"; } suites = \"x\";"), KGR_OK);
    assert_int_equal(kgr_config_count(kgr_config_root(f->config), "suites"), 1);
    assert_string_equal(kgr_config_text_at(kgr_config_root(f->config), "suites", 0), "x");
}

static void config_wrong_files_name_line_and_remedy(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "\nbroker = { host = \"a\"; prot = 1; }",
                   ":2: prot is no known key; did you mean port?");
    assert_refused(f, "\nbroker = { host = \"a\"; colour = 1; }",
                   ":2: colour is no known key, use one of host, port");
    assert_refused(f, "broker = { host = \"a\";\nport = 70000; }",
                   ":2: port is 70000, must be 1 to 65535");
    assert_refused(f, "broker = { host = \"a\"; port = \"1\"; }",
                   ":1: port must be a whole number, without quotes");
    assert_refused(f, "\n\nbroker = { port = 1; }", ":3: host is missing, it has no default");
    assert_refused(f, "tpm = { }", ": broker is missing, it has no default");
    assert_refused(f, "broker = ();", ":1: broker is empty, leave it out or name one");
    assert_refused(f, "broker = ( 1 );", ":1: broker must hold groups { ... } only");
    assert_refused(f, "broker = 7;",
                   ":1: broker must be a group { ... } or a list ( { ... }, { ... } )");
    assert_refused(f, "tpm = 7;", ":1: tpm must be a group { ... }");
    assert_refused(f, "strict = 1;", ":1: strict must be true or false");
    assert_refused(f, "custody = \"re\\x01\";",
                   ":1: custody is \"re\\x01\", must be one of \"auto\", \"resident\", \"sealed\"");
    assert_refused(f, "suites = [ \"a\", \"123456789\" ];",
                   ":1: suites is 9 bytes long, must be 1 to 8");
    assert_refused(f, "lifetime = -1;", ":1: lifetime is -1, must be 0 to 9223372036854775807");
    assert_refused(f, "strict = true;\nstrict = false;", ":2: duplicate setting name");
    assert_refused(f, "/* 5000000000\n */ # 5000000000\n// \"\nlifetime = 5000000000;",
                   ":4: a number beyond 32 bits needs an L behind it");
    assert_refused(f, "strict = ;", ":1: syntax error");
}

static void config_unreadable_files_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char zero[] = "strict = true;\0rest";
    char *large = calloc(1, 300000);

    assert_int_equal(kgr_config_load(&f->config, f->path, schema, NULL), KGR_ERR_CONFIG);
    assert_int_equal(kgr_config_load(&f->config, f->dir, schema, NULL), KGR_ERR_CONFIG);
    write_bytes(f->path, zero, sizeof(zero));
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, NULL), KGR_ERR_CONFIG);
    assert_non_null(large);
    memset(large, '#', 300000);
    write_bytes(f->path, large, 300000);
    free(large);
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, NULL), KGR_ERR_CONFIG);
}

/* Nothing is left out, whatever was found first; what is right is read all the same. */
static void config_every_mistake_is_told_in_order(void **state)
{
    struct fixture *f = *state;
    static const char *const rest[] = {
        ":1: colour is no known key, use one of broker, tpm, custody, suites, strict, lifetime",
        ":2: port is 0, must be 1 to 65535",
        ":3: tcti must be a text in double quotes",
        ":3: tpm cannot be so",
        ":4: suites is 9 bytes long, must be 1 to 8",
        ":4: suites must be a text in double quotes",
        ":5: strict must be true or false",
    };
    const struct kgr_mistakes *mistakes;
    struct kgr_config_group root;
    char expected[192];

    write_text(f->path,
               "colour = 1;\nbroker = ( { host = \"a\"; port = 0; } );\ntpm = { tcti = 1; };\n"
               "suites = ( \"123456789\", 2 );\nstrict = 7; lifetime = 5;\n");
    assert_int_equal(kgr_config_open(&f->config, f->path, schema), KGR_OK);
    root = kgr_config_root(f->config);
    assert_int_equal(kgr_config_error(NULL, root, "tpm", "cannot be so"), KGR_ERR_CONFIG);
    assert_int_equal(kgr_config_error(NULL, root, "tpm", "cannot be so"), KGR_ERR_CONFIG);
    mistakes = kgr_config_mistakes(f->config);
    assert_int_equal(kgr_mistakes_num(mistakes), KGR_ARRAY_LEN(rest));
    for (size_t i = 0; i < KGR_ARRAY_LEN(rest); i++) {
        (void)snprintf(expected, sizeof(expected), "%s%s", f->path, rest[i]);
        assert_string_equal(kgr_mistakes_line(mistakes, i), expected);
    }
    /* The wrong ones have their defaults. */
    assert_int_equal(kgr_config_int(root, "lifetime"), 5);
    assert_true(kgr_config_bool(root, "strict"));
    assert_int_equal(kgr_config_count(root, "suites"), 0);
    assert_string_equal(kgr_config_text(kgr_config_group(root, "tpm"), "tcti"),
                        "device:/dev/tpmrm0");
    assert_int_equal(kgr_config_result(f->config, &f->diag), KGR_ERR_CONFIG);
    assert_non_null(strstr(f->diag.text, "(1 of 7 mistakes: --check shows all)"));
}

/* What a file says before the place where it cannot be read was not checked, and does not count. */
static void config_nothing_of_a_cut_file_counts(void **state)
{
    struct fixture *f = *state;
    struct kgr_config_group root;

    write_text(f->path, "lifetime = 5; custody = 7;\ntpm = { tcti = 1; };\nbroker = { host = ;");
    assert_int_equal(kgr_config_open(&f->config, f->path, schema), KGR_OK);
    assert_int_equal(kgr_mistakes_num(kgr_config_mistakes(f->config)), 1);
    root = kgr_config_root(f->config);
    assert_int_equal(kgr_config_int(root, "lifetime"), 86400);
    assert_int_equal(kgr_config_choice(root, "custody"), 0);
    assert_int_equal(kgr_config_count(root, "broker"), 0);
    assert_string_equal(kgr_config_text(kgr_config_group(root, "tpm"), "tcti"),
                        "device:/dev/tpmrm0");
}

static void write_drop_in(const struct fixture *f, const char *name, const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s.d", f->path);
    (void)mkdir(path, 0700); /* it may be there */
    (void)snprintf(path, sizeof(path), "%s.d/%s", f->path, name);
    write_bytes(path, text, strlen(text));
}

static void config_drop_ins_merge_groups_key_by_key(void **state)
{
    struct fixture *f = *state;
    struct kgr_config_group root, tpm;
    char expected[128];

    write_drop_in(f, "20.conf", "\ntpm = { owner = \"late\"; };");
    write_drop_in(f, "10.conf",
                  "tpm = { tcti = \"ten\"; owner = \"early\"; }; suites = [ \"x\" ];");
    assert_int_equal(load(f, "broker = ( { host = \"a\"; }, { host = \"b\"; } ); suites = [ \"a\", "
                             "\"b\" ]; tpm = { tcti = \"main\"; };"),
                     KGR_OK);
    root = kgr_config_root(f->config);
    tpm = kgr_config_group(root, "tpm");
    assert_string_equal(kgr_config_text(tpm, "tcti"), "ten");
    assert_string_equal(kgr_config_text(tpm, "owner"), "late");
    assert_int_equal(kgr_config_count(root, "suites"), 1); /* lists are replaced */
    assert_int_equal(kgr_config_count(root, "broker"), 2);
    /* The place of a key is that of the file that it came from. */
    (void)kgr_config_error(&f->diag, tpm, "owner", "is so");
    (void)snprintf(expected, sizeof(expected), "%s.d/20.conf:2: owner is so", f->path);
    assert_string_equal(f->diag.text, expected);
}

static void config_included_files_stand_beside_and_are_named(void **state)
{
    struct fixture *f = *state;
    char path[96], expected[160];

    (void)snprintf(path, sizeof(path), "%s/more.inc", f->dir);
    write_bytes(path, "lifetime = 7;\n", 14);
    assert_int_equal(load(f, "@include \"more.inc\"\nbroker = { host = \"a\"; };"), KGR_OK);
    assert_int_equal(kgr_config_int(kgr_config_root(f->config), "lifetime"), 7);
    kgr_config_free(f->config);
    f->config = NULL;
    write_bytes(path, "\nlifetime = true;\n", 18);
    assert_int_equal(load(f, "@include \"more.inc\"\nbroker = { host = \"a\"; };"), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s:2: lifetime must be a whole number, without quotes", path);
    assert_string_equal(f->diag.text, expected);
    write_bytes(path, "\n\nlifetime = ;\n", 16);
    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(load(f, "@include \"more.inc\"\nbroker = { host = \"a\"; };"), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected), "%s:3: syntax error", path);
    assert_string_equal(f->diag.text, expected);
    write_bytes(path, "lifetime = 7;\n", 14);
    assert_int_equal(chmod(path, 0666), 0);
    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(load(f, "@include \"more.inc\"\nbroker = { host = \"a\"; };"), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s: everybody may write it (mode 0666); chmod 644 it", path);
    assert_string_equal(f->diag.text, expected);
}

/* Whoever may write a file decides what the service does. */
static void config_files_that_others_may_write_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[96], expected[160];

    assert_int_equal(load(f, "broker = { host = \"a\"; };"), KGR_OK);
    kgr_config_free(f->config);
    f->config = NULL;
    assert_int_equal(chmod(f->path, 0664), 0);
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, &f->diag), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s: its group may write it (mode 0664); chmod 644 it", f->path);
    assert_string_equal(f->diag.text, expected);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, NULL), KGR_OK);
    kgr_config_free(f->config);
    f->config = NULL;
    (void)snprintf(path, sizeof(path), "%s.d", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0777), 0);
    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, &f->diag), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s: everybody may write it (mode 0777); chmod 755 it", path);
    assert_string_equal(f->diag.text, expected);
    if (geteuid() != 0)
        return; /* nobody can give a file away then */
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(chown(f->path, 4242, 0), 0);
    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(kgr_config_load(&f->config, f->path, schema, &f->diag), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s: belongs to user 4242, must be of root; chown root it", f->path);
    assert_string_equal(f->diag.text, expected);
}

static void config_drop_ins_replace_top_level_keys_in_order(void **state)
{
    struct fixture *f = *state;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s.d", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s.d/10-a.conf", f->path);
    write_bytes(path, "lifetime = 1; strict = false;", 29);
    (void)snprintf(path, sizeof(path), "%s.d/20-b.conf", f->path);
    write_bytes(path, "lifetime = 2;", 13);
    (void)snprintf(path, sizeof(path), "%s.d/30-c.conf.bak", f->path);
    write_bytes(path, "nonsense", 8);
    assert_int_equal(load(f, "broker = { host = \"one\"; } lifetime = 0;"), KGR_OK);
    assert_int_equal(kgr_config_int(kgr_config_root(f->config), "lifetime"), 2);
    assert_false(kgr_config_bool(kgr_config_root(f->config), "strict"));
}

/* What was absent and says its default now, or was written otherwise, did not change. */
static void config_changes_are_told_by_key(void **state)
{
    struct fixture *f = *state;
    static const char before[] = "broker = ( { host = \"a\"; port = 1883; } ); suites = \"x\"; "
                                 "lifetime = 5; tpm = { tcti = \"one\"; };";
    static const struct {
        const char *text, *dead, *live;
    } cases[] = {
        {before, "", ""},
        {"lifetime = 5L; strict = true; custody = \"auto\"; tpm = { tcti = \"one\"; }; suites = "
         "\"x\"; broker = ( { port = 1883; host = \"a\"; } );",
         "", ""},
        {"broker = ( { host = \"a\"; port = 1884; } ); lifetime = 6;", "broker, tpm.tcti, suites",
         "lifetime"},
        {"broker = ( { host = \"a\"; port = 1883; }, { host = \"b\"; } ); suites = [ \"x\", \"y\" "
         "]; "
         "strict = false; tpm = { tcti = \"one\"; owner = \"me\"; };",
         "broker, tpm.owner, suites, strict", "lifetime"},
    };
    struct kgr_config *now = NULL;
    char names[64], few[12];

    assert_int_equal(load(f, before), KGR_OK);
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        write_text(f->path, cases[i].text);
        assert_int_equal(kgr_config_load(&now, f->path, schema, NULL), KGR_OK);
        (void)kgr_config_changes(f->config, now, false, names, sizeof(names));
        assert_string_equal(names, cases[i].dead);
        (void)kgr_config_changes(f->config, now, true, names, sizeof(names));
        assert_string_equal(names, cases[i].live);
        if (i == KGR_ARRAY_LEN(cases) - 1) { /* names are whole or not there */
            assert_int_equal(kgr_config_changes(f->config, now, false, few, sizeof(few)), 4);
            assert_string_equal(few, "broker");
        }
        kgr_config_free(now);
        now = NULL;
    }
}

static void config_wrong_drop_in_is_named(void **state)
{
    struct fixture *f = *state;
    char path[96], expected[160];

    (void)snprintf(path, sizeof(path), "%s.d", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s.d/x.conf", f->path);
    write_bytes(path, "\nlifetime = true;", 17);
    assert_int_equal(load(f, "broker = { host = \"one\"; }"), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected),
                   "%s:2: lifetime must be a whole number, without quotes", path);
    assert_string_equal(f->diag.text, expected);
}

static void config_error_names_the_place(void **state)
{
    struct fixture *f = *state;
    struct kgr_config_group broker;
    char expected[128];

    assert_int_equal(load(f, "\nbroker = {\nhost = \"one\"; }"), KGR_OK);
    broker = kgr_config_group_at(kgr_config_root(f->config), "broker", 0);
    assert_int_equal(kgr_config_error(&f->diag, broker, "host", "cannot be %d", 7), KGR_ERR_CONFIG);
    (void)snprintf(expected, sizeof(expected), "%s:3: host cannot be 7", f->path);
    assert_string_equal(f->diag.text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config_full_file_gives_its_values, setup, teardown),
        cmocka_unit_test_setup_teardown(config_absent_keys_give_their_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(config_single_text_counts_as_a_list_of_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config_wrong_files_name_line_and_remedy, setup, teardown),
        cmocka_unit_test_setup_teardown(config_unreadable_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(config_every_mistake_is_told_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(config_nothing_of_a_cut_file_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(config_drop_ins_merge_groups_key_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(config_included_files_stand_beside_and_are_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config_files_that_others_may_write_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config_drop_ins_replace_top_level_keys_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(config_changes_are_told_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(config_wrong_drop_in_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(config_error_names_the_place, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
