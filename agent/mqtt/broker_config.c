/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/broker_config.h"

#include "agent/base/secret_file.h"

#include <string.h>

static const char *const protocols[] = {[KGR_MQTT_5] = "5", [KGR_MQTT_3_1_1] = "3.1.1", NULL};

const struct kgr_config_key kgr_broker_keys[] = {
    {.name = "host", .type = KGR_CONFIG_TEXT, .min = 1, .max = KGR_BROKER_HOST_MAX},
    {.name = "port", .type = KGR_CONFIG_INT, .min = 1, .max = 65535, .def = 0},
    {.name = "tls", .type = KGR_CONFIG_BOOL, .def = 0},
    {.name = "ca", .type = KGR_CONFIG_TEXT},
    {.name = "cert", .type = KGR_CONFIG_TEXT},
    {.name = "key", .type = KGR_CONFIG_TEXT},
    {.name = "user", .type = KGR_CONFIG_TEXT},
    {.name = "password_file", .type = KGR_CONFIG_TEXT},
    {.name = "protocol", .type = KGR_CONFIG_TEXT, .choices = protocols, .def_text = "5"},
    {.name = NULL},
};

static enum kgr_error check_group(struct kgr_config_group group, size_t num,
                                  const struct kgr_broker *broker, struct kgr_diag *diag)
{
    static const char *const names[] = {"ca", "cert", "key"};
    struct kgr_diag why = {{0}};
    enum kgr_error err = KGR_OK;

    if (!kgr_config_has(group, "host") && (num > 1 || kgr_config_has(group, "port")))
        err = kgr_config_error(diag, group, "host", "is missing");
    for (size_t i = 0; i < KGR_ARRAY_LEN(names); i++) {
        const char *path = kgr_config_text(group, names[i]);

        if (path != NULL && path[0] != '/')
            err = kgr_config_error(diag, group, names[i], "must be an absolute path");
    }
    if (broker->password_file != NULL && !kgr_secret_file_is_named(broker->password_file))
        err = kgr_config_error(diag, group, "password_file", KGR_SECRET_FILE_RULE);
    if (kgr_broker_check_keys(broker, &why) != KGR_OK)
        err = kgr_config_error(diag, group, NULL, "%s", why.text);
    return err;
}

enum kgr_error kgr_brokers_load(struct kgr_brokers *out, struct kgr_config_group root,
                                struct kgr_diag *diag)
{
    size_t num = kgr_config_count(root, "broker");
    enum kgr_error err = KGR_OK;

    *out = (struct kgr_brokers){.num = 0};
    if (num > KGR_BROKERS_MAX)
        return kgr_config_error(diag, root, "broker", "must be at most %d groups", KGR_BROKERS_MAX);
    for (size_t i = 0; i < num; i++) {
        struct kgr_config_group group = kgr_config_group_at(root, "broker", i);
        size_t protocol = kgr_config_choice(group, "protocol");
        struct kgr_broker *broker = &out->list[out->num++];

        *broker = (struct kgr_broker){
            .host = kgr_config_text(group, "host"),
            .port = (uint16_t)kgr_config_int(group, "port"),
            .tls = kgr_config_bool(group, "tls"),
            .ca = kgr_config_text(group, "ca"),
            .cert = kgr_config_text(group, "cert"),
            .key = kgr_config_text(group, "key"),
            .user = kgr_config_text(group, "user"),
            .password_file = kgr_config_text(group, "password_file"),
            .protocol = (enum kgr_mqtt_protocol)protocol,
        };
        if (check_group(group, num, broker, diag) != KGR_OK)
            err = KGR_ERR_CONFIG;
    }
    return err;
}

void kgr_brokers_check_files(const struct kgr_brokers *brokers, struct kgr_config_group root)
{
    for (size_t i = 0; i < brokers->num && i < kgr_config_count(root, "broker"); i++) {
        struct kgr_diag why = {{0}};

        if (kgr_broker_check_files(&brokers->list[i], &why) != KGR_OK)
            (void)kgr_config_error(NULL, kgr_config_group_at(root, "broker", i), NULL, "broker: %s",
                                   why.text);
    }
}

void kgr_brokers_complete(struct kgr_brokers *brokers, const char *host, uint16_t port)
{
    if (brokers->num == 0)
        brokers->list[brokers->num++] = (struct kgr_broker){.host = NULL};
    if (brokers->list[0].host != NULL)
        return;
    brokers->list[0].host = host;
    brokers->list[0].port = port;
}
