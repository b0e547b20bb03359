/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/broker_config.h"

#include "agent/base/secret.h"

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

struct fixture {
    char dir[32];
    char path[64];
    struct kgr_config *config;
    struct kgr_brokers brokers;
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/file", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_config_free(f->config);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    return 0;
}

static void write_file(const struct fixture *f, const char *text, mode_t mode)
{
    FILE *file = fopen(f->path, "w");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(f->path, mode), 0);
}

static enum kgr_error load(struct fixture *f, const char *text)
{
    static const struct kgr_config_key schema[] = {
        {.name = "broker", .type = KGR_CONFIG_GROUPS, .keys = kgr_broker_keys},
        {.name = NULL},
    };
    enum kgr_error err;

    kgr_config_free(f->config);
    f->config = NULL;
    memset(&f->diag, 0, sizeof(f->diag));
    write_file(f, text, 0644);
    err = kgr_config_load(&f->config, f->path, schema, &f->diag);
    if (err != KGR_OK)
        return err;
    return kgr_brokers_load(&f->brokers, kgr_config_root(f->config), &f->diag);
}

static void broker_configuration_with_everything_is_read(void **state)
{
    struct fixture *f = *state;
    const struct kgr_broker *b = f->brokers.list;

    assert_int_equal(load(f, "broker = ( { host = \"one\"; tls = true; ca = \"/a\"; cert = \"/c\";"
                             " key = \"/k\"; user = \"u\"; password_file = \"/p\"; },"
                             " { host = \"::1\"; port = 1885; protocol = \"3.1.1\"; } );"),
                     KGR_OK);
    assert_int_equal(f->brokers.num, 2);
    assert_string_equal(b[0].host, "one");
    assert_int_equal(kgr_broker_port(&b[0]), 8883);
    assert_true(b[0].tls);
    assert_string_equal(b[0].ca, "/a");
    assert_string_equal(b[0].cert, "/c");
    assert_string_equal(b[0].key, "/k");
    assert_string_equal(b[0].user, "u");
    assert_string_equal(b[0].password_file, "/p");
    assert_int_equal(b[0].protocol, KGR_MQTT_5);
    assert_false(b[1].tls);
    assert_null(b[1].ca);
    assert_int_equal(b[1].protocol, KGR_MQTT_3_1_1);
    assert_int_equal(kgr_broker_port(&b[1]), 1885);
}

static void broker_configuration_may_be_one_group_or_none(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, ""), KGR_OK);
    assert_int_equal(f->brokers.num, 0);
    assert_int_equal(load(f, "broker = { host = \"one\"; };"), KGR_OK);
    assert_int_equal(f->brokers.num, 1);
    assert_int_equal(kgr_broker_port(&f->brokers.list[0]), 1883);
}

static void assert_refused(struct fixture *f, const char *text, const char *part)
{
    assert_int_equal(load(f, text), KGR_ERR_CONFIG);
    if (strstr(f->diag.text, part) == NULL)
        fail_msg("'%s' lacks '%s'", f->diag.text, part);
}

static void broker_configuration_that_is_wrong_names_the_line(void **state)
{
    struct fixture *f = *state;
    char many[1024] = "broker = ( ";

    assert_refused(f, "broker = { host = \"x\"; protocol = \"4\"; };", ":1: protocol");
    assert_refused(f, "\nbroker = { host = \"x\"; password_file = \"p\"; };",
                   ":2: password_file must be an absolute path");
    assert_refused(f, "broker = { port = 1; };", ":1: host");
    assert_refused(f, "broker = { host = \"x\"; pasword = \"y\"; };", "is no known key");
    for (int i = 0; i <= KGR_BROKERS_MAX; i++)
        (void)strcat(many, i == 0 ? "{ host = \"x\"; }" : ", { host = \"x\"; }");
    (void)strcat(many, ");");
    assert_refused(f, many, "at most 8");
}

static void assert_check(struct fixture *f, const struct kgr_broker *broker, const char *part)
{
    memset(&f->diag, 0, sizeof(f->diag));
    assert_int_equal(kgr_broker_check(broker, &f->diag), KGR_ERR_CONFIG);
    if (strstr(f->diag.text, part) == NULL)
        fail_msg("'%s' lacks '%s'", f->diag.text, part);
}

static void broker_settings_that_do_not_fit_together_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_check(f, &(struct kgr_broker){.host = ""}, "1 to 255 bytes");
    assert_check(f, &(struct kgr_broker){.host = "mqtts://x"}, "a name or an address alone");
    assert_check(f, &(struct kgr_broker){.host = "x", .ca = "/a"}, "need tls = true");
    assert_check(f, &(struct kgr_broker){.host = "x", .tls = true}, "tls needs ca");
    assert_check(f, &(struct kgr_broker){.host = "x", .tls = true, .ca = "/a", .cert = "/c"},
                 "need each other");
    assert_check(f, &(struct kgr_broker){.host = "x", .password_file = "/p"}, "needs user");
    assert_check(f, &(struct kgr_broker){.host = "x", .tls = true, .ca = "/nowhere"},
                 "/nowhere: No such file");
    assert_int_equal(kgr_broker_check(&(struct kgr_broker){.host = "x"}, NULL), KGR_OK);
}

static void broker_secrets_that_others_may_read_are_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "x", .user = "u", .password_file = f->path};
    char *password = NULL;
    size_t len = 0;

    write_file(f, "secret\n", 0640);
    assert_check(f, &broker, "chmod it to 0600");
    assert_int_equal(kgr_broker_password(&broker, &password, &len, NULL), KGR_ERR_CONFIG);
    assert_null(password);
    broker = (struct kgr_broker){
        .host = "x", .tls = true, .ca = f->path, .cert = f->path, .key = f->path};
    assert_check(f, &broker, "chmod it to 0600");
    broker = (struct kgr_broker){.host = "x", .user = "u", .password_file = f->dir};
    assert_check(f, &broker, "not a regular file");
    if (geteuid() == 0) {
        broker.password_file = f->path;
        assert_int_equal(chmod(f->path, 0600), 0);
        assert_int_equal(chown(f->path, 12345, (gid_t)-1), 0);
        assert_check(f, &broker, "belongs to uid 12345");
    }
}

static void broker_password_is_read_into_the_arena(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "x", .user = "u", .password_file = f->path};
    char longest[KGR_BROKER_PASSWORD_MAX + 2];
    char *password = NULL;
    size_t len = 0;

    write_file(f, "two words\n", 0600);
    assert_int_equal(kgr_broker_password(&broker, &password, &len, NULL), KGR_OK);
    assert_int_equal(len, 9);
    assert_memory_equal(password, "two words", 9);
    assert_true(kgr_arena_contains(password));
    kgr_secret_free(password);
    memset(longest, 'a', sizeof(longest));
    longest[KGR_BROKER_PASSWORD_MAX] = '\0';
    write_file(f, longest, 0400);
    assert_int_equal(kgr_broker_password(&broker, &password, &len, NULL), KGR_OK);
    assert_int_equal(len, KGR_BROKER_PASSWORD_MAX);
    kgr_secret_free(password);
    longest[KGR_BROKER_PASSWORD_MAX] = 'a';
    longest[KGR_BROKER_PASSWORD_MAX + 1] = '\0';
    write_file(f, longest, 0600);
    assert_int_equal(kgr_broker_password(&broker, &password, &len, NULL), KGR_ERR_CONFIG);
    write_file(f, "\n", 0600);
    assert_int_equal(kgr_broker_password(&broker, &password, &len, NULL), KGR_ERR_CONFIG);
    assert_null(password);
}

static void broker_text_has_host_and_port(void **state)
{
    char text[KGR_BROKER_TEXT_MAX + 1];

    (void)state;
    assert_string_equal(kgr_broker_text(text, &(struct kgr_broker){.host = "h", .tls = true}),
                        "h:8883");
    assert_string_equal(kgr_broker_text(text, &(struct kgr_broker){.host = "::1", .port = 9}),
                        "[::1]:9");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(broker_configuration_with_everything_is_read),
        TEST(broker_configuration_may_be_one_group_or_none),
        TEST(broker_configuration_that_is_wrong_names_the_line),
        TEST(broker_settings_that_do_not_fit_together_are_refused),
        TEST(broker_secrets_that_others_may_read_are_refused),
        TEST(broker_password_is_read_into_the_arena),
        cmocka_unit_test(broker_text_has_host_and_port),
    };

    if (kgr_arena_init(64 * 1024) != KGR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
