/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/mqtt.h"

#include "agent/base/secret.h"
#include "tests/support/broker.h"
#include "tests/unit/mqtt_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* TLS, passwords, MQTT 3.1.1 and several brokers, against a real Mosquitto. */
static char dir[64]; /* certificates and passwords of all tests */

struct fixture {
    struct broker one, two;
    struct client a, b;
    char ca[96], cert[96], key[96], password[96];
};

static const char *in_dir(char out[96], const char *name)
{
    (void)snprintf(out, 96, "%s/%s", dir, name);
    return out;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[96];
    FILE *file = fopen(in_dir(path, name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int group_setup(void **state)
{
    char command[512];
    int status;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/kgr-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(command, sizeof(command),
                   "'%s' %s && touch %s/passwords && chmod 600 %s/passwords &&"
                   " mosquitto_passwd -b %s/passwords gateway 'a pass word'",
                   TEST_CERTS, dir, dir, dir, dir);
    status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int group_teardown(void **state)
{
    char command[96];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)in_dir(f->ca, "ca.pem");
    (void)in_dir(f->cert, "client.pem");
    (void)in_dir(f->key, "client.key");
    (void)in_dir(f->password, "password");
    write_file("password", "a pass word\n", 0600);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    client_close(&f->a);
    client_close(&f->b);
    if (f->one.port != 0)
        broker_stop(&f->one);
    if (f->two.port != 0)
        broker_stop(&f->two);
    free(f);
    return 0;
}

/* A broker that shows the certificate `name`; extra are more lines. */
static void start_tls(struct broker *broker, const char *name, const char *extra)
{
    char lines[512];

    (void)snprintf(lines, sizeof(lines),
                   "cafile %s/ca.pem\ncertfile %s/%s.pem\nkeyfile %s/%s.key\n%s", dir, dir, name,
                   dir, name, extra);
    broker_start(broker, lines);
}

static void open_client(struct client *client, const struct kgr_broker *list, size_t num)
{
    struct kgr_brokers brokers = {.num = num};
    const struct kgr_mqtt_options options = {
        .brokers = &brokers, .backoff_min_ms = 10, .backoff_max_ms = 100, .return_ms = 50};

    memcpy(brokers.list, list, num * sizeof(*list));
    client_open(client, &options);
}

/* The client comes to nothing, and says why. */
static void assert_fails(struct fixture *f, const struct kgr_broker *broker, const char *reason)
{
    open_client(&f->a, broker, 1);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_lost, 2);
    if (strstr(f->a.reason, reason) == NULL)
        fail_msg("'%s' lacks '%s'", f->a.reason, reason);
    assert_string_equal(kgr_mqtt_trouble(f->a.mqtt), f->a.reason);
    assert_int_equal(f->a.num_ready, 0);
    client_close(&f->a);
}

/* Subscribes and gets a message of its own back. */
static void assert_works(struct fixture *f, const struct kgr_broker *broker)
{
    open_client(&f->a, broker, 1);
    f->a.publish_when_ready = "kgr/a";
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_messages, 1);
    assert_string_equal(f->a.payload, "ready");
    assert_string_equal(kgr_mqtt_trouble(f->a.mqtt), "");
    client_close(&f->a);
}

static void brokers_tls_with_the_right_name_works(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};

    start_tls(&f->one, "server", "");
    broker.port = f->one.port;
    assert_works(f, &broker);
    broker.host = "localhost";
    assert_works(f, &broker);
    broker.protocol = KGR_MQTT_3_1_1;
    assert_works(f, &broker);
}

static void brokers_tls_1_3_works(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};

    start_tls(&f->one, "server", "tls_version tlsv1.3\n");
    broker.port = f->one.port;
    assert_works(f, &broker);
}

/* A server of exactly one version, which Mosquitto cannot be. Returns its pid when it listens. */
static pid_t start_server(uint16_t port, const char *version)
{
    char accept[32], cert[96], key[96];
    char line[128];
    int in[2], out[2];
    FILE *file;
    pid_t pid;

    (void)snprintf(accept, sizeof(accept), "127.0.0.1:%u", (unsigned)port);
    assert_int_equal(pipe(in), 0); /* it ends with its input, which never comes */
    assert_int_equal(pipe(out), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0)
            _exit(126);
        execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert",
               in_dir(cert, "server.pem"), "-key", in_dir(key, "server.key"), version, "-cipher",
               "ALL:@SECLEVEL=0", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(in[1]);
    close(out[1]);
    file = fdopen(out[0], "r");
    assert_non_null(file);
    do
        assert_non_null(fgets(line, sizeof(line), file));
    while (strncmp(line, "ACCEPT", 6) != 0);
    assert_int_equal(fclose(file), 0);
    return pid;
}

static void connect_to_version(struct fixture *f, const char *version, const char *reason)
{
    struct kgr_brokers brokers = {
        .list = {{.host = "127.0.0.1", .tls = true, .ca = f->ca, .port = f->one.port}}, .num = 1};
    const struct kgr_mqtt_options options = {.brokers = &brokers, .timeout_ms = 1000};
    pid_t pid = start_server(f->one.port, version);

    client_open(&f->a, &options);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_lost, 1);
    client_close(&f->a);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (strstr(f->a.reason, reason) == NULL)
        fail_msg("'%s' lacks '%s'", f->a.reason, reason);
}

static void brokers_tls_1_1_is_refused(void **state)
{
    struct fixture *f = *state;

    broker_start(&f->one, NULL); /* for a free port */
    broker_kill(&f->one);
    connect_to_version(f, "-tls1_1", "TLS: "); /* each version of OpenSSL has words of its own */
    connect_to_version(f, "-tls1_2", "does not answer"); /* it speaks no MQTT */
}

static void brokers_tls_for_another_name_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};

    start_tls(&f->one, "wrong", "");
    broker.port = f->one.port;
    assert_fails(f, &broker, "TLS: the broker's certificate is not for 127.0.0.1");
    broker.host = "localhost";
    assert_fails(f, &broker, "TLS: the broker's certificate is not for localhost");
}

static void brokers_tls_of_a_stranger_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true};
    char stranger[96];

    start_tls(&f->one, "server", "");
    broker.port = f->one.port;
    broker.ca = in_dir(stranger, "stranger.pem");
    assert_fails(f, &broker, "TLS: the broker's certificate is refused: self-signed");
}

static void brokers_tls_that_has_expired_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};

    start_tls(&f->one, "expired", "");
    broker.port = f->one.port;
    assert_fails(f, &broker, "TLS: the broker's certificate is refused: certificate has expired");
}

static void brokers_tls_to_a_port_without_it_is_named(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};

    broker_start(&f->one, NULL);
    broker.port = f->one.port;
    assert_fails(f, &broker, "TLS: ");
}

static void brokers_client_certificate_is_given_when_asked_for(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .tls = true, .ca = f->ca};
    char cert[96], key[96];

    start_tls(&f->one, "server", "require_certificate true\nuse_identity_as_username true\n");
    broker.port = f->one.port;
    assert_fails(f, &broker, "or the broker wants one of ours (cert, key)");
    broker.cert = in_dir(cert, "strange-client.pem");
    broker.key = in_dir(key, "strange-client.key");
    assert_fails(f, &broker, "or the broker refuses ours");
    broker.cert = f->cert;
    broker.key = f->key;
    assert_works(f, &broker);
}

static void brokers_password_is_checked_and_read_anew(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {
        .host = "127.0.0.1", .user = "gateway", .password_file = f->password};
    char lines[128];

    (void)snprintf(lines, sizeof(lines), "allow_anonymous false\npassword_file %s/passwords", dir);
    broker_start(&f->one, lines);
    broker.port = f->one.port;
    assert_works(f, &broker);
    write_file("password", "another", 0600);
    assert_fails(f, &broker, "connection refused by the broker: Not authorized (reason 135)");
    broker.protocol = KGR_MQTT_3_1_1;
    assert_fails(f, &broker, "connection refused by the broker: not authorised (reason 5)");
    /* Put right while it tries. */
    open_client(&f->a, &broker, 1);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_lost, 1);
    write_file("password", "a pass word", 0600);
    serve_until(&f->a, NULL, &f->a.num_ready, 1);
    /* Spoilt while it is connected: told at the next connect. */
    write_file("password", "a pass word", 0644);
    broker_kill(&f->one);
    broker_restart(&f->one);
    serve_until(&f->a, NULL, &f->a.num_lost, f->a.num_lost + 2);
    assert_non_null(strstr(f->a.reason, "chmod it to 0600"));
}

/* Mosquitto refuses publications by its rules; 3.1.1 cannot say so. */
static void brokers_refused_publication_is_told_until_one_is_accepted(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1"};
    struct kgr_mqtt_stats stats;
    char lines[128];

    write_file("rules", "topic read kgr/a\ntopic readwrite kgr/b\n", 0644);
    (void)snprintf(lines, sizeof(lines), "acl_file %s/rules", dir);
    broker_start(&f->one, lines);
    broker.port = f->one.port;
    open_client(&f->a, &broker, 1);
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/b"), KGR_OK);
    f->a.publish_when_ready = "kgr/a";
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_ready, 1);
    while (kgr_mqtt_trouble(f->a.mqtt)[0] == '\0')
        (void)kgr_mqtt_drain(f->a.mqtt);
    assert_string_equal(kgr_mqtt_trouble(f->a.mqtt),
                        "publication refused by the broker: Not authorized (reason 135)");
    kgr_mqtt_stats(f->a.mqtt, &stats);
    assert_int_equal(stats.publish_refused, 1);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/b", kgr_slice("x", 1)), KGR_OK);
    serve_until(&f->a, NULL, &f->a.num_messages, 1);
    while (kgr_mqtt_trouble(f->a.mqtt)[0] != '\0')
        (void)kgr_mqtt_drain(f->a.mqtt);
}

static void brokers_old_protocol_works_and_survives_a_crash(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker broker = {.host = "127.0.0.1", .protocol = KGR_MQTT_3_1_1};
    char topic[16];

    broker_start(&f->one, NULL);
    broker.port = f->one.port;
    open_client(&f->a, &broker, 1);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(topic, sizeof(topic), "kgr/%u", i);
        assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, topic), KGR_OK);
    }
    f->a.publish_when_ready = "kgr/99";
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_messages, 1);
    broker_kill(&f->one);
    broker_restart(&f->one);
    serve_until(&f->a, NULL, &f->a.num_messages, 2);
    assert_int_equal(f->a.num_ready, 2);
    kgr_mqtt_unsubscribe(f->a.mqtt, "kgr/99");
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/99", kgr_slice("x", 1)), KGR_OK);
    assert_int_equal(kgr_mqtt_publish(f->a.mqtt, "kgr/98", kgr_slice("x", 1)), KGR_OK);
    serve_until(&f->a, NULL, &f->a.num_messages, 3);
    assert_string_equal(f->a.topic, "kgr/98");
}

static void brokers_second_is_used_while_the_first_is_away(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker list[2] = {{.host = "127.0.0.1"},
                                 {.host = "localhost", .protocol = KGR_MQTT_3_1_1}};
    struct kgr_mqtt_stats stats;

    broker_start(&f->one, NULL);
    broker_start(&f->two, NULL);
    list[0].port = f->one.port;
    list[1].port = f->two.port;
    open_client(&f->a, list, 2);
    f->a.publish_when_ready = "kgr/a";
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_messages, 1);
    assert_int_equal(kgr_mqtt_broker(f->a.mqtt)->port, f->one.port);
    broker_kill(&f->one);
    serve_until(&f->a, NULL, &f->a.num_messages, 2);
    assert_int_equal(kgr_mqtt_broker(f->a.mqtt)->port, f->two.port);
    broker_restart(&f->one);
    serve_until(&f->a, NULL, &f->a.num_messages, 3); /* back by itself */
    assert_int_equal(kgr_mqtt_broker(f->a.mqtt)->port, f->one.port);
    assert_string_equal(f->a.reason, "a preferred broker is back");
    assert_string_equal(kgr_mqtt_trouble(f->a.mqtt), "");
    broker_kill(&f->two);
    broker_kill(&f->one);
    serve_until(&f->a, NULL, &f->a.num_lost, f->a.num_lost + 4);
    broker_restart(&f->two);
    serve_until(&f->a, NULL, &f->a.num_messages, 4);
    kgr_mqtt_stats(f->a.mqtt, &stats);
    assert_int_equal(stats.connects, 4);
}

static void brokers_one_that_refuses_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct kgr_broker list[2] = {{.host = "127.0.0.1"}, {.host = "127.0.0.1"}};

    broker_start(&f->one, "allow_anonymous false");
    broker_start(&f->two, NULL);
    list[0].port = f->one.port;
    list[1].port = f->two.port;
    open_client(&f->a, list, 2);
    f->a.publish_when_ready = "kgr/a";
    assert_int_equal(kgr_mqtt_subscribe(f->a.mqtt, "kgr/a"), KGR_OK);
    kgr_mqtt_start(f->a.mqtt);
    serve_until(&f->a, NULL, &f->a.num_messages, 1);
    assert_int_equal(f->a.num_lost, 1);
    /* The owner finds that nobody answers there. */
    kgr_mqtt_move_on(f->a.mqtt, "no answer");
    assert_string_equal(f->a.reason, "no answer");
    assert_false(kgr_mqtt_is_ready(f->a.mqtt));
    serve_until(&f->a, NULL, &f->a.num_messages, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    /* Paho obeys these; the services take them out of their environment. */
    (void)unsetenv("http_proxy");
    (void)unsetenv("https_proxy");
    const struct CMUnitTest tests[] = {
        TEST(brokers_tls_with_the_right_name_works),
        TEST(brokers_tls_1_3_works),
        TEST(brokers_tls_1_1_is_refused),
        TEST(brokers_tls_for_another_name_is_refused),
        TEST(brokers_tls_of_a_stranger_is_refused),
        TEST(brokers_tls_that_has_expired_is_refused),
        TEST(brokers_tls_to_a_port_without_it_is_named),
        TEST(brokers_client_certificate_is_given_when_asked_for),
        TEST(brokers_password_is_checked_and_read_anew),
        TEST(brokers_refused_publication_is_told_until_one_is_accepted),
        TEST(brokers_old_protocol_works_and_survives_a_crash),
        TEST(brokers_second_is_used_while_the_first_is_away),
        TEST(brokers_one_that_refuses_is_passed_over),
    };

    if (kgr_arena_init(64 * 1024) != KGR_OK)
        return 1;
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
